using System.Collections.Concurrent;
using Akka.Actor;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Checkpoints that servers write to shared storage themselves.</summary>
public sealed class SharedStorageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private CheckpointStore Store => CheckpointStore.Shared(_folder, "job-1");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Servers_write_their_slices_themselves_and_no_tensor_goes_to_the_coordinator()
    {
        var spec = Shared(JobHarness.SpecOf(workers: 2, servers: 3, shards: 4, epochs: 4)) with
        {
            Checkpoint = new CheckpointSection { EverySteps = 5, Keep = 2 },
        };
        var expected = await Undisturbed(spec);
        await using var harness = Harness([[], ["worker"], ["worker", "server"], ["server"], ["server"]], out var runtimes);
        Pace.Keep(harness, runtimes);
        var frames = new ConcurrentBag<TensorHeader>();
        harness.OnFrame = (_, _, header, _, _) => frames.Add(header);

        var (end, sink) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.Equal(2, Store.Steps().Count);
        Assert.Contains(frames, f => f.Kind == TensorKind.Snapshot); // the weights at the end
        Assert.DoesNotContain(frames, f => f.Kind == TensorKind.Snapshot && f.To.Index == ParameterServerActor.CheckpointCollector);
        Assert.Equal(["node-2", "node-3", "node-4"], harness.Wires.Where(w => w.Body is StateWritten).Select(w => w.From.Value).Distinct().Order());
        Assert.DoesNotContain(sink.Lines, l => l.Text.Contains("could not be written"));
        using var checkpoint = Store.OpenNewest([])!;
        Assert.True(checkpoint.Step % 5 == 0 && checkpoint.Step > 20);
        checkpoint.CheckLayout(new StateLayout(new LinearRuntime(buffers: true).Layout, new UpdateRule(new Adam(new AdamOptions()))));
        // after the first evaluation: weights, buffers, two slots of adam, selected weights and buffers
        Assert.Equal(6, checkpoint.Vectors.Count);
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories), f => f.Contains(".proof", StringComparison.Ordinal));
    }

    /// <summary>Interrupted; gone on with on other numbers of workers and servers, with the newest checkpoint sound or damaged.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_that_was_interrupted_goes_on_from_there_to_the_same_bits(bool isDamaged)
    {
        var spec = Shared(JobHarness.SpecOf(workers: 2, servers: 3, shards: 4, epochs: 4)) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        var expected = await Undisturbed(spec);
        await using (var first = Harness([[], ["worker", "server"], ["server"]], out var runtimes))
        {
            var gate = new StepGate(step: 23);
            Pace.Keep(first, runtimes, gate);
            var begun = first.RunAsync(spec, Token);
            await gate.Reached(Token);
            await first.InterruptAsync(Token);
            gate.Release();
            Assert.Equal(RunStatus.Interrupted, (await begun).End.Summary.Status);
        }
        Assert.InRange(Store.Steps()[0], 23, 43);
        if (isDamaged) Damage(Path.Combine(Store.PathOf(Store.Steps()[0]), "optimizer-exp_avg.safetensors"));

        await using var harness = Harness([[], ["worker", "server"], ["worker", "server"]], out _);
        harness.Resumes = true;
        var (end, sink) = await harness.RunAsync(spec with { Training = spec.Training with { Workers = 4, Servers = 2 } }, Token);

        AssertSame(expected, end.Summary);
        Assert.InRange(sink.Start!.Resumed!.Step, 10, 43);
        Assert.Equal(isDamaged, sink.Start.Warnings.Any(w => w.Contains("optimizer-exp_avg.safetensors does not have the hash")));
    }

    /// <summary>
    /// One server has written its slice of the second checkpoint and dies, while another has not: nobody ever uses that checkpoint, and the next
    /// course completes one of that step.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_server_that_dies_between_its_slice_and_the_manifest_leaves_no_checkpoint(int replicas)
    {
        var spec = Shared(JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 4)) with
        {
            Checkpoint = new CheckpointSection { EverySteps = 5, Keep = 20 },
        };
        spec = spec with { Training = spec.Training with { Replicas = replicas, WorkerTimeout = 60 } };
        var expected = await Undisturbed(spec);
        await using var harness = Harness([["worker"], ["worker"], ["server"], ["server"], ["server"]], out var runtimes);
        StepGate gate = new(step: 21), later = new(step: 35);
        Pace.Keep(harness, runtimes, gate, last: 8);
        var pace = runtimes[0].BeforeLeaf!;
        runtimes[0].BeforeLeaf = (plan, shard) =>
        {
            pace(plan, shard);
            later.Pass(plan, shard);
        };
        using var released = new ManualResetEventSlim();
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int looks = 0;
        harness.SharedFolder = (node, path) =>
        {
            // the first look is the proof, the second one the first checkpoint
            if (node != 3 || Interlocked.Increment(ref looks) != 3) return path;
            held.TrySetResult();
            released.Wait(Eventually.Patience);
            return path;
        };

        var run = harness.RunAsync(spec, Token);
        await held.Task.WaitAsync(Eventually.Patience, Token);
        await harness.HeardAsync(w => w.Body is StateWritten { Step: > 5 } && w.From.Value == "node-2", 1, Token);
        long torn = harness.Wires.Select(w => w.Body).OfType<StateWritten>().Max(w => w.Step);
        Assert.Equal([5], Store.Steps());
        Assert.True(Directory.Exists(Store.UnfinishedPathOf(1, torn)), $"not there: {string.Join(", ", harness.Wires.Select(w => w.Body).OfType<StateWritten>())}");
        await harness.KillAsync(2);
        Assert.Equal([5], Store.Steps());
        // what its slice was for is given up before the other one is there
        await harness.HeardAsync(w => w.Body is StartJob { Placement.JobEpoch: 2 } or Assign { Placement.JobEpoch: 2 }, 1, Token);
        released.Set();
        gate.Release();
        // one of the next course
        await harness.HeardAsync(w => w.Body is CheckpointDone, 2, Token);
        later.Release();
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(1 - replicas, end.Summary.Rollbacks);
        if (replicas == 0) Assert.Contains(sink.Lines, l => l.Text.Contains("the job goes back to the checkpoint of step 5"));
        foreach (long step in Store.Steps()) Checkpoint.Open(Store.PathOf(step)).Dispose();
        Assert.True(Store.Steps().Count > 1);
    }

    [Theory]
    [InlineData("another", "is there, but is not the coordinator's folder")]
    [InlineData("missing", "does not exist")]
    public async Task A_server_node_that_does_not_see_the_path_is_refused_by_name(string view, string reason)
    {
        string other = Directory.CreateDirectory(Path.Combine(_folder, "views", "another")).FullName;
        await using var harness = Harness([["worker", "server"], ["worker", "server"]], out _);
        harness.SharedFolder = (node, path) => node == 1 ? Path.Combine(Path.GetDirectoryName(other)!, view) : path;

        var (end, sink) = await harness.RunAsync(Shared(JobHarness.SpecOf(workers: 2, servers: 2)), Token);

        var violation = Assert.Single(end.BadInput!.Violations);
        Assert.Equal("storage.path", violation.Path);
        Assert.Contains("on node name-1", violation.Message);
        Assert.Contains(Path.Combine("views", view), violation.Message);
        Assert.Contains(reason, violation.Message);
        Assert.Contains("mount one and the same folder", violation.Message);
        Assert.Null(sink.Start);
    }

    [Fact]
    public async Task A_node_that_writes_elsewhere_than_the_coordinator_reads_is_refused_though_it_has_read_the_right_text()
    {
        // a copy of the folder, as a backup or a snapshot that was mounted by mistake
        string copy = Directory.CreateDirectory(Path.Combine(_folder, "copy")).FullName;
        await using var harness = Harness([["worker", "server"], ["worker", "server"]], out _);
        harness.SharedFolder = (node, path) =>
        {
            if (node != 1) return path;
            string proofs = Directory.CreateDirectory(Path.Combine(copy, "job-1", ".proof")).FullName;
            // the coordinator's file; those of nodes come and go
            string file = Directory.GetFiles(Path.Combine(path, "job-1", ".proof")).Single(f => !Path.GetFileName(f).Contains('-'));
            File.Copy(file, Path.Combine(proofs, Path.GetFileName(file)), overwrite: true);
            return copy;
        };

        var (end, _) = await harness.RunAsync(Shared(JobHarness.SpecOf(workers: 2, servers: 2)), Token);

        Assert.Contains("on node name-1", Assert.Single(end.BadInput!.Violations).Message);
        Assert.Contains("is not to be read on the coordinator", end.BadInput.Message);
    }

    [Fact]
    public async Task A_coordinator_that_does_not_see_the_path_says_so_before_any_node_is_asked()
    {
        await using var harness = Harness([["worker", "server"]], out _);
        harness.SharedFolder = (_, path) => Path.Combine(path, "missing");

        var (end, _) = await harness.RunAsync(Shared(JobHarness.SpecOf()), Token);

        Assert.Contains("on the coordinator name-0", Assert.Single(end.BadInput!.Violations).Message);
        Assert.DoesNotContain(harness.Wires, w => w.Body is PrepareJob);
    }

    [Fact]
    public async Task A_node_that_only_computes_need_not_see_the_path()
    {
        await using var harness = Harness([["server"], ["worker"], ["worker"]], out var runtimes);
        Pace.Keep(harness, runtimes);
        harness.SharedFolder = (node, path) => node == 0 ? path : Path.Combine(path, "missing");
        var spec = Shared(JobHarness.SpecOf(workers: 2)) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };

        var (end, _) = await harness.RunAsync(spec, Token);

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.NotEmpty(Store.Steps());
    }

    /// <summary>A server without a backup is lost, and the one node that could take its place at once does not see the path.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_node_that_joins_and_does_not_see_the_path_is_left_out_and_the_job_goes_on(int replicas)
    {
        var spec = Shared(JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 8)) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        spec = spec with { Training = spec.Training with { Replicas = replicas } };
        var expected = await Undisturbed(spec);
        await using var harness = Harness([["worker"], ["worker"], ["server"]], out var runtimes);
        harness.SharedFolder = (node, path) => node == 3 ? Path.Combine(path, "missing") : path;
        var gate = new StepGate(step: 23);
        Pace.Keep(harness, runtimes, gate);

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        if (replicas == 0) await harness.KillAsync(2);
        harness.Join(new LinearRuntime(buffers: true), "server");
        await harness.HeardAsync(w => w.Body is JobRefused, 1, Token);
        harness.Join(new LinearRuntime(buffers: true), "server");
        if (replicas > 0) await harness.HeardAsync(w => w.Body is Assign { Placement: var p } && p.Servers[0].Backup?.Node.Value == "node-4", 1, Token);
        gate.Release();
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(1 - replicas, end.Summary.Rollbacks);
        Assert.Contains(sink.Lines, l => l.Text.Contains("node name-3 cannot take part") && l.Text.Contains("does not exist"));
    }

    [Fact]
    public async Task Another_coordinator_finds_the_checkpoints_there()
    {
        var spec = Shared(JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 8)) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        spec = spec with { Training = spec.Training with { WorkerTimeout = 60 } };
        var expected = await Undisturbed(spec);
        string[][] roles = [[], ["worker"], ["worker"], ["server"], ["server"]];
        var runtimes = roles.Select(_ => new LinearRuntime(buffers: true)).ToList();
        await using var harness = new JobHarness(runtimes, roles: roles, isJournaled: true);
        var gate = new StepGate(step: 33);
        Pace.Keep(harness, runtimes, gate);

        var run = harness.RunDurableAsync(spec, Path.Combine(_folder, "elsewhere"), Token);
        await gate.Reached(Token);
        await harness.KillCoordinatorAsync();
        await harness.KillAsync(3);
        gate.Release();
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        var (summary, _) = await run;

        AssertSame(expected, summary);
        Assert.Equal((1, 1), (summary.CoordinatorRestarts, summary.Rollbacks));
        Assert.Contains(harness.Wires, w => w.Body is StartJob { RestoreStep: > 0 });
    }

    [Fact]
    public async Task A_disk_that_fails_on_one_server_is_told_by_name_and_the_next_checkpoint_is_written()
    {
        var spec = Shared(JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 4)) with
        {
            Checkpoint = new CheckpointSection { EverySteps = 5, Keep = 20 },
        };
        var expected = await Undisturbed(spec);
        await using var harness = Harness([["worker"], ["server"], ["server"]], out var runtimes);
        Pace.Keep(harness, runtimes);
        int looks = 0;
        // its second look is its first checkpoint
        harness.SharedFolder = (node, path) => node == 2 && Interlocked.Increment(ref looks) == 2 ? Path.Combine(path, "gone") : path;

        var (end, sink) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.Contains(sink.Lines, l => l.Text.Contains("checkpoint of step 5 could not be written") && l.Text.Contains("server 1 on name-2") && l.Text.Contains("gone"));
        Assert.DoesNotContain(5, Store.Steps());
        Assert.NotEmpty(Store.Steps());
    }

    [Fact]
    public async Task Checkpoints_of_another_job_of_the_same_id_are_not_overwritten()
    {
        await using var harness = Harness([["worker", "server"]], out var runtimes);
        Pace.Keep(harness, runtimes);
        var spec = Shared(JobHarness.SpecOf()) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        Assert.Equal(RunStatus.Completed, (await harness.RunAsync(spec, Token)).End.Summary.Status);
        await using var next = Harness([["worker", "server"]], out _);

        var (end, _) = await next.RunAsync(spec, Token);

        Assert.Contains("holds checkpoints of another job 'job-1'", Assert.Single(end.BadInput!.Violations).Message);
    }

    private TrainingSpec Shared(TrainingSpec spec) => spec with { Storage = new StorageSection { Kind = StorageSection.Shared, Path = _folder } };

    private static void Damage(string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^5] ^= 1;
        File.WriteAllBytes(file, bytes);
    }

    private static JobHarness Harness(string[][] roles, out IReadOnlyList<LinearRuntime> runtimes)
    {
        runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true))];
        return new JobHarness(runtimes, roles: roles);
    }
}
