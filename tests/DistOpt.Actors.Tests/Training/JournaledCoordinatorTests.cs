using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

[Collection(nameof(SwitchJournal))]
public sealed class JournaledCoordinatorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    /// <summary>More workers than there are slots: the job waits.</summary>
    private const int TooMany = 100;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>At the start, and when a worker is lost in the middle.</summary>
    [Fact]
    public async Task A_journal_that_is_slow_to_store_a_placement_is_named_and_no_node_is_blamed()
    {
        var spec = JobHarness.SpecOf(workers: 2, shards: 4, epochs: 4);
        spec = spec with { Training = spec.Training with { WorkerTimeout = 36_000 } };
        var expected = await SameSummary.Undisturbed(spec);
        await using var harness = Harness(out var journal, out var runtimes);
        Action? release = null;
        // the submission is stored by then
        runtimes[3].BeforeOpen = () => release ??= journal.Hold();
        var gate = new StepGate(step: 7);
        runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.RunDurableAsync(spec, _folder, Token);
        var starting = await harness.WaitingAsync(whom => whom.Contains("journal"), Token);
        // what it takes now is nobody's fault
        harness.Time.Advance(TimeSpan.FromSeconds(30_000));
        release!();
        await gate.Reached(Token);
        release = journal.Hold();
        await harness.KillAsync(2);
        gate.Release();
        var training = await harness.WaitingAsync(whom => whom.Contains("journal"), Token);
        release();
        var (summary, _) = await run;

        Assert.Equal(("starting", "training"), (starting.State, training.State));
        Assert.All([starting, training], s => Assert.Matches(@"^the journal \(to store the placement\), for \d+ s$", s.Waiting));
        SameSummary.AssertSame(expected, summary);
        Assert.Equal((1, 0, 0), (summary.WorkerFailures, summary.ServerFailures, summary.Rollbacks));
    }

    [Fact]
    public async Task A_job_whose_placement_is_not_stored_within_the_limit_fails_with_the_journals_name()
    {
        var spec = JobHarness.SpecOf(workers: 2, shards: 4, epochs: 4);
        spec = spec with { Training = spec.Training with { WorkerTimeout = 3600 } };
        await using var harness = Harness(out var journal, out var runtimes);
        Action? release = null;
        runtimes[3].BeforeOpen = () => release ??= journal.Hold();

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await harness.WaitingAsync(whom => whom.Contains("journal"), Token);
        harness.Time.Advance(TimeSpan.FromSeconds(3600));
        await harness.HeardAsync(d => d.Body is EndJob, 1, Token);
        // its end is stored too
        release!();
        await run;
        var status = await harness.StatusAsync(j => j.SummaryJson is not null, Token);

        Assert.Equal("failed", status.State);
        Assert.Contains("no progress for 3600 s (training.worker_timeout) while starting: the job waits for the journal (to store the placement)",
            status.SummaryJson);
    }

    private static JobHarness Harness(out JournalSwitch journal, out IReadOnlyList<LinearRuntime> runtimes)
    {
        SwitchJournal.Switch = journal = new JournalSwitch();
        string[][] roles = [[], ["worker"], ["worker"], ["server"]];
        runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true))];
        return new JobHarness(runtimes, hocon: SwitchJournal.Hocon, roles: roles, isJournaled: true);
    }

    [Fact]
    public async Task A_job_is_accepted_only_once_it_is_stored()
    {
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal);
        var coordinator = await harness.ReadyAsync();
        var release = journal.Hold();

        var answer = harness.SubmitAsync(coordinator, "a");
        await Eventually.Until(() => journal.Writes.Count == 1);
        // a question that is answered after the submission was handled
        Assert.Empty(await JournalHarness.JobsAsync(coordinator));
        Assert.False(answer.IsCompleted);
        Assert.Empty(harness.Opened);
        release();

        Assert.Equal("a", Assert.IsType<JobAccepted>(await answer).Job.Value);
        Assert.Equal("completed", (await JournalHarness.EndedAsync(coordinator, "a")).State);
    }

    [Fact]
    public async Task A_write_that_fails_is_answered_and_the_coordinator_begins_anew_with_what_was_stored()
    {
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal);
        var first = await harness.ReadyAsync();
        Assert.IsType<JobAccepted>(await harness.SubmitAsync(first, "kept", workers: TooMany));
        journal.FailNext(new IOException("the disk is full"));

        await Assert.ThrowsAsync<CoordinatorGoneException>(() => harness.SubmitAsync(first, "lost", "key"));
        var second = await harness.ReadyAsync();

        Assert.Equal(["kept"], (await JournalHarness.JobsAsync(second)).Select(j => j.Job.Value));
        Assert.True(harness.Released >= 1 && harness.Taken >= 2, $"taken {harness.Taken} times, released {harness.Released} times");
        // the same key again: now it is a job
        Assert.Equal("again", Assert.IsType<JobAccepted>(await harness.SubmitAsync(second, "again", "key", workers: TooMany)).Job.Value);
    }

    [Fact]
    public async Task A_coordinator_that_died_finds_every_job_and_counts_the_restart()
    {
        await using var harness = new JournalHarness(new JournalSwitch());
        var first = await harness.ReadyAsync();
        await harness.SubmitAsync(first, "done", "k1");
        await JournalHarness.EndedAsync(first, "done");
        await harness.SubmitAsync(first, "live", "k2", epochs: 1_000_000);
        await harness.SubmitAsync(first, "waits", "k3", workers: TooMany);
        await Eventually.Until(() => harness.Opened.Any(o => o.Job.Value == "live" && o.Sink.Start is not null));

        first.Tell(Kill.Instance);
        var second = await harness.ReadyAsync();

        Assert.Equal(["done", "live", "waits"], (await JournalHarness.JobsAsync(second)).Select(j => j.Job.Value));
        foreach (var (key, job, workers, epochs) in new[] { ("k1", "done", 2, 2), ("k2", "live", 2, 1_000_000), ("k3", "waits", TooMany, 2) })
            Assert.Equal(job, Assert.IsType<JobAccepted>(await harness.SubmitAsync(second, "new", key, workers, epochs, job)).Job.Value);
        await Eventually.Until(() => harness.Opened.Count(o => o.Job.Value == "live") == 2);
        Assert.True((await second.Ask<StopAnswer>(new StopJob(new JobId("live"), StopReason.Cancelled), Eventually.Patience, Token)).Known);
        var ended = await JournalHarness.EndedAsync(second, "live");
        Assert.True(ended.State == "cancelled", ended.SummaryJson);
        Assert.Equal(1, RunJson.ParseSummary(ended.SummaryJson!).CoordinatorRestarts);
        Assert.Equal([false, true], harness.Opened.Where(o => o.Job.Value == "live").Select(o => o.Recovered));
        Assert.Single(harness.Opened, o => o.Job.Value == "done");
    }

    [Fact]
    public async Task A_stop_that_was_asked_for_holds_after_a_restart()
    {
        // the coordinator died between storing the wish and telling the job
        await using var harness = new JournalHarness(new JournalSwitch(), stored:
        [
            new JobEvent.Submitted("a", null, "a", "the spec of a", "hash", "runs/a", DateTimeOffset.UnixEpoch),
            new JobEvent.Submitted("b", null, "b", "the spec of b", "hash", "runs/b", DateTimeOffset.UnixEpoch),
            new JobEvent.StopRequested("a", StopReason.Cancelled),
            new JobEvent.CommandApplied("a", "stop", KeyUse.Cancel),
        ]);
        var coordinator = await harness.ReadyAsync();

        Assert.Equal("cancelled", (await JournalHarness.EndedAsync(coordinator, "a")).State);
        Assert.Null((await JournalHarness.JobsAsync(coordinator))[1].SummaryJson);
        var repeat = new StopJob(new JobId("a"), StopReason.Cancelled) { Key = "stop" };
        Assert.Equal(new StopAnswer(new JobId("a"), true), await coordinator.Ask<StopAnswer>(repeat, Eventually.Patience, Token));
        Assert.NotNull((await coordinator.Ask<StopAnswer>(repeat with { Job = new JobId("b") }, Eventually.Patience, Token)).KeyReused);
    }

    [Fact]
    public async Task Submissions_that_come_together_share_a_write()
    {
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal);
        var coordinator = await harness.ReadyAsync();
        var release = journal.Hold();
        var answers = Enumerable.Range(0, 50).Select(i => harness.SubmitAsync(coordinator, $"job-{i:00}", workers: TooMany)).ToList();
        await Eventually.Until(() => journal.Writes.Count == 1);
        Assert.Empty(await JournalHarness.JobsAsync(coordinator));
        release();

        Assert.All(await Task.WhenAll(answers), answer => Assert.IsType<JobAccepted>(answer));
        Assert.Equal(50, journal.Writes.Sum());
        Assert.True(journal.Writes.Count <= 5, $"{journal.Writes.Count} writes for 50 jobs");
    }

    [Fact]
    public async Task A_repeat_while_the_first_is_being_stored_gets_the_same_job_and_another_spec_is_refused()
    {
        var journal = new JournalSwitch();
        await using var harness = new JournalHarness(journal);
        var coordinator = await harness.ReadyAsync();
        var release = journal.Hold();
        var first = harness.SubmitAsync(coordinator, "a", "key", workers: TooMany);
        var spec = JobHarness.SpecOf(TooMany, shards: TooMany) with { Name = "a" };
        var repeat = coordinator.Ask<object>(new SubmitDurableJob(new JobId("b"), spec, "runs/b", "key"), Eventually.Patience, Token);
        var other = coordinator.Ask<object>(new SubmitDurableJob(new JobId("c"), spec with { Seed = 1 }, "runs/c", "key"), Eventually.Patience, Token);

        Assert.True(Assert.IsType<JobRejected>(await other).KeyReused);
        release();

        Assert.Equal("a", Assert.IsType<JobAccepted>(await first).Job.Value);
        Assert.Equal("a", Assert.IsType<JobAccepted>(await repeat).Job.Value);
        Assert.Single(await JournalHarness.JobsAsync(coordinator));
    }

    [Fact]
    public async Task A_run_whose_end_was_written_but_not_stored_is_not_run_again()
    {
        await using var harness = new JournalHarness(new JournalSwitch());
        var first = await harness.ReadyAsync();
        await harness.SubmitAsync(first, "a", workers: TooMany);
        await Eventually.Until(() => harness.Opened.Count == 1);
        harness.Ends[harness.DirectoryOf("a")] = new RunSummary { Job = "a", Status = RunStatus.Completed, Steps = 22 };

        first.Tell(Kill.Instance);
        var second = await harness.ReadyAsync();

        var status = await JournalHarness.EndedAsync(second, "a");
        Assert.Equal(("completed", 22), (status.State, status.Step));
        Assert.Single(harness.Opened);
    }

    [Fact]
    public async Task A_job_whose_spec_this_build_does_not_read_fails_and_the_others_go_on()
    {
        await using var harness = new JournalHarness(new JournalSwitch());
        var first = await harness.ReadyAsync();
        await harness.SubmitAsync(first, "foreign", workers: TooMany);
        await harness.SubmitAsync(first, "ours", epochs: 3);
        harness.Unreadable.Add("foreign");

        first.Tell(Kill.Instance);
        var second = await harness.ReadyAsync();

        Assert.Equal("failed", (await JournalHarness.EndedAsync(second, "foreign")).State);
        var found = await second.Ask<JobFound>(new FindJob(new JobId("foreign")), Eventually.Patience, Token);
        Assert.Equal("model.kind", Assert.Single(found.BadInput).Path);
        Assert.Equal("completed", (await JournalHarness.EndedAsync(second, "ours")).State);
    }
}
