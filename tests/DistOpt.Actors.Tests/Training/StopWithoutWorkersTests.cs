using Akka.Actor;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>
/// A run without any worker is interrupted or cancelled: it ends at once, where it would wait for workers to come to the next step, and whoever
/// resumes it comes to the same bits.
/// </summary>
public sealed class StopWithoutWorkersTests : IDisposable
{
    private const long Step = 23;

    private static readonly string[] Worker = ["worker"], Server = ["server"];

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, 0, StopReason.Interrupted)]
    [InlineData(3, 0, StopReason.Cancelled)]
    [InlineData(3, 1, StopReason.Interrupted)]
    public async Task It_ends_with_a_checkpoint_of_the_step_at_which_its_servers_are(int servers, int replicas, StopReason reason)
    {
        var spec = Spec(servers, replicas);
        await using var harness = Harness();
        // its sums of the step do not arrive
        harness.Jobs.Loses = (from, header) => from == harness.Jobs.IdOf(1) && header is { Kind: TensorKind.Push, Step: >= Step };

        var run = await LoseWorkersAsync(harness, spec);
        Stop(harness, reason);
        var (end, _) = await run;

        Assert.Equal((reason == StopReason.Cancelled ? RunStatus.Cancelled : RunStatus.Interrupted, Step), (end.Summary.Status, end.Summary.Steps));
        Assert.Equal((reason, 2, 0), (end.Summary.StopReason, end.Summary.WorkerFailures, end.Summary.Rollbacks));
        Assert.NotNull(end.Summary.WeightsSha256);
        await ResumesAsync(spec, Step);
    }

    [Fact]
    public async Task It_was_to_end_before_its_workers_were_lost()
    {
        var spec = Spec(servers: 2, replicas: 0);
        await using var harness = Harness();
        harness.Jobs.Loses = (from, header) => from == harness.Jobs.IdOf(1) && header is { Kind: TensorKind.Push, Step: >= Step };
        var gate = new StepGate(Step);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.InterruptAsync(Token);
        await Task.WhenAll(harness.Jobs.KillAsync(1), harness.Jobs.KillAsync(2), Task.Run(gate.Release, Token));
        var (end, _) = await run;

        Assert.Equal((RunStatus.Interrupted, Step), (end.Summary.Status, end.Summary.Steps));
        await ResumesAsync(spec, Step);
    }

    [Fact]
    public async Task Its_servers_have_the_whole_gradient_and_finish_the_step_among_themselves()
    {
        var spec = JobHarness.WithNorms(Spec(servers: 3, replicas: 0));
        await using var harness = Harness();
        // norms of the step are on their way when the workers are lost
        harness.Jobs.Holds = header => header is { Kind: TensorKind.Norms, Step: Step, JobEpoch: 1 };
        var pushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Norms, Step: Step }) pushed.TrySetResult();
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await pushed.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await LostAsync(harness);
        Stop(harness, StopReason.Interrupted);
        var (end, _) = await run;

        Assert.Equal((RunStatus.Interrupted, Step + 1), (end.Summary.Status, end.Summary.Steps));
        await ResumesAsync(spec, Step + 1);
    }

    [Fact]
    public async Task It_waits_for_an_evaluation()
    {
        var spec = Spec(servers: 2, replicas: 0);
        await using var harness = Harness();
        var gate = new EvaluationGate();
        foreach (int worker in (int[])[1, 2]) harness.Runtimes[worker].BeforeEvaluation = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached;
        gate.Release();
        await LostAsync(harness);
        Stop(harness, StopReason.Interrupted);
        var (end, _) = await run;

        Assert.Equal(RunStatus.Interrupted, end.Summary.Status);
        await ResumesAsync(spec, end.Summary.Steps);
    }

    [Fact]
    public async Task Its_servers_are_at_different_steps_and_it_ends_with_the_newest_checkpoint()
    {
        var spec = Spec(servers: 3, replicas: 0) with { Checkpoint = new CheckpointSection { EverySteps = 5, Keep = 100 } };
        await using var harness = Harness();
        harness.Jobs.Loses = (from, header) => from == harness.Jobs.IdOf(1) && header is { Kind: TensorKind.Push, Step: >= Step, Range.Begin: > 0 };
        var isAhead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Answer, Step: Step + 1, Range.Begin: 0 }) isAhead.TrySetResult();
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await isAhead.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await Eventually.Until(() => new CheckpointStore(_folder).Steps().Count > 0);
        await LostAsync(harness);
        Stop(harness, StopReason.Interrupted);
        var (end, sink) = await run;

        long newest = end.Summary.Steps;
        Assert.Equal(RunStatus.Interrupted, end.Summary.Status);
        Assert.Contains(newest, new CheckpointStore(_folder).Steps());
        // of the last steps nobody has told
        Assert.InRange(end.Summary.StepsComputed, Step - 1, Step + 2);
        Assert.Contains(sink.Lines, l => l.Text.StartsWith($"the run ends with the checkpoint of step {newest}: ", StringComparison.Ordinal));
        await ResumesAsync(spec, newest);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Nobody_is_left_who_could_go_back_to_a_checkpoint(bool checkpoints)
    {
        var spec = Spec(servers: 1, replicas: 0) with { Checkpoint = new CheckpointSection { EverySteps = 5, Keep = 100 } };
        await using var harness = Harness();
        if (!checkpoints) harness.Jobs.CheckpointDirectory = null;
        harness.Jobs.Loses = (from, header) => from == harness.Jobs.IdOf(1) && header is { Kind: TensorKind.Push, Step: >= Step };

        var run = await LoseWorkersAsync(harness, spec,
            () => checkpoints ? Eventually.Until(() => new CheckpointStore(_folder).Steps().Count > 0) : Task.CompletedTask);
        foreach (int server in (int[])[3, 4, 5]) await harness.Jobs.KillAsync(server);
        await harness.Jobs.StatusAsync(j => j is { State: "placing" }, Token);
        Stop(harness, StopReason.Cancelled);
        var (end, _) = await run;

        long newest = end.Summary.Steps;
        Assert.Equal((RunStatus.Cancelled, 1), (end.Summary.Status, end.Summary.Rollbacks));
        if (checkpoints) Assert.Contains(newest, new CheckpointStore(_folder).Steps());
        else Assert.Equal(0, newest);
        // of the last steps nobody has told
        Assert.InRange(end.Summary.StepsComputed, Step - 1, Step + 2);
        if (checkpoints) await ResumesAsync(spec, newest);
    }

    /// <summary>No wait for nodes would end within the time that a test has.</summary>
    private static TrainingSpec Spec(int servers, int replicas)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers, shards: 5, epochs: 4);
        return spec with { Training = spec.Training with { Replicas = replicas, NodeTimeout = 3600, WorkerTimeout = 3600 } };
    }

    private LinearCluster Harness()
    {
        var harness = LinearCluster.Of(6, roles: [[], Worker, Worker, Server, Server, Server]);
        harness.Jobs.CheckpointDirectory = _folder;
        return harness;
    }

    private static void Stop(LinearCluster harness, StopReason reason) =>
        harness.Jobs.Coordinator.Tell(new StopJob(new JobId("job-1"), reason), ActorRefs.NoSender);

    /// <summary>Runs the job up to the step and loses its workers there.</summary>
    private static async Task<Task<(JobEnded End, RecordingSink Sink)>> LoseWorkersAsync(LinearCluster harness, TrainingSpec spec, Func<Task>? before = null)
    {
        var gate = new StepGate(Step);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;
        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        if (spec.Training.Replicas > 0) await harness.Jobs.SeededAsync(Token);
        if (before is not null) await before();
        gate.Release();
        await LostAsync(harness);
        return run;
    }

    private static async Task LostAsync(LinearCluster harness)
    {
        await Task.WhenAll(harness.Jobs.KillAsync(1), harness.Jobs.KillAsync(2));
        await harness.Jobs.HeardAsync(w => w.Body is Assign { Placement.Replicas.Length: 0 }, 1, Token);
    }

    /// <param name="step">From there, or from a checkpoint that was being written when the run ended.</param>
    private async Task ResumesAsync(TrainingSpec spec, long step)
    {
        var expected = await Undisturbed(spec);
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)]) { CheckpointDirectory = _folder, Resumes = true };
        var (end, sink) = await harness.RunAsync(spec, Token);
        Assert.InRange(sink.Start!.Resumed!.Step, step, Step + 1);
        AssertSame(expected, end.Summary);
    }
}
