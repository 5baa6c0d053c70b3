using System.Collections.Concurrent;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Support;

/// <summary>Steps are faster than the disk; here they are not.</summary>
internal static class Pace
{
    /// <summary>Steps wait for every checkpoint that is planned, so that it is over before the next one is due.</summary>
    /// <param name="gate">Holds up whoever gets to it, once the checkpoints before are there.</param>
    /// <param name="last">The last step that waits.</param>
    public static void Keep(JobHarness harness, IReadOnlyList<LinearRuntime> runtimes, StepGate? gate = null, long last = long.MaxValue)
    {
        var token = TestContext.Current.CancellationToken;
        var planned = new ConcurrentDictionary<long, bool>();
        foreach (var runtime in runtimes)
        {
            runtime.BeforeLeaf = (plan, shard) =>
            {
                if (plan.Step <= last)
                {
                    if (plan.Checkpoint) planned[plan.Step + 1] = true;
                    foreach (long step in planned.Keys.Where(s => s <= plan.Step))
                        harness.HeardAsync(w => w.Body is CheckpointDone done && done.Step == step, 1, token).GetAwaiter().GetResult();
                }
                gate?.Pass(plan, shard);
            };
        }
    }
}
