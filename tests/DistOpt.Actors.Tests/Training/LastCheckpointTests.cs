using System.Text.RegularExpressions;
using Akka.Actor;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary>The last checkpoint of a run that is interrupted, and the last weights, when their parts come slowly or not at all.</summary>
public sealed class LastCheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private readonly LinearRuntime[] _runtimes = [.. Enumerable.Range(0, 2).Select(_ => new LinearRuntime(buffers: true))];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_checkpoint_that_takes_longer_than_the_limit_is_waited_for_as_long_as_parts_of_it_come()
    {
        await using var harness = Harness();
        harness.Holds = IsOfCheckpoint;
        var run = await Interrupted(harness);

        harness.Time.Advance(TimeSpan.FromSeconds(10));
        await harness.StatusAsync(j => Waits(j, @"^server 0 on name-0 \(its part of the checkpoint of step (\d+)\), server 1 on name-1 \(its part"), Token);
        harness.Time.Advance(TimeSpan.FromSeconds(30));
        harness.LetGo(IsOfFirst);
        await harness.StatusAsync(j => Waits(j, @"^server 1 on name-1 \(its part of the checkpoint of step (\d+)\), for \d s$"), Token);
        harness.Time.Advance(TimeSpan.FromSeconds(30));
        // more than the limit since the run was interrupted
        await harness.StatusAsync(j => Waits(j, @"^server 1 on name-1 \(its part of the checkpoint of step (\d+)\), for 3\d s$"), Token);
        harness.LetGo(_ => true);
        var (end, sink) = await run;

        Assert.True(end.Summary.Status == RunStatus.Interrupted, end.Summary.Error);
        Assert.Equal([end.Summary.Steps], new CheckpointStore(_folder).Steps());
        Assert.NotNull(sink.Last);
        Assert.DoesNotContain(sink.Lines, l => l.Level == "error");
    }

    [Fact]
    public async Task A_checkpoint_whose_parts_do_not_come_is_given_up_after_the_limit_and_the_last_weights_are_kept()
    {
        await using var harness = Harness();
        harness.Holds = h => IsOfCheckpoint(h) && !IsOfFirst(h);
        var run = await Interrupted(harness);

        harness.Time.Advance(TimeSpan.FromSeconds(10));
        await harness.StatusAsync(j => Waits(j, @"^server 1 on name-1 \(its part of the checkpoint of step (\d+)\), for 1\d s$"), Token);
        harness.Time.Advance(TimeSpan.FromSeconds(60));
        var (end, sink) = await run;

        Assert.True(end.Summary.Status == RunStatus.Interrupted, end.Summary.Error);
        Assert.Empty(new CheckpointStore(_folder).Steps());
        Assert.Equal((0, 0), (end.Summary.WorkerFailures, end.Summary.ServerFailures));
        Assert.NotNull(sink.Last);
        Assert.NotNull(end.Summary.WeightsSha256);
        Assert.Equal($"the checkpoint of step {end.Summary.Steps} could not be written: no progress for 60 s (training.worker_timeout) while it waited for "
            + $"server 1 on name-1 (its part of the checkpoint of step {end.Summary.Steps})", Assert.Single(sink.Lines, l => l.Level == "error").Text);
    }

    [Fact]
    public async Task A_run_whose_last_weights_do_not_come_fails_after_the_limit_with_the_server_that_has_them()
    {
        await using var harness = Harness();
        harness.Holds = h => h.Kind == TensorKind.Snapshot && h.To.Index != ParameterServerActor.CheckpointCollector && !IsOfFirst(h);

        var run = harness.RunAsync(Spec, Token);
        await harness.StatusAsync(j => j.State == "collecting", Token);
        harness.Time.Advance(TimeSpan.FromSeconds(10));
        await harness.StatusAsync(j => Waits(j, @"^server 1 on name-1 \(its last weights\), for 1\d s$"), Token);
        harness.Time.Advance(TimeSpan.FromSeconds(60));
        var (end, _) = await run;

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Equal("no progress for 60 s (training.worker_timeout) while collecting: the job waits for server 1 on name-1 (its last weights)",
            end.Summary.Error);
        Assert.Equal((0, 0), (end.Summary.WorkerFailures, end.Summary.ServerFailures));
    }

    private static TrainingSpec Spec => JobHarness.SpecOf(workers: 2, servers: 2) with { Checkpoint = new CheckpointSection { EverySteps = 1_000 } };

    /// <summary>A node with both workers and server 0, and one with server 1 alone.</summary>
    private JobHarness Harness() => new(_runtimes, roles: [["worker", "server"], ["server"]]) { CheckpointDirectory = _folder };

    /// <summary>A run that was interrupted in its first epoch and writes its last checkpoint.</summary>
    private async Task<Task<(JobEnded End, RecordingSink Sink)>> Interrupted(JobHarness harness)
    {
        var gate = new StepGate(step: 3);
        _runtimes[0].BeforeLeaf = gate.Pass;
        var run = harness.RunAsync(Spec, Token);
        await gate.Reached(Token);
        await harness.InterruptAsync(Token);
        gate.Release();
        await harness.StatusAsync(j => j.State == "saving", Token);
        return run;
    }

    private static bool Waits(JobStatus job, string pattern) => job.Waiting is { } waiting && Regex.IsMatch(waiting, pattern);

    private static bool IsOfCheckpoint(TensorHeader header) =>
        header.Kind == TensorKind.Snapshot && header.To.Index == ParameterServerActor.CheckpointCollector;

    private static bool IsOfFirst(TensorHeader header) => header.Range.Begin == 0;
}
