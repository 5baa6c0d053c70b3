using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>What jobs say while they wait, and that no wait is without a limit.</summary>
public sealed class WaitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_job_without_room_says_what_it_lacks_and_the_one_behind_it_whose_turn_it_is_and_both_for_how_long()
    {
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], slots: 2);
        var spec = JobHarness.SpecOf(workers: 3);

        var first = harness.RunAsync(spec, Token, "job-1");
        await harness.StatusAsync(j => j.Job.Value == "job-1" && j.Waiting is not null, Token);
        var second = harness.RunAsync(spec, Token, "job-2");
        // what it lacks is judged anew with every node that has joined, and the last to do so may be the one
        var front = await harness.StatusAsync(j => j.Job.Value == "job-1" && j.Waiting?.Contains("(nodes offer 2)", StringComparison.Ordinal) == true, Token);
        var behind = await harness.StatusAsync(j => j is { Job.Value: "job-2", Waiting: not null }, Token);

        Assert.Matches(@"^1 more worker slots \(nodes offer 2\), for \d+ s$", front.Waiting);
        Assert.Matches(@"^room behind job job-1, which was submitted before it and has none yet, for \d+ s$", behind.Waiting);
        harness.Join(new LinearRuntime(buffers: true));
        Assert.Equal(RunStatus.Completed, (await first).End.Summary.Status);
        Assert.Equal(RunStatus.Completed, (await second).End.Summary.Status);
    }

    [Fact]
    public async Task A_job_that_gets_no_room_fails_after_the_limit_with_what_it_lacks_or_behind_whom_it_is()
    {
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], slots: 2, hocon: JobHarness.VirtualTimers);
        var spec = JobHarness.SpecOf(workers: 3);
        spec = spec with { Training = spec.Training with { StartTimeout = 2 } };

        // with a limit that does not come true here, so that the next one stays behind it
        var front = harness.RunAsync(JobHarness.SpecOf(workers: 4), Token, "job-1");
        await harness.StatusAsync(j => j is { Job.Value: "job-1", Waiting: not null }, Token);
        var second = harness.RunAsync(spec, Token, "job-2");
        await harness.StatusAsync(j => j is { Job.Value: "job-2", Waiting: not null }, Token);
        harness.Scheduler.Advance(TimeSpan.FromSeconds(2));
        var (behind, _) = await second;
        harness.Coordinator.Tell(new StopJob(new JobId("job-1"), StopReason.Cancelled), Akka.Actor.ActorRefs.NoSender);
        await front;
        var third = harness.RunAsync(spec, Token, "job-3");
        await harness.StatusAsync(j => j is { Job.Value: "job-3", Waiting: not null }, Token);
        harness.Scheduler.Advance(TimeSpan.FromSeconds(2));
        var (first, _) = await third;

        Assert.Equal((RunStatus.Failed, RunStatus.Failed), (behind.Summary.Status, first.Summary.Status));
        Assert.Equal("the job has not begun within 2 s (training.start_timeout): it waits for room behind jobs that were submitted before it",
            behind.Summary.Error);
        Assert.Equal("the job has not begun within 2 s (training.start_timeout): it waits for 1 more worker slots (nodes offer 2)", first.Summary.Error);
    }

    [Fact]
    public async Task A_job_whose_data_and_model_are_not_opened_fails_after_the_limit_and_those_behind_it_run()
    {
        using var opens = new ManualResetEventSlim();
        var runtime = new LinearRuntime(buffers: true);
        int opened = 0;
        runtime.BeforeOpen = () =>
        {
            if (Interlocked.Increment(ref opened) == 1) opens.Wait(Token);
        };
        await using (var harness = new JobHarness([runtime]))
        {
            var spec = JobHarness.SpecOf();

            var (stuck, sink) = await harness.RunAsync(spec with { Training = spec.Training with { StartTimeout = 1 } }, Token, "job-1");
            var (next, _) = await harness.RunAsync(spec, Token, "job-2");
            opens.Set();

            Assert.Equal(RunStatus.Failed, stuck.Summary.Status);
            Assert.Equal("the job's data and model have not been opened within 1 s (training.start_timeout) on node name-0", stuck.Summary.Error);
            Assert.Null(sink.Start);
            Assert.Equal(RunStatus.Completed, next.Summary.Status);
        }
        // what was opened too late is closed again
        Assert.Equal((2, 2), (runtime.Opened, runtime.Disposed));
    }

    [Fact]
    public async Task A_job_that_has_lost_its_nodes_fails_after_the_limit_with_what_it_lacks()
    {
        var spec = JobHarness.SpecOf(workers: 2, epochs: 4);
        spec = spec with { Training = spec.Training with { NodeTimeout = 1 } };
        List<LinearRuntime> runtimes = [new LinearRuntime(buffers: true), new LinearRuntime(buffers: true)];
        await using var harness = new JobHarness(runtimes, roles: [[], ["worker", "server"]], hocon: JobHarness.VirtualTimers);
        var gate = new StepGate(step: 7);
        runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        await Task.WhenAll(harness.KillAsync(1), Task.Run(gate.Release, Token));
        var waiting = await harness.StatusAsync(j => j.Waiting?.Contains("worker slots", StringComparison.Ordinal) == true, Token);
        harness.Scheduler.Advance(TimeSpan.FromSeconds(1));
        var (end, _) = await run;

        Assert.Matches(@"^1 more worker slots \(nodes offer 0\), for \d+ s$", waiting.Waiting);
        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Contains("no nodes to go on with for 1 s (training.node_timeout): the job waits for 1 more worker slots", end.Summary.Error);
    }

    [Fact]
    public async Task Steps_go_on_without_a_coordinator_for_its_grace_and_then_wait_for_the_next_one()
    {
        const int grace = 3600;
        var spec = JobHarness.SpecOf(workers: 2, shards: 2, epochs: 40);
        // no barrier on the way
        spec = spec with
        {
            Training = spec.Training with { CoordinatorGrace = grace, WorkerTimeout = 2 * grace },
            Evaluate = spec.Evaluate with { EveryEpochs = 40 },
        };
        var expected = await Undisturbed(spec);
        string[][] roles = [[], ["worker"], ["server"]];
        List<LinearRuntime> runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true))];
        await using var harness = new JobHarness(runtimes, roles: roles, isJournaled: true);
        StepGate gate = new(step: 25), later = new(step: 60);
        runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await gate.Reached(Token);
        await harness.KillCoordinatorAsync();
        gate.Release();
        await later.Reached(Token);
        harness.Time.Advance(TimeSpan.FromSeconds(grace + 1));
        later.Release();
        var waits = await harness.SaysAsync(2, NodeActors.Server(0), w => w.Whom.Any(who => who.Contains("coordinator", StringComparison.Ordinal)), Token);
        // the step under way, and not one more
        Assert.InRange(waits.Step, 61, 62);
        Assert.InRange(runtimes[1].Visits.Max(v => v.Step), 60, 61);
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        var (summary, _) = await run;

        AssertSame(expected, summary);
        Assert.Equal((1, 0), (summary.CoordinatorRestarts, summary.Rollbacks));
    }

    [Theory]
    [InlineData(4, "4 gradient shards, one for each worker: more workers would have nothing to do")]
    [InlineData(2, null)]
    public async Task A_job_says_when_its_gradient_shards_limit_how_many_workers_can_help(int workers, string? limit)
    {
        var runtime = new LinearRuntime();
        await using var harness = new JobHarness([runtime]);
        var gate = new StepGate(step: 3);
        runtime.BeforeLeaf = gate.Pass;

        var run = harness.RunAsync(JobHarness.SpecOf(workers, shards: 4), Token);
        await gate.Reached(Token);
        var status = await harness.StatusAsync(j => j.State == "training", Token);
        gate.Release();
        await run;

        Assert.Equal((workers, limit), (status.Workers, status.Limit));
    }

    [Fact]
    public async Task A_server_is_shown_as_unprotected_until_a_backup_has_caught_up()
    {
        var spec = JobHarness.SpecOf(workers: 2, epochs: 40);
        spec = spec with { Training = spec.Training with { Replicas = 1 } };
        await using var harness = LinearCluster.Of(2, roles: [["worker"], ["server"]]);
        StepGate gate = new(step: 3), later = new(step: 400);
        harness.Runtimes[0].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        var alone = await harness.Jobs.StatusAsync(j => j.State == "training", Token);
        harness.Jobs.Join(new LinearRuntime(buffers: true), "server");
        var meanwhile = await harness.Jobs.StatusAsync(j => j.Servers.Any(s => s.Backup is not null), Token);
        gate.Release();
        await harness.Jobs.SeededAsync(Token);
        var seeded = await harness.Jobs.StatusAsync(j => j.Servers.Count > 0, Token);
        later.Release();
        await run;

        Assert.Equal("server 0 on name-1", alone.Unprotected);
        Assert.Contains(meanwhile.Unprotected, new[] { "server 0 on name-1 (its backup on name-2 is being seeded)", null });
        Assert.Equal(meanwhile.Unprotected is null, meanwhile.Servers[0].IsProtected);
        Assert.Equal((null, "name-2", true), (seeded.Unprotected, seeded.Servers[0].Backup, seeded.Servers[0].IsProtected));
    }
}
