using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary>When the next checkpoint is due under <c>checkpoint: auto</c>, in virtual time.</summary>
public sealed class CheckpointIntervalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Every look at the clock takes 2 ms, and so does copying the state, if nobody else looks meanwhile.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task The_next_checkpoint_is_due_by_what_the_latest_one_cost_and_how_often_nodes_were_lost(int failures)
    {
        var spec = JobHarness.SpecOf(workers: 2, shards: 4, epochs: 4) with { Checkpoint = new CheckpointSection { Auto = true, Keep = 10 } };
        string[][] roles = [["server"], ["worker"], ["worker"]];
        List<LinearRuntime> runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true))];
        await using var harness = new JobHarness(runtimes, roles: roles, hocon: JobHarness.VirtualTimers) { CheckpointDirectory = _folder };
        harness.Time.PerLook = TimeSpan.FromMilliseconds(2);
        harness.Time.Stop();
        double cost = 0;
        harness.OnFrame = (_, _, header, meta, _) =>
        {
            if (header.Kind == TensorKind.Snapshot && meta is StateMeta state) cost = state.CopySeconds;
        };
        StepGate gate = new(step: 5), later = new(step: 15);
        runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        if (failures > 0)
        {
            await harness.KillAsync(2);
            await harness.StatusAsync(j => j.WorkerFailures == 1, Token);
        }
        harness.Scheduler.Advance(TimeSpan.FromSeconds(CheckpointInterval.Shortest));
        await harness.HeardAsync(w => w.Body is RequestCheckpoint, 1, Token);
        gate.Release();
        await harness.HeardAsync(w => w.Body is CheckpointDone, 1, Token);
        await later.Reached(Token);
        await harness.CoordinatorIsDoneAsync(Token);

        double expected = CheckpointInterval.Daly(cost, CheckpointInterval.AssumedMeanTimeBetweenFailures / (1 + failures));
        Assert.InRange(expected, CheckpointInterval.Shortest + 1, 60);
        harness.Scheduler.Advance(TimeSpan.FromSeconds(0.9 * expected));
        await harness.CoordinatorIsDoneAsync(Token);
        Assert.Equal(1, harness.Wires.Count(w => w.Body is RequestCheckpoint));
        harness.Scheduler.Advance(TimeSpan.FromSeconds(0.2 * expected));
        await harness.HeardAsync(w => w.Body is RequestCheckpoint, 2, Token);
        later.Release();
        var (end, _) = await run;

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal(failures, end.Summary.WorkerFailures);
    }
}
