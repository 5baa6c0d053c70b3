using System.Text.RegularExpressions;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>
/// Whoever hangs, and in whatever: the job says for whom it waits and for how long, and after <c>training.worker_timeout</c> goes on without them.
/// The clock is put forward; what is asked and answered takes its usual time.
/// </summary>
public sealed class WaitNamesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(DataSplit.Validation, @"worker 1 on node-2 \(evaluation at step 11\)")]
    [InlineData(DataSplit.Test, @"worker 1 on name-2 \(evaluation of the test part\)")]
    public async Task An_evaluation_that_hangs_is_done_by_others(DataSplit split, string whom)
    {
        var spec = Spec(workers: 2, shards: 4, epochs: 2);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(3, slots: 1, roles: [["server"], ["worker"], ["worker"]]);
        var hangs = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var released = new ManualResetEventSlim();
        harness.Runtimes[2].BeforeSlice = (of, _) =>
        {
            if (of != split) return;
            hangs.TrySetResult();
            released.Wait(Eventually.Patience);
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await hangs.Task.WaitAsync(Eventually.Patience, Token);
        await NamedAsync(harness.Jobs, whom);
        harness.Jobs.Time.Advance(Limit(spec));
        var (end, sink) = await run;
        released.Set();

        AssertSame(expected, end.Summary);
        Assert.Equal((1, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
        AssertLost(sink, "name-2");
    }

    [Fact]
    public async Task A_backup_that_does_not_acknowledge_is_given_up_without_going_back()
    {
        var spec = Spec(workers: 2, shards: 4, epochs: 4);
        spec = spec with { Training = spec.Training with { Replicas = 1 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(4, roles: [["worker"], ["worker"], ["server"], ["server"]]);
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.Holds = header =>
        {
            if (header.Kind != TensorKind.Replicated || header.Step < 9) return false;
            held.TrySetResult();
            return true;
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await held.Task.WaitAsync(Eventually.Patience, Token);
        await NamedAsync(harness.Jobs, @"the backup of server 0 on node-3 \(step 8\)");
        harness.Jobs.Time.Advance(Limit(spec));
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((0, 0, 0), (end.Summary.WorkerFailures, end.Summary.ServerFailures, end.Summary.Rollbacks));
        AssertLost(sink, "name-3");
    }

    [Fact]
    public async Task A_server_whose_norms_do_not_come_is_replaced()
    {
        var spec = JobHarness.WithNorms(Spec(workers: 2, servers: 2, shards: 4, epochs: 4));
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.Holds = header =>
        {
            if (header is not { Kind: TensorKind.Norms, JobEpoch: 1, Step: >= 9 }) return false;
            held.TrySetResult();
            return true;
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await held.Task.WaitAsync(Eventually.Patience, Token);
        await NamedAsync(harness.Jobs, @"server 1 on node-3 \(norms of step 9\)");
        harness.Jobs.Time.Advance(Limit(spec));
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((0, 1, 1), (end.Summary.WorkerFailures, end.Summary.ServerFailures, end.Summary.Rollbacks));
        AssertLost(sink, "name-3");
    }

    [Fact]
    public async Task A_server_that_says_nothing_any_more_is_replaced()
    {
        var spec = Spec(workers: 2, servers: 2, shards: 4, epochs: 4);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        var silent = harness.Jobs.IdOf(3);
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.Loses = (from, header) =>
        {
            if (from != silent || header is not { JobEpoch: 1, Step: >= 9 }) return false;
            held.TrySetResult();
            return true;
        };
        harness.Jobs.HoldsMessage = body => body is Waiting { Actor: "server 1 on name-3" };

        var run = harness.Jobs.RunAsync(spec, Token);
        await held.Task.WaitAsync(Eventually.Patience, Token);
        await NamedAsync(harness.Jobs, "node name-3, which does not answer");
        harness.Jobs.Time.Advance(Limit(spec));
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((0, 1, 1), (end.Summary.WorkerFailures, end.Summary.ServerFailures, end.Summary.Rollbacks));
        AssertLost(sink, "name-3");
    }

    [Fact]
    public async Task A_server_that_does_not_take_in_the_checkpoint_is_replaced()
    {
        var spec = Spec(workers: 2, servers: 2, shards: 4, epochs: 4) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(6, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"], ["server"]]);
        harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;
        harness.Jobs.HoldsMessage = body => body is ServerRestored { JobEpoch: 2, Server: 1 };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.StatusAsync(j => j.Checkpoint is not null, Token);
        await harness.Jobs.KillAsync(2);
        gate.Release();
        var placement = await harness.Jobs.StatusAsync(j => j.State == "starting" && j.Servers.Count == 2, Token);
        string late = placement.Servers[1].Node;
        await NamedAsync(harness.Jobs, $@"server 1 on {late} \(to take in the checkpoint of step \d+\)");
        harness.Jobs.Time.Advance(Limit(spec));
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((0, 2, 1), (end.Summary.WorkerFailures, end.Summary.ServerFailures, end.Summary.Rollbacks));
        AssertLost(sink, late);
    }

    /// <summary>Named beside those who say that they wait for servers; who answers first is named first.</summary>
    private static Task NamedAsync(JobHarness harness, string whom) =>
        harness.WaitingAsync(waiting => Regex.IsMatch(waiting, $@"(^|, ){whom}(, .*)?, for \d+ s$"), Token);

    private static TrainingSpec Spec(int workers, int shards, int epochs, int servers = 1)
    {
        var spec = JobHarness.SpecOf(workers, servers, shards, epochs);
        return spec with { Training = spec.Training with { WorkerTimeout = 3600 } };
    }

    private static TimeSpan Limit(TrainingSpec spec) => TimeSpan.FromSeconds(spec.Training.WorkerTimeout);

    private static void AssertLost(RecordingSink sink, string name) => Assert.Equal($"node {name} was lost (no progress for 3600 s)",
        Assert.Single(sink.Lines, l => l.Text.Contains("no progress")).Text.Split(" at step")[0]);
}
