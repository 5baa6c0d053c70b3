using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Training;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>User code that ends the process which runs it, on whichever node that is.</summary>
public sealed class StandstillTests
{
    private static readonly string[] Worker = ["worker"], Server = ["server"];

    /// <summary>A server and one worker at a time.</summary>
    private const int Most = 2 * Standstill.LossesPerNode;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_whose_step_ends_one_node_after_the_other_fails_with_the_step_and_is_not_tried_for_ever()
    {
        var (end, lost) = await LoseOneAfterTheOtherAsync(_ => 23);

        Assert.Equal(RunStatus.Failed, end.Status);
        Assert.Equal(Most, lost);
        Assert.Matches($@"^{Most} nodes were lost at step 2[23] or the next, one after the other, and the job did not get any further: its user code", end.Error);
        Assert.Equal(NodeFailures.Kept, end.Failures.Count);
    }

    [Fact]
    public async Task A_job_that_loses_as_many_nodes_and_makes_steps_in_between_ends_as_if_nothing_had_been()
    {
        var expected = await Undisturbed(Spec);

        var (end, lost) = await LoseOneAfterTheOtherAsync(i => 3 + (2 * i));

        AssertSame(expected, end);
        Assert.Equal((Most + 2, 0), (lost, end.Rollbacks));
    }

    private static Core.Specs.TrainingSpec Spec => JobHarness.SpecOf(workers: 1, servers: 1, shards: 4, epochs: 4);

    /// <param name="stepOf">Step at which the i-th worker is lost.</param>
    private static async Task<(RunSummary End, int Lost)> LoseOneAfterTheOtherAsync(Func<int, long> stepOf)
    {
        await using var harness = LinearCluster.Of(3, roles: [[], Worker, Server]);
        var gate = new StepGate(stepOf(0));
        harness.Runtimes[1].BeforeLeaf = gate.Pass;
        var run = harness.Jobs.RunAsync(Spec, Token);
        int worker = 1, lost = 0;
        while (lost < Most + 2)
        {
            await Task.WhenAny(run, gate.Reached(Token));
            if (run.IsCompleted) break;
            // the next one is there before the last is gone
            var (victim, held) = (worker, gate);
            gate = new StepGate(++lost < Most + 2 ? stepOf(lost) : long.MaxValue);
            worker = harness.Jobs.Join(new LinearRuntime(buffers: true) { BeforeLeaf = gate.Pass }, Worker);
            var killed = harness.Jobs.KillAsync(victim);
            held.Release();
            await killed;
        }
        var (end, _) = await run;
        return (end.Summary, lost);
    }
}
