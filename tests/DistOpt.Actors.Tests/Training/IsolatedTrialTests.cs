using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Attempts at trials in child processes of worker nodes: who gets which, whose slots they take, and what their loss means.</summary>
public sealed class IsolatedTrialTests : IDisposable
{
    private static readonly TrialPart Isolated = new() { IsIsolated = true };

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static LinearRuntime Runtime() => new(buffers: true) { LogsSamples = true };

    private static JobHarness Coordinator(string hocon = "") => new([Runtime()], hocon: hocon, roles: [[]]);

    private static Task Kept(JobHarness harness, int count) =>
        harness.HeardAsync(d => d.Body is KeepTrialProcesses keep && keep.Count == count, 1, Token);

    [Fact]
    public async Task An_attempt_runs_whole_in_one_child_with_the_bits_of_any_run_and_other_jobs_never_run_there()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 4);
        var expected = await Undisturbed(spec);
        await using var harness = Coordinator();
        var (own, child, other) = (Runtime(), Runtime(), Runtime());
        int host = harness.JoinHost(own, slots: 3, processes: 2);
        harness.JoinChild(child, host);
        harness.JoinChild(other, host);

        var (trial, _) = await harness.RunAsync(spec, Token, "trial-1", trial: Isolated);
        Assert.Empty(own.Visits);
        Assert.Equal((RunStatus.Completed, 1), (trial.Summary.Status, trial.Summary.Processes));
        Assert.Equal(expected.WeightsSha256, trial.Summary.WeightsSha256);
        Assert.True(child.Visits.IsEmpty != other.Visits.IsEmpty);
        int visits = child.Visits.Count + other.Visits.Count;
        var (job, _) = await harness.RunAsync(spec, Token, "job-1");

        Assert.Equal(expected.WeightsSha256, job.Summary.WeightsSha256);
        Assert.Equal(visits, child.Visits.Count + other.Visits.Count);
        Assert.NotEmpty(own.Visits);
        Assert.Null(trial.Lost);
    }

    /// <summary>The study may live on, with another coordinator.</summary>
    [Fact]
    public async Task An_attempt_whose_coordinator_stops_is_lost_and_its_trial_has_not_failed_by_that()
    {
        await using var harness = Coordinator();
        // it waits for a node
        var run = harness.RunAsync(JobHarness.SpecOf(workers: 1), Token, "trial-1", trial: Isolated);
        while ((await harness.Coordinator.Ask<JobFound>(new FindJob(new JobId("trial-1")), Eventually.Patience, Token)).Status is null) { }

        await harness.Coordinator.GracefulStop(Eventually.Patience);

        Assert.Equal("the job coordinator has stopped", (await run).End.Lost);
    }

    [Fact]
    public async Task Nodes_are_told_how_many_children_attempts_want_within_their_slots_and_their_limit()
    {
        await using var harness = Coordinator();
        harness.Time.Stop();
        harness.JoinHost(Runtime(), slots: 8, processes: 2);

        var runs = Enumerable.Range(1, 3).Select(i => harness.RunAsync(JobHarness.SpecOf(workers: 1), Token, $"trial-{i}", trial: Isolated)).ToList();
        await Kept(harness, 2);
        const string missing = "a child process on node name-1 (study.isolation: process)";
        await harness.StatusAsync(j => j.Waiting?.StartsWith(missing, StringComparison.Ordinal) == true, Token);
        int child = harness.JoinChild(Runtime(), 1);
        // one after the other
        foreach (var run in runs) Assert.Equal(RunStatus.Completed, (await run).End.Summary.Status);
        Assert.DoesNotContain(harness.Wires, d => d.Body is KeepTrialProcesses { Count: > 2 });

        // kept for a while, and then told to end
        Assert.DoesNotContain(harness.Wires, d => d.Body is KeepTrialProcesses { Count: 0 });
        bool hasEnded = false;
        // an offer may come before it is known that nobody wants the child
        for (int offers = 0; !hasEnded && offers < 1000; offers++)
        {
            harness.Time.Advance(JobCoordinatorActor.Linger);
            harness.Offer(1);
            await harness.NodesAsync(Token);
            hasEnded = harness.Wires.Any(d => d.Body is KeepTrialProcesses { Count: 0 } keep && keep.Ending.SequenceEqual([harness.IdOf(child)]));
        }
        Assert.True(hasEnded);
    }

    [Fact]
    public async Task What_runs_in_children_takes_slots_of_their_parent_and_nodes_are_listed_without_them()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 2, processes: 2);
        var gate = new StepGate(3);
        foreach (var runtime in new[] { Runtime(), Runtime() })
        {
            runtime.BeforeLeaf = gate.Pass;
            harness.JoinChild(runtime, host);
        }
        var spec = JobHarness.SpecOf(workers: 1);
        var trials = new[] { harness.RunAsync(spec, Token, "trial-1", trial: Isolated), harness.RunAsync(spec, Token, "trial-2", trial: Isolated) };
        await harness.StatusAsync(j => j is { Job.Value: "trial-1", State: "training" }, Token);
        await harness.StatusAsync(j => j is { Job.Value: "trial-2", State: "training" }, Token);

        var job = harness.RunAsync(spec, Token);
        const string missing = "1 more worker slots (nodes offer 0)";
        await harness.StatusAsync(j => j.Job.Value == "job-1" && j.Waiting?.StartsWith(missing, StringComparison.Ordinal) == true, Token);
        var nodes = (await harness.NodesAsync(Token)).Nodes;
        gate.Release();

        Assert.Equal(["name-0", "name-1"], nodes.Select(n => n.Name));
        var status = nodes[1];
        Assert.Equal(("name-1", 2, 2, 2), (status.Name, status.WorkerSlots, status.WorkersRunning, status.TrialProcesses));
        foreach (var run in trials.Append(job)) Assert.Equal(RunStatus.Completed, (await run).End.Summary.Status);
    }

    [Fact]
    public async Task Memory_that_workers_ask_for_is_taken_of_their_node_and_what_does_not_fit_waits_for_it()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 8, processes: 4, memory: 8L << 30);
        var gate = new StepGate(3);
        for (int i = 0; i < 4; i++)
        {
            var runtime = Runtime();
            runtime.BeforeLeaf = gate.Pass;
            harness.JoinChild(runtime, host);
        }
        var spec = JobHarness.SpecOf(workers: 2, shards: 2);
        var large = spec with { Training = spec.Training with { WorkerMemory = 1.25 } };
        // 2.5 GiB, a child's share of 2 GiB, and 2.5 GiB again: 7 of 8
        var runs = new List<Task<(JobEnded End, RecordingSink Sink)>>
        {
            harness.RunAsync(large, Token, "trial-1", trial: Isolated),
            harness.RunAsync(spec, Token, "trial-2", trial: Isolated),
            harness.RunAsync(large, Token, "trial-3", trial: Isolated),
        };
        foreach (string job in new[] { "trial-1", "trial-2", "trial-3" })
            await harness.StatusAsync(j => j.Job.Value == job && j.State == "training", Token);
        long?[] limits = [null, 5L << 29, 5L << 29];
        await harness.HeardAsync(d => d.Body is KeepTrialProcesses keep && keep.Busy.Select(b => b.MemoryBytes).Order().SequenceEqual(limits), 1, Token);
        runs.Add(harness.RunAsync(large, Token));
        const string missing = "2 more worker slots (nodes offer 0), each with 1.25 GiB of memory (training.worker_memory)";
        await harness.StatusAsync(j => j.Job.Value == "job-1" && j.Waiting?.StartsWith(missing, StringComparison.Ordinal) == true, Token);
        var status = (await harness.NodesAsync(Token)).Nodes[1];
        gate.Release();

        Assert.Equal((8L << 30, 7L << 30), (status.MemoryBytes, status.MemoryTaken));
        foreach (var run in runs) Assert.Equal(RunStatus.Completed, (await run).End.Summary.Status);
        Assert.Equal(0, (await harness.NodesAsync(Token)).Nodes[1].MemoryTaken);
    }

    [Fact]
    public async Task The_next_attempt_gets_a_child_once_that_has_given_back_what_the_last_one_has_left()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 2, processes: 1);
        int child = harness.JoinChild(Runtime(), host);
        harness.HoldsMessage = m => m is MemoryReturned;
        var spec = JobHarness.SpecOf(workers: 1);

        Assert.Equal(RunStatus.Completed, (await harness.RunAsync(spec, Token, "trial-1", trial: Isolated)).End.Summary.Status);
        var next = harness.RunAsync(spec, Token, "trial-2", trial: Isolated);
        const string missing = "a child process on node name-1 (study.isolation: process)";
        await harness.StatusAsync(j => j.Job.Value == "trial-2" && j.Waiting?.StartsWith(missing, StringComparison.Ordinal) == true, Token);
        harness.LetGoMessages();

        Assert.Equal(RunStatus.Completed, (await next).End.Summary.Status);
        // it is the same one
        Assert.DoesNotContain(harness.Wires, d => d.Body is KeepTrialProcesses { Ending.Length: > 0 });
        Assert.Equal(2, child);
    }

    [Fact]
    public async Task A_child_that_has_kept_much_memory_is_replaced_before_the_next_attempt()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 2, processes: 1, memory: 4L << 30);
        var used = Runtime();
        int child = harness.JoinChild(used, host);
        harness.KeptMemory = node => node == child ? (1L << 30) + 1 : 0;
        var spec = JobHarness.SpecOf(workers: 1);

        Assert.Equal(RunStatus.Completed, (await harness.RunAsync(spec, Token, "trial-1", trial: Isolated)).End.Summary.Status);
        int visits = used.Visits.Count;
        var next = harness.RunAsync(spec, Token, "trial-2", trial: Isolated);
        await harness.HeardAsync(d => d.Body is KeepTrialProcesses { Count: 1 } keep && keep.Ending.SequenceEqual([harness.IdOf(child)]), 1, Token);
        harness.JoinChild(Runtime(), host);

        Assert.Equal(RunStatus.Completed, (await next).End.Summary.Status);
        Assert.Equal(visits, used.Visits.Count);
    }

    [Fact]
    public async Task GPUs_that_workers_ask_for_are_taken_of_their_node_and_an_attempt_gets_a_child_that_has_exactly_those()
    {
        await using var harness = Coordinator();
        var gate = new StepGate(3);
        LinearRuntime Gated()
        {
            var runtime = Runtime();
            runtime.BeforeLeaf = gate.Pass;
            return runtime;
        }
        int host = harness.JoinHost(Gated(), slots: 8, processes: 4, gpus: 3);
        harness.JoinChild(Gated(), host);
        var large = Gpus(JobHarness.SpecOf(workers: 2, shards: 2), 1);

        var runs = new List<Task<(JobEnded End, RecordingSink Sink)>> { harness.RunAsync(large, Token, "trial-1", trial: Isolated) };
        await harness.HeardAsync(d => d.Body is KeepTrialProcesses { Count: 2 } keep && keep.Gpus.SequenceEqual([2]), 1, Token);
        await Waits("trial-1", "a child process with 2 GPUs on node name-1 (study.isolation: process)");
        harness.JoinChild(Gated(), host, gpus: 2);
        await harness.StatusAsync(j => j is { Job.Value: "trial-1", State: "training" }, Token);
        // in the node itself
        runs.Add(harness.RunAsync(Gpus(JobHarness.SpecOf(workers: 1), 1), Token));
        await harness.StatusAsync(j => j is { Job.Value: "job-1", State: "training" }, Token);
        var status = (await harness.NodesAsync(Token)).Nodes[1];
        runs.Add(harness.RunAsync(large, Token, "trial-2", trial: Isolated));
        await Waits("trial-2", "2 worker slots and 2 GPUs (training.worker_gpus) on one node (study.isolation: process places a trial whole)");
        gate.Release();

        Assert.Equal((3, 3L), (status.Gpus, status.GpusTaken));
        foreach (var run in runs) Assert.Equal(RunStatus.Completed, (await run).End.Summary.Status);
        Assert.Equal(0, (await harness.NodesAsync(Token)).Nodes[1].GpusTaken);

        Task Waits(string job, string what) =>
            harness.StatusAsync(j => j.Job.Value == job && j.Waiting?.StartsWith(what, StringComparison.Ordinal) == true, Token);
    }

    [Fact]
    public async Task A_child_that_has_GPUs_which_another_attempt_wants_ends_as_soon_as_nobody_uses_it()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 4, processes: 4, gpus: 2);
        int pair = harness.JoinChild(Runtime(), host, gpus: 2);

        await harness.RunAsync(Gpus(JobHarness.SpecOf(workers: 2, shards: 2), 1), Token, "trial-1", trial: Isolated);
        Assert.DoesNotContain(harness.Wires, d => d.Body is KeepTrialProcesses { Ending.Length: > 0 });
        var next = harness.RunAsync(Gpus(JobHarness.SpecOf(workers: 1), 1), Token, "trial-2", trial: Isolated);
        await harness.HeardAsync(d => d.Body is KeepTrialProcesses { Count: 1 } keep && keep.Gpus.SequenceEqual([1])
            && keep.Ending.SequenceEqual([harness.IdOf(pair)]), 1, Token);
        harness.JoinChild(Runtime(), host, gpus: 1);

        Assert.Equal(RunStatus.Completed, (await next).End.Summary.Status);
    }

    /// <summary>Children are kept for attempts in the order in which these are offered nodes, also where one that came before has ended.</summary>
    [Fact]
    public async Task The_attempt_that_waits_first_gets_its_child_whatever_came_after_it()
    {
        await using var harness = Coordinator();
        var gate = new StepGate(3);
        var gated = Runtime();
        gated.BeforeLeaf = gate.Pass;
        int host = harness.JoinHost(Runtime(), slots: 4, processes: 4, gpus: 2);
        harness.JoinChild(gated, host, gpus: 1);
        var one = Gpus(JobHarness.SpecOf(workers: 1), 1);

        var first = harness.RunAsync(one, Token, "trial-1", trial: Isolated);
        await harness.StatusAsync(j => j is { Job.Value: "trial-1", State: "training" }, Token);
        var second = harness.RunAsync(Gpus(JobHarness.SpecOf(workers: 1), 2), Token, "trial-2", trial: Isolated);
        await harness.StatusAsync(j => j is { Job.Value: "trial-2", Waiting: not null }, Token);
        gate.Release();
        Assert.Equal(RunStatus.Completed, (await first).End.Summary.Status);
        await harness.HeardAsync(d => d.Body is KeepTrialProcesses { Count: 1 } keep && keep.Gpus.SequenceEqual([2]), 1, Token);
        int before = Told([1]);
        var third = harness.RunAsync(one, Token, "trial-3", trial: Isolated);
        await harness.StatusAsync(j => j is { Job.Value: "trial-3", Waiting: not null }, Token);

        // since the first attempt's end, no child with one GPU is wanted before the second one has run
        int ones = Told([1]);
        harness.JoinChild(Runtime(), host, gpus: 2);
        Assert.Equal(RunStatus.Completed, (await second).End.Summary.Status);
        Assert.True(ones == before, $"children with one GPU were asked for {ones - before} times more");
        harness.JoinChild(Runtime(), host, gpus: 1);
        Assert.Equal(RunStatus.Completed, (await third).End.Summary.Status);

        int Told(int[] gpus) => harness.Wires.Count(d => d.Body is KeepTrialProcesses keep && keep.Gpus.SequenceEqual(gpus));
    }

    [Fact]
    public async Task A_job_waits_until_the_nodes_have_GPUs_for_all_its_workers()
    {
        await using var harness = Coordinator();
        var (first, second) = (Runtime(), Runtime());
        harness.JoinHost(first, slots: 4, processes: 0, gpus: 3);

        var run = harness.RunAsync(Gpus(JobHarness.SpecOf(workers: 2), 2), Token);
        const string missing = "1 more worker slots (nodes offer 1), each with 2 GPUs (training.worker_gpus)";
        await harness.StatusAsync(j => j.Waiting?.StartsWith(missing, StringComparison.Ordinal) == true, Token);
        harness.JoinHost(second, slots: 4, processes: 0, gpus: 2);

        Assert.Equal(RunStatus.Completed, (await run).End.Summary.Status);
        Assert.True(first.Visits.Count > 0 && second.Visits.Count > 0);
    }

    private static TrainingSpec Gpus(TrainingSpec spec, int each) => spec with { Training = spec.Training with { WorkerGpus = each } };

    [Fact]
    public async Task A_node_that_differs_is_named_and_gets_no_more_trials_of_the_study_while_others_do()
    {
        await using var harness = Coordinator();
        var own = Runtime();
        var other = new LinearRuntime { Fingerprint = own.Fingerprint with { Exact = new Dictionary<string, string> { ["user code"] = "b2" } } };
        // the one that differs has more room
        int bad = harness.JoinHost(own, slots: 8, processes: 1);
        harness.JoinChild(other, bad);
        var spec = JobHarness.SpecOf(workers: 1);
        var study = Isolated with { Study = "s" };

        var (first, _) = await harness.RunAsync(spec, Token, "trial-1", trial: study);
        var waiting = harness.RunAsync(spec, Token, "trial-2", trial: study);
        const string refused = "node name-2 is refused: its user code is 'b2', but 'a1' on name-0; deploy the same build and data to every node";
        const string missing = $"a node that can run it (study.isolation: process): {refused}";
        await harness.StatusAsync(j => j.Job.Value == "trial-2" && j.Waiting?.StartsWith(missing, StringComparison.Ordinal) == true, Token);
        int good = harness.JoinHost(Runtime(), slots: 1, processes: 1);
        harness.JoinChild(Runtime(), good);

        Assert.Equal((null, null), (first.BadInput, first.Lost));
        Assert.Equal(refused, Assert.Single(first.Unfit).Value);
        Assert.Equal(RunStatus.Completed, (await waiting).End.Summary.Status);
        // another study is another matter, and so is this one after a while
        Assert.Single((await harness.RunAsync(spec, Token, "trial-3", trial: Isolated with { Study = "t" })).End.Unfit);
    }

    [Fact]
    public async Task The_loss_of_a_child_ends_its_attempt_alone_with_what_the_parent_saw_of_it()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 2, processes: 2);
        var gates = new[] { new StepGate(5), new StepGate(5) };
        var children = new List<int>();
        foreach (var gate in gates)
        {
            var runtime = Runtime();
            runtime.BeforeLeaf = gate.Pass;
            children.Add(harness.JoinChild(runtime, host));
        }
        var spec = JobHarness.SpecOf(workers: 1);
        var runs = new[] { harness.RunAsync(spec, Token, "trial-1", trial: Isolated), harness.RunAsync(spec, Token, "trial-2", trial: Isolated) };
        foreach (var gate in gates) await gate.Reached(Token);
        harness.Write(children[0], "its last own line");
        await harness.HeardAsync(d => d.Body is LogLines, 1, Token);

        gates[0].Release();
        await harness.DieAsync(children[0]);
        // others see that it is gone before its parent has told why
        harness.Tell(new NodeGone(harness.IdOf(children[0]), "its process has ended"));
        harness.SendAs(host, 0, NodeActors.Jobs,
            new TrialProcessEnded(harness.IdOf(children[0]), "process 0 (pid 7) ended with exit code 134 (SIGABRT)", ["a native word"], null));
        var lost = await Task.WhenAny(runs);
        gates[1].Release();

        var (end, sink) = await lost;
        Assert.NotNull(end.Lost);
        Assert.Equal(end.Lost, end.Summary.Error);
        Assert.Matches(@"^child process name-\d was lost at step \d+: process 0 \(pid 7\) ended with exit code 134 \(SIGABRT\); its last lines:", end.Lost);
        Assert.Contains("its last own line", end.Lost);
        Assert.Contains("a native word", end.Lost);
        Assert.Contains(sink.Lines, l => l.Text == end.Lost);
        Assert.Equal(["a native word"], end.Summary.Failures.Single().LastLines.TakeLast(1));
        var neighbour = await runs.Single(r => r != lost);
        Assert.Equal((RunStatus.Completed, 0), (neighbour.End.Summary.Status, neighbour.End.Summary.WorkerFailures));
    }

    [Fact]
    public async Task Where_the_parent_is_gone_too_nobody_waits_for_its_words()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 2, processes: 1);
        var gate = new StepGate(5);
        var runtime = Runtime();
        runtime.BeforeLeaf = gate.Pass;
        int child = harness.JoinChild(runtime, host);
        var run = harness.RunAsync(JobHarness.SpecOf(workers: 1), Token, trial: Isolated);
        await gate.Reached(Token);

        gate.Release();
        await harness.DieAsync(child);
        harness.Tell(new NodeGone(harness.IdOf(child), "its process has ended"));
        await harness.KillAsync(host);

        Assert.Contains(": its process has ended", (await run).End.Lost);
    }

    [Fact]
    public async Task An_attempt_that_no_node_could_take_says_so_holds_up_nobody_and_fails_after_the_limit()
    {
        await using var harness = Coordinator();
        harness.JoinHost(Runtime(), slots: 2, processes: 2);
        var spec = JobHarness.SpecOf(workers: 3);
        spec = spec with { Training = spec.Training with { StartTimeout = 2 } };

        var large = harness.RunAsync(spec, Token, "trial-1", trial: Isolated);
        await harness.StatusAsync(j => j is { Job.Value: "trial-1", Waiting: not null }, Token);
        var (job, _) = await harness.RunAsync(JobHarness.SpecOf(workers: 2), Token);
        var (end, _) = await large;

        Assert.Equal(RunStatus.Completed, job.Summary.Status);
        Assert.Equal((RunStatus.Failed, null), (end.Summary.Status, end.Lost));
        // its supervisor has heard so long before
        var told = harness.Waits.First(w => w.Job.Value == "trial-1");
        Assert.StartsWith("a node with 3 worker slots: a trial is placed whole in one process", told.Whom);
        Assert.Equal("the job has not begun within 2 s (training.start_timeout): it waits for a node with 3 worker slots: a trial is placed whole "
            + "in one process, and the largest node has 2 (lower training.workers, or set study.isolation: none)", end.Summary.Error);
        Assert.DoesNotContain(harness.Wires, d => d.Body is KeepTrialProcesses { Count: > 0 });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_child_that_does_not_start_is_what_attempts_say_that_they_wait_for(bool knewWhatItWouldBe)
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 2, processes: 2);
        var run = harness.RunAsync(JobHarness.SpecOf(workers: 1), Token, trial: Isolated);
        await Kept(harness, 1);

        NodeId? child = knewWhatItWouldBe ? new NodeId("10.0.0.9:1#1") : null;
        harness.SendAs(host, 0, NodeActors.Jobs, new TrialProcessEnded(child, "process 0 (pid 7) ended with exit code 4", ["no port is free"], null));
        var status = await harness.StatusAsync(j => j.Waiting?.StartsWith("a child process that starts", StringComparison.Ordinal) == true, Token);
        harness.JoinChild(Runtime(), host);

        Assert.StartsWith("a child process that starts: on node name-1 the last one did not join: process 0 (pid 7) ended with exit code 4; no port is free",
            status.Waiting);
        Assert.Equal(RunStatus.Completed, (await run).End.Summary.Status);
    }

    [Fact]
    public async Task A_node_that_leaves_waits_for_a_checkpoint_of_its_childs_attempt_which_goes_on_elsewhere_to_the_same_bits()
    {
        var spec = JobHarness.SpecOf(workers: 1, servers: 1, shards: 4, epochs: 60) with { Checkpoint = new CheckpointSection { EverySteps = 100_000 } };
        var expected = await Undisturbed(spec);
        await using var harness = Coordinator();
        harness.CheckpointDirectory = _folder;
        var (gate, last) = (new StepGate(57), new StepGate(400));
        var runtime = Runtime();
        runtime.BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            last.Pass(plan, shard);
        };
        int leaving = harness.JoinHost(Runtime(), slots: 1, processes: 1);
        int child = harness.JoinChild(runtime, leaving);
        var run = harness.RunAsync(spec, Token, "trial-1", trial: Isolated);
        await gate.Reached(Token);

        var left = harness.LeaveAsync(leaving, Token);
        gate.Release();
        await left;
        last.Release();
        await harness.KillAsync(child);
        var (end, _) = await run;
        Assert.NotNull(end.Lost);
        int other = harness.JoinHost(Runtime(), slots: 1, processes: 1);
        harness.JoinChild(Runtime(), other);
        harness.Resumes = true;
        var sink = new RecordingSink();
        var (again, _) = await harness.RunAsync(spec, Token, "trial-2", sink, Isolated);

        Assert.Equal(expected.WeightsSha256, again.Summary.WeightsSha256);
        Assert.True(sink.Start!.Resumed!.Step >= 57, $"{sink.Start.Resumed}");
    }

    [Fact]
    public async Task A_child_whose_attempt_hangs_is_lost_and_told_to_end()
    {
        await using var harness = Coordinator();
        int host = harness.JoinHost(Runtime(), slots: 1, processes: 1);
        var runtime = Runtime();
        var gate = new StepGate(5);
        runtime.BeforeLeaf = gate.Pass;
        int child = harness.JoinChild(runtime, host);
        var spec = JobHarness.SpecOf(workers: 1);
        spec = spec with { Training = spec.Training with { WorkerTimeout = 1 } };

        var run = harness.RunAsync(spec, Token, trial: Isolated);
        await gate.Reached(Token);
        await Eventually.Until(() =>
        {
            harness.Time.Advance(TimeSpan.FromSeconds(5));
            return run.IsCompleted;
        });
        var (end, _) = await run;
        harness.Offer(host);
        await harness.HeardAsync(d => d.Body is KeepTrialProcesses keep && keep.Ending.Contains(harness.IdOf(child)), 1, Token);
        gate.Release();

        Assert.StartsWith("no progress for 1 s (training.worker_timeout) while training: the job waits for ", end.Lost);
    }
}
