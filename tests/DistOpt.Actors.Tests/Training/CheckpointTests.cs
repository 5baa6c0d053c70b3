using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary>When checkpoints are written: asked for, due, and at an interrupted end. On the coordinator's disk and on shared storage.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_checkpoint_that_is_asked_for_is_written_after_one_of_the_next_steps(bool isShared)
    {
        var (spec, store) = Spec(isShared, new CheckpointSection { Auto = false, Keep = 10 });
        var runtime = new LinearRuntime(buffers: true);
        await using var harness = new JobHarness([runtime]) { CheckpointDirectory = isShared ? null : _folder };
        StepGate gate = new(step: 7), later = new(step: 15);
        runtime.BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        harness.Coordinator.Tell(new AskCheckpoint(new JobId("job-1")), ActorRefs.NoSender);
        harness.Coordinator.Tell(new AskCheckpoint(new JobId("job-1")), ActorRefs.NoSender);
        await harness.HeardAsync(w => w.Body is RequestCheckpoint, 2, Token);
        // both, or the second one would be for a checkpoint after the first
        await harness.TakenInAsync(0, NodeActors.Server(0), Token);
        gate.Release();
        await harness.HeardAsync(w => w.Body is CheckpointDone, 1, Token);
        later.Release();
        var (end, _) = await run;

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        // the step under way was planned before
        Assert.InRange(Assert.Single(store.Steps()), 9, 15);
        using var checkpoint = store.OpenNewest([]);
        Assert.NotNull(checkpoint);
    }

    [Fact]
    public async Task A_checkpoint_that_was_asked_of_a_server_which_is_lost_is_written_by_its_successor()
    {
        var (spec, store) = Spec(false, new CheckpointSection { Auto = false, Keep = 10 });
        var runtimes = new[] { new LinearRuntime(buffers: true), new LinearRuntime(buffers: true), new LinearRuntime(buffers: true) };
        await using var harness = new JobHarness(runtimes, roles: [["worker"], ["server"], ["server"]]) { CheckpointDirectory = _folder };
        StepGate gate = new(step: 7), later = new(step: 15);
        runtimes[0].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        harness.Coordinator.Tell(new AskCheckpoint(new JobId("job-1")), ActorRefs.NoSender);
        await harness.HeardAsync(w => w.Body is RequestCheckpoint, 1, Token);
        await harness.KillAsync(1);
        gate.Release();
        await harness.HeardAsync(w => w.Body is CheckpointDone, 1, Token);
        later.Release();
        var (end, _) = await run;

        Assert.Equal((RunStatus.Completed, 1), (end.Summary.Status, end.Summary.Rollbacks));
        Assert.Single(store.Steps());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before_it_and_says_so(bool isShared)
    {
        var (spec, store) = await InterruptedAsync(isShared);
        long[] steps = [.. store.Steps().Order()];
        Damage(store, steps[^1]);

        await using var harness = new JobHarness([new LinearRuntime(buffers: true)]) { CheckpointDirectory = isShared ? null : _folder, Resumes = true };
        var (end, sink) = await harness.RunAsync(spec, Token);

        SameSummary.AssertSame(await SameSummary.Undisturbed(spec), end.Summary);
        Assert.Equal(steps[^2], sink.Start!.Resumed!.Step);
        Assert.Contains(sink.Start.Warnings, w => w.Contains(store.PathOf(steps[^1])) && w.Contains("is skipped"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_of_which_no_checkpoint_is_sound_is_refused_and_what_there_is_stays(bool isShared)
    {
        var (spec, store) = await InterruptedAsync(isShared);
        foreach (long step in store.Steps()) Damage(store, step);
        string[] before = [.. Files()];

        await using var harness = new JobHarness([new LinearRuntime(buffers: true)]) { CheckpointDirectory = isShared ? null : _folder, Resumes = true };
        var (end, sink) = await harness.RunAsync(spec, Token);

        var violation = Assert.Single(end.BadInput!.Violations);
        Assert.Equal("--resume", violation.Path);
        Assert.Contains("is sound", violation.Message);
        Assert.All(store.Steps(), step => Assert.Contains(store.PathOf(step), violation.Message));
        // whoever keeps rows has not been told to begin
        Assert.Null(sink.Start);
        Assert.Equal(before, Files());

        IEnumerable<string> Files() => Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Where(f => f.Contains("step-")).Order();
    }

    [Fact]
    public async Task A_job_that_goes_back_while_its_newest_checkpoint_is_damaged_goes_to_the_one_before_it_and_says_why()
    {
        var (spec, store) = Spec(false, new CheckpointSection { EverySteps = 5, Keep = 10 });
        spec = spec with { Training = spec.Training with { Epochs = 4 } };
        var expected = await SameSummary.Undisturbed(spec);
        var runtimes = new[] { new LinearRuntime(buffers: true), new LinearRuntime(buffers: true), new LinearRuntime(buffers: true) };
        await using var harness = new JobHarness(runtimes, roles: [["worker"], ["server"], ["server"]]) { CheckpointDirectory = _folder };
        var gate = new StepGate(step: 23);
        // none is under way when the newest one is damaged
        Pace.Keep(harness, runtimes, gate);

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        long[] steps = [.. store.Steps().Order()];
        Assert.Equal([5, 10, 15, 20], steps);
        Damage(store, steps[^1]);
        await harness.KillAsync(1);
        gate.Release();
        var (end, sink) = await run;

        SameSummary.AssertSame(expected, end.Summary);
        Assert.Equal((1, 1), (end.Summary.ServerFailures, end.Summary.Rollbacks));
        Assert.Contains(sink.Lines, l => l.Text.Contains(store.PathOf(steps[^1])) && l.Text.Contains("is skipped"));
        Assert.EndsWith($"goes back to the checkpoint of step {steps[^2]}", sink.Lines.Last(l => l.Text.Contains("goes back to")).Text);
        Assert.True(end.Summary.StepsComputed - end.Summary.Steps >= steps[^1] - steps[^2], $"{end.Summary.StepsComputed} steps computed");
    }

    /// <summary>Or a run that goes on from the checkpoint would lack rows that nobody tells it again.</summary>
    [Fact]
    public async Task What_was_told_before_a_checkpoint_is_made_to_last_before_the_checkpoint_is_there()
    {
        var (spec, store) = Spec(false, new CheckpointSection { EverySteps = 5, Keep = 100 });
        var there = new List<int>();
        var sink = new RecordingSink { OnFlush = () => there.Add(store.Steps().Count) };
        var runtime = new LinearRuntime(buffers: true);
        await using var harness = new JobHarness([runtime]) { CheckpointDirectory = _folder };
        var gate = new StepGate(step: 12);
        runtime.BeforeLeaf = gate.Pass;

        var run = harness.RunAsync(spec, Token, sink: sink);
        await gate.Reached(Token);
        await harness.StatusAsync(j => j.Checkpoint is not null, Token);
        gate.Release();
        var (end, _) = await run;

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        Assert.NotEmpty(store.Steps());
        Assert.True(there.Count >= store.Steps().Count, $"{there.Count} times");
        Assert.Equal(Enumerable.Range(0, there.Count), there);
    }

    private async Task<(TrainingSpec Spec, CheckpointStore Store)> InterruptedAsync(bool isShared)
    {
        var (spec, store) = Spec(isShared, new CheckpointSection { EverySteps = 5, Keep = 10 });
        // long enough for the wish to stop to arrive before its end
        spec = spec with { Training = spec.Training with { Epochs = 8 } };
        var runtime = new LinearRuntime(buffers: true);
        await using var harness = new JobHarness([runtime]) { CheckpointDirectory = isShared ? null : _folder };
        var gate = new StepGate(step: 12);
        runtime.AfterLeaf = (plan, shard, _) => gate.Pass(plan, shard);
        var interrupted = harness.InterruptAsync(spec, runtime, 17, Token);
        await gate.Reached(Token);
        // steps are faster than the disk
        await harness.StatusAsync(j => j.Checkpoint is not null, Token);
        gate.Release();
        await interrupted;
        Assert.True(store.Steps().Count >= 2, $"checkpoints of steps {string.Join(", ", store.Steps())}");
        return (spec, store);
    }

    /// <summary>One bit in the middle of its largest file.</summary>
    private static void Damage(CheckpointStore store, long step)
    {
        var file = new DirectoryInfo(store.PathOf(step)).EnumerateFiles("*", SearchOption.AllDirectories).MaxBy(f => f.Length)!;
        byte[] bytes = File.ReadAllBytes(file.FullName);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file.FullName, bytes);
    }

    [Fact]
    public async Task A_run_without_a_folder_says_that_it_has_no_place_for_the_checkpoint_that_was_asked_for()
    {
        var runtime = new LinearRuntime();
        await using var harness = new JobHarness([runtime]);
        var gate = new StepGate(step: 7);
        runtime.BeforeLeaf = gate.Pass;

        var run = harness.RunAsync(JobHarness.SpecOf(), Token);
        await gate.Reached(Token);
        harness.Coordinator.Tell(new AskCheckpoint(new JobId("job-1")), ActorRefs.NoSender);
        await harness.CoordinatorIsDoneAsync(Token);
        gate.Release();
        var (end, sink) = await run;

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        Assert.Contains(sink.Lines, l => l.Text.Contains("no folder for checkpoints"));
    }

    /// <summary>Seconds become a step by the step plan: a checkpoint holds a whole step, and the bits stay.</summary>
    [Theory]
    [InlineData(0.1, 3)]
    // auto: 5 s at least
    [InlineData(null, 1)]
    public async Task Checkpoints_come_by_time_or_by_what_they_cost(double? seconds, int checkpoints)
    {
        var (spec, store) = Spec(false, new CheckpointSection { EverySeconds = seconds, Auto = seconds is null, Keep = 1000 });
        spec = spec with { Training = spec.Training with { Epochs = 60 } };
        var expected = await SameSummary.Undisturbed(spec);
        var runtime = new LinearRuntime(buffers: true);
        await using var harness = new JobHarness([runtime]) { CheckpointDirectory = _folder };
        using var hurry = new ManualResetEventSlim();
        runtime.BeforeLeaf = (_, _) => hurry.Wait(TimeSpan.FromMilliseconds(20), Token);

        var run = harness.RunAsync(spec, Token);
        await harness.HeardAsync(w => w.Body is CheckpointDone, checkpoints, Token);
        hurry.Set();
        var (end, _) = await run;

        SameSummary.AssertSame(expected, end.Summary);
        var steps = store.Steps();
        Assert.True(steps.Count >= checkpoints, $"checkpoints of steps {string.Join(", ", steps)}");
        var skipped = new List<SkippedCheckpoint>();
        using var newest = store.OpenNewest(skipped);
        Assert.Equal((steps[0], 0), (newest!.Step, skipped.Count));
    }

    /// <summary>The last step's checkpoint has been written by then: there is nothing to wait for.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_that_is_interrupted_at_the_step_of_a_checkpoint_ends_with_that_one(bool isShared)
    {
        var (spec, store) = Spec(isShared, new CheckpointSection { EverySteps = 11 });
        spec = spec with { Training = spec.Training with { WorkerTimeout = 60 } };
        var runtime = new LinearRuntime(buffers: true);
        await using var harness = new JobHarness([runtime]) { CheckpointDirectory = isShared ? null : _folder };
        var evaluates = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var released = new ManualResetEventSlim();
        runtime.BeforeEvaluation = () =>
        {
            evaluates.TrySetResult();
            released.Wait(Eventually.Patience);
        };

        var run = harness.RunAsync(spec, Token);
        await evaluates.Task.WaitAsync(Eventually.Patience, Token);
        await harness.HeardAsync(w => w.Body is CheckpointDone { Step: 11 }, 1, Token);
        await harness.InterruptAsync(Token);
        released.Set();
        var (end, _) = await run;

        Assert.True(end.Summary.Status == RunStatus.Interrupted, end.Summary.Error);
        Assert.Equal(11, end.Summary.Steps);
        Assert.Equal([11], store.Steps());
    }

    private (TrainingSpec Spec, CheckpointStore Store) Spec(bool isShared, CheckpointSection checkpoint)
    {
        var spec = JobHarness.SpecOf(workers: 1, shards: 2) with { Checkpoint = checkpoint };
        return isShared
            ? (spec with { Storage = new StorageSection { Kind = StorageSection.Shared, Path = _folder } }, CheckpointStore.Shared(_folder, "job-1"))
            : (spec, new CheckpointStore(_folder));
    }
}
