using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Actors.Tests.Studies;

/// <summary>Supervisors of a study and of its trials, over jobs that the test plays.</summary>
[Collection(nameof(SwitchJournal))]
public sealed class StudySupervisorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static StudySetup Asha(int trials, int parallel = 1) => StudyHarness.Setup(trials, parallel) with
    {
        TrialScheduler = context => new AshaOptions { MinResource = 1, MaxResource = 9, ReductionFactor = 3 }.Create(context),
    };

    [Fact]
    public async Task Trials_run_to_their_end_and_have_the_value_of_the_selected_weights()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2));
        harness.Begin();

        var first = (await harness.JobAsync()).Start();
        Assert.False(harness.HasJob); // one at a time
        Assert.Null(first.Pause);
        first.Epoch(1, 0.5).Epoch(2, 0.8).Epoch(3, 0.7).End(RunStatus.Completed, StopReason.Epochs, selected: 2);
        (await harness.JobAsync()).Start().Epoch(1, 0.6).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        var over = await harness.EndAsync<StudyOver>();

        Assert.Equal(StudyStopReason.Trials, over.Status.End);
        Assert.Equal((0, 0.8), (over.Status.Best!.Number, over.Status.Best.Values[0]));
        Assert.Equal([0.5, 0.8, 0.7, 0.6], harness.Happened.OfType<StudyEvent.Reported>().Select(r => r.Values[0]));
    }

    [Fact]
    public async Task An_attempt_whose_process_is_lost_is_begun_again_with_the_reason_in_the_journal_until_there_were_too_many()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2) with { MaxAttempts = 2 }, isolation: TrialIsolation.Process);
        harness.Begin();

        var first = (await harness.JobAsync()).Start().Epoch(1, 0.5);
        first.Lose("process 7 ended with exit code 134 (SIGABRT)");
        var second = await harness.JobAsync();
        second.Start().Epoch(1, 0.5).Epoch(2, 0.9).End(RunStatus.Completed, StopReason.Epochs, selected: 2);
        (await harness.JobAsync()).Start().Lose("once");
        (await harness.JobAsync()).Start().Lose("process 8 was killed");
        var over = await harness.EndAsync<StudyOver>();

        Assert.True(first.IsIsolated && second.IsIsolated);
        Assert.StartsWith("trial-0-2-", second.Id);
        Assert.Equal(["process 7 ended with exit code 134 (SIGABRT)", "once"], harness.Happened.OfType<StudyEvent.AttemptLost>().Select(l => l.Reason));
        // what it reports again is no report
        Assert.Equal([0.5, 0.9], harness.Happened.OfType<StudyEvent.Reported>().Select(r => r.Values[0]));
        var ends = harness.Happened.OfType<StudyEvent.Ended>().ToList();
        Assert.Equal([(TrialState.Complete, (string?)null), (TrialState.Failed, "attempt 2 of at most 2 was lost: process 8 was killed")],
            ends.Select(e => (e.State, e.Error)));
        Assert.Equal((0, 0.9), (over.Status.Best!.Number, over.Status.Best.Values[0]));
    }

    /// <summary>It waits for as long as others compute, which is no time of its own.</summary>
    [Fact]
    public async Task Seconds_of_a_trial_are_those_in_which_it_computes_and_with_its_time_it_ends()
    {
        var time = new ShiftedTime();
        time.Stop();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2) with { TrialTimeout = 100 }, time: time);
        harness.Begin();

        var first = await harness.JobAsync();
        time.Advance(TimeSpan.FromSeconds(3));
        await first.Open().SettledAsync();
        time.Advance(TimeSpan.FromSeconds(1000));
        await first.Start().SettledAsync();
        time.Advance(TimeSpan.FromSeconds(20));
        first.Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        var second = (await harness.JobAsync()).Start();
        await second.SettledAsync();
        time.Advance(TimeSpan.FromSeconds(101));
        second.Epoch(1, 0.9);
        Assert.Equal(StopReason.Cancelled, await second.Stopped);
        second.End(RunStatus.Cancelled, StopReason.Cancelled);
        await harness.EndAsync<StudyOver>();

        var ends = harness.Happened.OfType<StudyEvent.Ended>().ToList();
        Assert.Equal([(TrialEndCause.Done, 23.0), (TrialEndCause.TimedOut, 101.0)], ends.Select(e => (e.Cause, e.Seconds)));
    }

    [Fact]
    public async Task What_an_attempt_waits_for_is_told_with_where_the_study_stands_until_it_does_so_no_longer()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2, parallel: 2));
        var study = harness.Begin();
        // attempts begin in any order
        PlayedJob[] jobs = [await harness.JobAsync(), await harness.JobAsync()];
        var (first, second) = (jobs.MinBy(j => j.Id)!, jobs.MaxBy(j => j.Id)!);
        async Task<string> WaitsAsync() =>
            string.Join("; ", (await study.Ask<StudyStatus>(new AskStudy(), Eventually.Patience, Token)).Live.Select(t => t.WaitsFor ?? "nobody"));

        await first.Open().Wait("2 worker slots").SettledAsync();
        await second.Open().SettledAsync();
        Assert.Equal("2 worker slots; nobody", await WaitsAsync());
        await first.Wait("3 worker slots").SettledAsync();
        await second.Wait("room").SettledAsync();
        Assert.Equal("3 worker slots; room", await WaitsAsync());
        Assert.Equal(new TrialCounts(2, 0, 0, 0, 0, 0, 0), (await study.Ask<StudyStatus>(new AskStudy(), Eventually.Patience, Token)).Counts);
        await first.Wait(null).SettledAsync();
        Assert.Equal("nobody; room", await WaitsAsync());
        second.End(RunStatus.Failed, StopReason.Failed, error: "it has waited for too long");
        await second.SettledAsync();
        first.Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);

        Assert.Equal((1, 1), ((await harness.EndAsync<StudyOver>()).Status.Counts is var counts ? counts.Complete : 0, counts.Failed));
    }

    [Fact]
    public async Task Where_a_study_breaks_its_jobs_are_stopped_those_that_wait_for_room_too()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 4, parallel: 2), journal);
        var study = harness.Begin();
        var (running, waiting) = ((await harness.JobAsync()).Start(), (await harness.JobAsync()).Open());
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.Started>().Count() == 2);

        journal.FailNext(new IOException("the disk is gone"));
        running.Epoch(1, 0.5);
        await harness.EndAsync<StudyBroke>();

        Assert.Equal([StopReason.Interrupted, StopReason.Interrupted], [await running.Stopped, await waiting.Stopped]);
    }

    [Fact]
    public async Task A_trial_that_tells_nothing_is_ended_with_its_time()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 1) with { TrialTimeout = 0.01 });
        harness.Begin();

        var job = (await harness.JobAsync()).Start();
        Assert.Equal(StopReason.Cancelled, await job.Stopped);
        job.End(RunStatus.Cancelled, StopReason.Cancelled);
        await harness.EndAsync<StudyOver>();

        Assert.Equal([TrialEndCause.TimedOut], harness.Happened.OfType<StudyEvent.Ended>().Select(e => e.Cause));
    }

    [Theory]
    [InlineData(NewCode.Refuse)]
    [InlineData(NewCode.Ask)]
    [InlineData(NewCode.Accept)]
    public async Task A_study_whose_code_has_changed_is_refused_or_waits_or_goes_on(NewCode policy)
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2), new JournalSwitch());
        var before = harness.Begin("models 1");
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        (await harness.JobAsync()).Start();
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.Started>().Count() == 2);
        await before.GracefulStop(Eventually.Patience);
        harness.Happened.Clear();
        var study = harness.Begin("models 2", policy);
        if (policy == NewCode.Refuse)
        {
            var broke = await harness.EndAsync<StudyBroke>();
            Assert.Contains("ran the code models 1, which is models 2 now", Assert.IsType<SpecException>(broke.Why).Message);
            Assert.Empty(harness.Happened);
            return;
        }
        if (policy == NewCode.Ask)
        {
            // a command is answered once the journal has been read
            await study.Ask<CommandAnswer>(new StudyCommand(engine => engine.SetParallel(null, 1)), Eventually.Patience, Token);
            var waits = await study.Ask<StudyStatus>(new AskStudy(), Eventually.Patience, Token);
            Assert.Equal((new CodeChange("models 1", "models 2"), StudyWait.Code), (waits.CodeChange, waits.Wait));
            Assert.False(harness.HasJob);
            Assert.Equal(default, await study.Ask<CommandAnswer>(new StudyCommand(engine => engine.AcceptCode("k")), Eventually.Patience, Token));
        }
        (await harness.JobAsync()).Start().Epoch(1, 0.7).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        Assert.Equal(2, (await harness.EndAsync<StudyOver>()).Status.Counts.Complete);
    }

    [Fact]
    public async Task What_is_logged_of_an_attempt_comes_with_the_ids_of_its_trial_and_its_job()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2) with { MaxAttempts = 1 });
        harness.Begin();
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        (await harness.JobAsync()).Start().Lose("the node is gone");
        await harness.EndAsync<StudyOver>();

        await Eventually.Until(() => harness.Lines.Count >= 4);
        Assert.Equal(
        [
            "job=trial-0-1-0 trial=0: attempt 1 at the trial is submitted",
            "job=trial-0-1-0 trial=0: attempt 1 at the trial is complete",
            "job=trial-1-1-0 trial=1: attempt 1 at the trial is submitted",
            "job=trial-1-1-0 trial=1: attempt 1 at the trial is lost: the node is gone",
        ], harness.Lines);
    }

    [Fact]
    public async Task A_trial_that_leaves_off_at_a_rung_keeps_its_state_before_the_slot_is_given_up_and_goes_on_from_it()
    {
        await using var harness = new StudyHarness(Asha(trials: 3));
        harness.Begin();
        for (int trial = 0; trial < 3; trial++)
        {
            var job = (await harness.JobAsync()).Start();
            Assert.Equal(new RunPause(RunUnit.Epochs, 1), job.Pause);
            job.Epoch(1, 0.1 * (trial + 1)).End(RunStatus.Interrupted, StopReason.Paused);
        }

        var promoted = await harness.JobAsync();

        Assert.StartsWith("trial-2-2-", promoted.Id);
        Assert.True(promoted.Resumes);
        Assert.Equal(new RunPause(RunUnit.Epochs, 3), promoted.Pause);
        Assert.Equal(["open 0 from ", "keep 0 at 1", "open 1 from ", "keep 1 at 1", "open 2 from ", "keep 2 at 1", "open 2 from 1"], harness.Files);
        promoted.Start(resumed: 1).Epoch(2, 0.4).Epoch(3, 0.5).End(RunStatus.Interrupted, StopReason.Paused);
        var over = await harness.EndAsync<StudyOver>();
        Assert.Equal(3, over.Status.Counts.Pruned);
        // nobody can go on from them any more
        Assert.Equal(["0 on node", "1 on node", "2 on node"], harness.Nodes.Take(3));
        var deleted = harness.Files.Where(f => f.StartsWith("delete", StringComparison.Ordinal)).Order();
        Assert.Equal(["delete 0 at 1", "delete 1 at 1", "delete 2 at 1", "delete 2 at 3"], deleted);
    }

    /// <summary>Where the study would end it only once it hears the report, it would have gone on by then.</summary>
    [Fact]
    public async Task Every_run_of_a_configuration_is_told_beforehand_to_end_where_the_trial_scheduler_completes_a_trial()
    {
        var setup = StudyHarness.Setup(trials: 1) with
        {
            Repeats = 3,
            TrialScheduler = context => new AshaOptions { MinResource = 2, MaxResource = 2 }.Create(context),
        };
        await using var harness = new StudyHarness(setup);
        harness.Begin();
        for (int run = 0; run < 3; run++)
        {
            var job = (await harness.JobAsync()).Start();
            Assert.Equal(new RunPause(RunUnit.Epochs, 2) { IsEnd = true }, job.Pause);
            job.Epoch(1, 0.9).Epoch(2, 0.1 * run).End(RunStatus.Completed, StopReason.Epochs, selected: 2);
        }
        var over = await harness.EndAsync<StudyOver>();
        Assert.Equal(0.1, over.Status.Best!.Values[0], 12);
    }

    /// <summary>
    /// Every member of a population leaves off at each of its intervals, so that the state that is kept is of the resource by which it is known; one that goes
    /// on from another's state has not reported what that one came to later.
    /// </summary>
    [Fact]
    public async Task Members_of_a_population_leave_off_at_every_interval_and_a_copy_begins_where_its_donor_was()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2, parallel: 2) with
        {
            TrialScheduler = context => new Pbt(new PbtOptions { Population = 2, PerturbationInterval = 2 }, context),
        });
        harness.Begin();
        PlayedJob[] jobs = [await harness.JobAsync(), await harness.JobAsync()];
        var (donor, copy) = (jobs.MinBy(j => j.Id)!, jobs.MaxBy(j => j.Id)!);
        async Task<PlayedJob> NextAsync(PlayedJob job, int epoch, double accuracy)
        {
            Assert.Equal(new RunPause(RunUnit.Epochs, epoch), job.Pause);
            job.Start().Epoch(epoch - 1, accuracy).Epoch(epoch, accuracy).End(RunStatus.Interrupted, StopReason.Paused);
            return await harness.JobAsync();
        }

        donor = await NextAsync(donor, 2, 0.9);
        copy = await NextAsync(copy, 2, 0.1);
        donor = await NextAsync(donor, 4, 0.9);
        Assert.Contains("keep 0 at 4", harness.Files);
        Assert.Equal(new RunPause(RunUnit.Epochs, 6), donor.Pause);
        // among the worst: it goes on from the other one's; what it measures on its way to where it leaves off is no other pause
        harness.Rows.AddRange(Enumerable.Range(1, 5).Select(epoch => PlayedJob.Row(epoch, 0.9)));
        copy.Start().Epoch(3, 0.1).Epoch(4, 0.1).Epoch(5, 0.1).End(RunStatus.Interrupted, StopReason.Paused);
        copy = await harness.JobAsync();
        Assert.Equal(4, harness.Happened.OfType<StudyEvent.Released>().Single().Resource);
        Assert.Equal(new Exploit(0, 4, []), harness.Happened.OfType<StudyEvent.Promoted>().Single().Exploit! with { Parameters = [] });
        copy.Start(resumed: 5).Epoch(6, 0.4);
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.Reported>().Any(r => r is { Trial: 1, Step: 6 }));
        Assert.Equal([1, 2, 3, 4, 6L], harness.Happened.OfType<StudyEvent.Reported>().Where(r => r.Trial == 1).Select(r => r.Step));
    }

    [Fact]
    public async Task What_a_runs_own_folder_has_of_checkpoints_goes_once_its_trial_has_ended_or_is_paused()
    {
        await using var harness = new StudyHarness(Asha(trials: 2), isolation: TrialIsolation.Process);
        harness.Begin();
        (await harness.JobAsync()).Start().Lose("its process is gone");
        (await harness.JobAsync()).Start().Epoch(1, 0.1).End(RunStatus.Interrupted, StopReason.Paused);
        await Eventually.Until(() => harness.Trimmed.Contains(0));
        // not of the one that was lost, and goes on from there
        Assert.Equal(2, harness.Files.Count(f => f == "open 0 from "));
        Assert.Single(harness.Trimmed);
        (await harness.JobAsync()).Start().Epoch(1, 0.2).End(RunStatus.Failed, StopReason.Failed, error: "threw");
        await harness.EndAsync<StudyOver>();
        Assert.Equal([0, 1], harness.Trimmed);
    }

    [Fact]
    public async Task Where_there_is_no_room_for_states_the_worst_trials_lose_theirs_and_begin_anew_if_they_are_sent_on()
    {
        await using var harness = new StudyHarness(Asha(trials: 3), diskLimit: 0.5);
        harness.Begin();
        foreach (double accuracy in (double[])[0.5, 0.1, 0.2])
            (await harness.JobAsync()).Start().Epoch(1, accuracy).End(RunStatus.Interrupted, StopReason.Paused);

        var promoted = await harness.JobAsync();
        Assert.StartsWith("trial-0-2-", promoted.Id);
        Assert.False(promoted.Resumes);
        Assert.Equal(new RunPause(RunUnit.Epochs, 3), promoted.Pause);
        promoted.Start().Epoch(1, 0.5).Epoch(2, 0.6).Epoch(3, 0.7).End(RunStatus.Interrupted, StopReason.Paused);
        await harness.EndAsync<StudyOver>();
        Assert.Equal(["open 0 from ", "open 1 from ", "open 2 from ", "open 0 from "], harness.Files.Where(f => f.StartsWith("open", StringComparison.Ordinal)));
        Assert.Contains("delete 0 at 1", harness.Files.TakeWhile(f => f != "open 2 from "));
        Assert.Equal([0.5, 0.6, 0.7], harness.Happened.OfType<StudyEvent.Reported>().Where(r => r.Trial == 0).Select(r => r.Values[0]));
    }

    /// <summary>While it is written down that its state goes, the trial begins anew, and may come to keep the same once more.</summary>
    [Fact]
    public async Task A_state_whose_trial_begins_anew_when_it_is_given_up_goes_when_the_trial_has_not_kept_it_again()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(Asha(trials: 3), journal, diskLimit: 0.5);
        Action? write = null;
        harness.OnSize = _ => write ??= journal.Hold();
        harness.Begin();
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Interrupted, StopReason.Paused);
        await Eventually.Until(() => write is not null);
        foreach (double accuracy in (double[])[0.1, 0.2])
            (await harness.JobAsync()).Start().Epoch(1, accuracy).End(RunStatus.Interrupted, StopReason.Paused);
        var promoted = await harness.JobAsync();
        Assert.StartsWith("trial-0-2-", promoted.Id);
        write!();
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.AttemptBegun>().Any());
        Assert.DoesNotContain("delete 0 at 1", harness.Files);

        promoted.Start().End(RunStatus.Failed, StopReason.Failed, error: "threw");
        await harness.EndAsync<StudyOver>();

        Assert.Contains("delete 0 at 1", harness.Files);
    }

    /// <summary>The job has measured, and its end is known before the study has said what the report leads to, or after.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_report_is_answered_before_the_end_of_its_run_counts(bool endsAtOnce)
    {
        await using var harness = new StudyHarness(Asha(trials: 1));
        harness.Begin();
        var job = (await harness.JobAsync()).Start().Epoch(1, 0.3);
        if (!endsAtOnce) Assert.Equal(StopReason.Interrupted, await job.Stopped);
        job.End(RunStatus.Interrupted, StopReason.Paused);
        await harness.EndAsync<StudyOver>();

        Assert.Equal("keep 0 at 1", harness.Files.ElementAt(1));
        Assert.Single(harness.Happened.OfType<StudyEvent.Released>());
        Assert.Equal((TrialState.Pruned, TrialEndCause.NotPromoted), harness.Happened.OfType<StudyEvent.Ended>().Select(e => (e.State, e.Cause)).Single());
    }

    [Fact]
    public async Task A_job_that_fails_or_diverges_is_a_failed_trial_with_its_error_and_the_next_one_begins()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 3));
        harness.Begin();
        (await harness.JobAsync()).Start().End(RunStatus.Failed, StopReason.Failed, error: "the code threw");
        (await harness.JobAsync()).Start().Epoch(1, 0.1).End(RunStatus.Failed, StopReason.Diverged, error: "NaN in w");
        // what was measured has another name than what is looked for
        (await harness.JobAsync()).Start().End(RunStatus.Completed, StopReason.Epochs);
        var over = await harness.EndAsync<StudyOver>();

        Assert.Equal(3, over.Status.Counts.Failed);
        var ends = harness.Happened.OfType<StudyEvent.Ended>().ToList();
        Assert.Equal([TrialEndCause.Threw, TrialEndCause.Diverged, TrialEndCause.Threw], ends.Select(e => e.Cause));
        Assert.Equal(["the code threw", "NaN in w"], ends.Take(2).Select(e => e.Error));
        Assert.Contains("has not measured validation.accuracy", ends[2].Error);
    }

    [Fact]
    public async Task An_attempt_that_breaks_is_tried_again_and_in_the_end_the_trial_has_failed()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2)) { Fails = order => order.Id.Trial == 0 ? new IOException("no space") : null };
        harness.Begin();
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        var over = await harness.EndAsync<StudyOver>();

        Assert.Equal((1, 1), (over.Status.Counts.Failed, over.Status.Counts.Complete));
        var lost = harness.Happened.OfType<StudyEvent.AttemptLost>().ToList();
        Assert.Equal(2, lost.Count);
        Assert.All(lost, l => Assert.Equal("System.IO.IOException: no space", l.Reason));
        Assert.Contains("attempt 3 of at most 3 was lost", harness.Happened.OfType<StudyEvent.Ended>().Single(e => e.Trial == 0).Error);
    }

    [Fact]
    public async Task A_trial_whose_parameters_are_none_of_its_space_has_failed_at_once_with_that_reason()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2))
        {
            Fails = order => order.Id.Trial == 0 ? new ArgumentException("x: is 0.3, which is not in its domain") : null,
        };
        harness.Begin();
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        await harness.EndAsync<StudyOver>();

        Assert.Empty(harness.Happened.OfType<StudyEvent.AttemptLost>());
        var end = harness.Happened.OfType<StudyEvent.Ended>().Single(e => e.Trial == 0);
        Assert.Equal((TrialState.Failed, TrialEndCause.Threw, "x: is 0.3, which is not in its domain"), (end.State, end.Cause, end.Error));
    }

    [Fact]
    public async Task An_interrupted_study_leaves_when_all_jobs_have_left_off_and_goes_on_with_the_rows_that_they_told()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2, parallel: 2), new JournalSwitch());
        var supervisor = harness.Begin();
        var (one, two) = ((await harness.JobAsync()).Start(), (await harness.JobAsync()).Start());
        supervisor.Tell(new InterruptStudy());
        Assert.Equal((StopReason.Interrupted, StopReason.Interrupted), (await one.Stopped, await two.Stopped));
        // told while it leaves off: the study does not hear it
        one.Epoch(1, 0.5).End(RunStatus.Interrupted, StopReason.Interrupted);
        two.End(RunStatus.Interrupted, StopReason.Interrupted);
        var left = await harness.EndAsync<StudyLeft>();
        Assert.Equal((2, null), (left.Status.Counts.Waiting, left.Status.End));
        Assert.Empty(harness.Happened.OfType<StudyEvent.Reported>());

        harness.Rows.AddRange([PlayedJob.Row(1, 0.5), PlayedJob.Row(2, 0.9)]);
        harness.Begin();
        var jobs = new[] { await harness.JobAsync(), await harness.JobAsync() }.OrderBy(j => j.Id).ToList();
        Assert.Equal(["trial-0-2-1", "trial-1-2-1"], jobs.Select(j => j.Id));
        // of the second row the checkpoint knows nothing: it is told again
        jobs[0].Start(resumed: 1).Epoch(2, 0.6).End(RunStatus.Completed, StopReason.Epochs, selected: 2);
        jobs[1].Start().Epoch(1, 0.1).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        var over = await harness.EndAsync<StudyOver>();

        Assert.Equal([0.5, 0.6], harness.Happened.OfType<StudyEvent.Reported>().Where(r => r.Trial == 0).Select(r => r.Values[0]));
        Assert.Equal((0, 0.6), (over.Status.Best!.Number, over.Status.Best.Values[0]));
        // that the coordinator was gone costs no attempt
        Assert.All(harness.Happened.OfType<StudyEvent.AttemptLost>(), l => Assert.False(l.IsCounted));
    }

    [Fact]
    public async Task Where_a_trial_may_take_the_process_along_an_attempt_begins_once_that_is_stored()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 3, parallel: 2) with { SharesProcess = true }, journal);
        var release = journal.Hold();
        var supervisor = harness.Begin();
        await Eventually.Until(() => journal.Writes.Count > 0);
        var shown = supervisor.Ask<StudyStatus>(new AskStudy(), Eventually.Patience, Token);
        await StudyHarness.ReachedAsync(supervisor);
        Assert.False(harness.HasJob);
        // one that has ended before is none to begin
        var cancelled = supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Cancel(null, 0)), Eventually.Patience, Token);
        await StudyHarness.ReachedAsync(supervisor);
        release();
        Assert.Equal(2, (await shown).Counts.Running);
        await cancelled;
        string[] begun = [(await harness.JobAsync()).Id, (await harness.JobAsync()).Id];
        Assert.Equal(["trial-1-1-0", "trial-2-1-0"], begun.Order());
    }

    [Fact]
    public async Task An_attempt_that_was_to_begin_when_its_study_is_interrupted_is_given_up()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 1) with { SharesProcess = true }, journal);
        var release = journal.Hold();
        var supervisor = harness.Begin();
        await Eventually.Until(() => journal.Writes.Count > 0);
        supervisor.Tell(new InterruptStudy());
        await StudyHarness.ReachedAsync(supervisor);
        release();
        var left = await harness.EndAsync<StudyLeft>();

        Assert.Equal((1, 0), (left.Status.Counts.Waiting, left.Status.Counts.Running));
        Assert.False(harness.HasJob);
        Assert.Null(Assert.Single(harness.Happened.OfType<StudyEvent.AttemptLost>()).Left);
    }

    /// <summary>Whoever interrupts it often is not to lose a trial that takes long until its first report.</summary>
    [Fact]
    public async Task What_is_left_in_good_order_is_not_taken_for_what_ends_its_process()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 1) with { SharesProcess = true }, new JournalSwitch());
        for (int session = 0; session <= StudyEngine.DeathsMost; session++)
        {
            var supervisor = harness.Begin();
            var job = (await harness.JobAsync()).Start();
            supervisor.Tell(new InterruptStudy());
            await job.Stopped;
            job.End(RunStatus.Interrupted, StopReason.Interrupted);
            await harness.EndAsync<StudyLeft>();
        }
        Assert.Empty(harness.Happened.OfType<StudyEvent.Ended>());
        Assert.All(harness.Happened.OfType<StudyEvent.AttemptLost>(), l => Assert.Equal(("the study was interrupted", null), (l.Reason, l.Left)));
        // its process dies, and each time it is stored that it does
        for (int death = 1; death <= StudyEngine.DeathsMost; death++)
        {
            var supervisor = harness.Begin();
            (await harness.JobAsync()).Start();
            int attempts = StudyEngine.DeathsMost + 1 + death;
            await Eventually.Until(() => harness.Happened.OfType<StudyEvent.AttemptBegun>().Any(b => b.Attempt == attempts));
            await supervisor.GracefulStop(Eventually.Patience);
        }
        harness.Begin();
        Assert.Equal(1, (await harness.EndAsync<StudyOver>()).Status.Counts.Failed);
    }

    [Fact]
    public async Task After_a_restart_nothing_begins_before_it_is_stored_that_it_goes_on()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 1), journal);
        var supervisor = harness.Begin();
        var job = (await harness.JobAsync()).Start();
        supervisor.Tell(new InterruptStudy());
        await job.Stopped;
        job.End(RunStatus.Interrupted, StopReason.Interrupted);
        await harness.EndAsync<StudyLeft>();

        int writes = journal.Writes.Count;
        var release = journal.Hold();
        var second = harness.Begin();
        await Eventually.Until(() => journal.Writes.Count > writes);
        await StudyHarness.ReachedAsync(second);
        Assert.False(harness.HasJob);
        release();

        Assert.Equal("trial-0-2-1", (await harness.JobAsync()).Id);
    }

    [Fact]
    public async Task A_command_is_answered_and_events_are_shown_once_they_are_stored_though_attempts_begin_before()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 3), journal);
        var release = journal.Hold();
        var supervisor = harness.Begin();
        // a command that comes before the journal has been read waits for that
        var answer = supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.SetParallel("k", 2)), Token);
        await harness.JobAsync();
        await harness.JobAsync();
        await StudyHarness.ReachedAsync(supervisor);
        Assert.False(answer.IsCompleted);
        Assert.Empty(harness.Happened);

        release();
        Assert.Equal(new CommandAnswer(), await answer.WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken));
        Assert.Contains(harness.Happened, e => e is StudyEvent.ParallelSet);
        Assert.True((await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.SetParallel("k", 2)), Token)).IsRepeat);
    }

    /// <summary>After a kill before that it would not be so any more.</summary>
    [Fact]
    public async Task Where_a_study_stands_is_told_to_who_asks_once_it_is_stored_that_it_stands_there()
    {
        var journal = new JournalSwitch();
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2), journal);
        var supervisor = harness.Begin();
        var job = (await harness.JobAsync()).Start();
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.Started>().Any());

        var release = journal.Hold();
        job.Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        // the slot is given to the next one when it has ended
        await harness.JobAsync();
        var shown = supervisor.Ask<StudyStatus>(new AskStudy(), Eventually.Patience, Token);
        await StudyHarness.ReachedAsync(supervisor);
        Assert.False(shown.IsCompleted);
        release();

        Assert.Equal(1, (await shown).Counts.Complete);
        Assert.Single(harness.Happened.OfType<StudyEvent.Ended>());
    }

    [Fact]
    public async Task A_study_that_is_cancelled_ends_once_its_jobs_have_ended()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 3));
        var supervisor = harness.Begin();
        var job = (await harness.JobAsync()).Start().Epoch(1, 0.5);
        await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Cancel(null)), Token);
        Assert.Equal(StopReason.Cancelled, await job.Stopped);
        job.End(RunStatus.Cancelled, StopReason.Cancelled);
        var over = await harness.EndAsync<StudyOver>();

        Assert.Equal((StudyStopReason.Cancelled, 1), (over.Status.End, over.Status.Counts.Cancelled));
        Assert.False(harness.HasJob);
    }

    [Fact]
    public async Task The_job_of_a_trial_that_is_cancelled_is_stopped_at_once_though_it_reports_nothing()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2));
        var supervisor = harness.Begin();
        var job = (await harness.JobAsync()).Start();
        await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Cancel(null, 0)), Token);

        Assert.Equal(StopReason.Cancelled, await job.Stopped);
        Assert.StartsWith("trial-1-1-", (await harness.JobAsync()).Id);
    }

    [Fact]
    public async Task An_attempt_that_has_not_begun_when_its_study_is_paused_is_taken_back_and_loses_nothing()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2, parallel: 2));
        var supervisor = harness.Begin();
        var (waiting, running) = ((await harness.JobAsync()).Open(), (await harness.JobAsync()).Start());
        await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Pause(null)), Token);
        Assert.Equal(StopReason.Interrupted, await waiting.Stopped);
        waiting.End(RunStatus.Interrupted, StopReason.Interrupted);
        await Eventually.Until(() => harness.Happened.Any(e => e is StudyEvent.AttemptLost));
        // it leaves off with its next report
        await running.SettledAsync();
        Assert.False(running.IsStopped);

        await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Resume(null)), Token);
        string number = waiting.Id.Split('-')[1];
        Assert.StartsWith($"trial-{number}-2-", (await harness.JobAsync()).Id);
        var lost = Assert.Single(harness.Happened.OfType<StudyEvent.AttemptLost>());
        Assert.Equal((false, "it was paused before it had begun"), (lost.IsCounted, lost.Reason));
    }

    [Fact]
    public async Task An_attempt_that_waits_after_a_loss_does_not_begin_while_its_trial_is_paused()
    {
        var setup = StudyHarness.Setup(trials: 1) with { Backoff = new RetryBackoff(3600, 3600) };
        await using var harness = new StudyHarness(setup);
        var supervisor = harness.Begin();
        (await harness.JobAsync()).Start().Lose("the process is gone");
        await Eventually.Until(() => harness.Happened.Any(e => e is StudyEvent.AttemptBegun));

        await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Pause(null, 0)), Token);
        await Eventually.Until(() => harness.Happened.OfType<StudyEvent.AttemptLost>().Any(l => !l.IsCounted));
        await supervisor.Ask<CommandAnswer>(new StudyCommand(engine => engine.Resume(null, 0)), Token);

        Assert.StartsWith("trial-0-3-", (await harness.JobAsync()).Id);
    }

    [Fact]
    public async Task An_attempt_that_its_nodes_refused_is_no_failure_and_there_is_another_one()
    {
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 1) with { MaxAttempts = 1 });
        harness.Begin();
        (await harness.JobAsync()).Open().Refuse("node b is refused: its CPU is 'y'");
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        var over = await harness.EndAsync<StudyOver>();

        Assert.Equal((1, 0), (over.Status.Counts.Complete, over.Status.Counts.Failed));
        var lost = Assert.Single(harness.Happened.OfType<StudyEvent.AttemptLost>());
        Assert.Equal((false, "node b is refused: its CPU is 'y'"), (lost.IsCounted, lost.Reason));
    }

    /// <summary>A study that goes on without the event would look for the files.</summary>
    [Fact]
    public async Task A_state_is_deleted_once_it_is_stored_that_it_is_and_what_a_killed_process_has_left_goes_when_the_study_goes_on()
    {
        await using var harness = new StudyHarness(Asha(trials: 3), new JournalSwitch(), diskLimit: 0.5);
        var supervisor = harness.Begin();
        (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Interrupted, StopReason.Paused);
        await Eventually.Until(() => harness.Files.Contains("delete 0 at 1"));
        var second = (await harness.JobAsync()).Start();
        supervisor.Tell(new InterruptStudy());
        await second.Stopped;
        second.End(RunStatus.Interrupted, StopReason.Interrupted);
        await harness.EndAsync<StudyLeft>();
        Assert.Empty(harness.Swept);

        harness.Begin();
        await harness.JobAsync();

        // the second one's run goes on, and the third one has not begun
        Assert.Equal("keeps ; done with 0", Assert.Single(harness.Swept));
        Assert.Contains(harness.Happened, e => e is StudyEvent.CheckpointDeleted);
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_breaks_the_study()
    {
        var journal = new JournalSwitch { Failure = new IOException("the disk is full") };
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 1), journal);
        harness.Begin();
        var broke = await harness.EndAsync<StudyBroke>();

        Assert.Equal("the study's journal cannot be written: the disk is full", Assert.IsType<StudyJournalException>(broke.Why).Message);
    }

    /// <summary>
    /// Whatever it is that finds no room: the files of an attempt, its job, what is told of the study, or its journal. As often as that happens, and where its
    /// trials have one attempt only.
    /// </summary>
    [Theory]
    [InlineData("files")]
    [InlineData("job")]
    [InlineData("sink")]
    [InlineData("journal")]
    public async Task Where_the_disk_is_full_the_study_leaves_off_with_no_trial_failed_and_goes_on_once_there_is_room(string what)
    {
        Exception full = what == "journal" ? new InvalidOperationException("no write", new Database()) : new IOException("No space left on device", 28);
        var journal = new JournalSwitch();
        bool isFull = true;
        await using var harness = new StudyHarness(StudyHarness.Setup(trials: 2) with { SharesProcess = true, MaxAttempts = 1 }, journal)
        {
            HasDied = false,
            Fails = _ => isFull && what == "files" ? full : null,
            Breaks = e => isFull && what == "sink" && e is StudyEvent.Started or StudyEvent.AttemptBegun ? full : null,
        };
        for (int i = 0; i <= StudyEngine.DeathsMost; i++)
        {
            if (what == "journal") journal.FailNext(full);
            harness.Begin();
            if (what == "job") (await harness.JobAsync()).Start().Starve(full);
            var broke = Assert.IsType<StudyDiskFullException>((await harness.EndAsync<StudyBroke>()).Why);
            Assert.StartsWith($"the disk of '/data/s' is full ({full.GetBaseException().Message}): the study has left off and nothing of it is lost", broke.Message);
            Assert.Equal(what == "journal", broke.InnerException is StudyJournalException);
        }
        isFull = false;
        harness.Breaks = _ => null;
        harness.Begin();
        for (int i = 0; i < 2; i++) (await harness.JobAsync()).Start().Epoch(1, 0.5).End(RunStatus.Completed, StopReason.Epochs, selected: 1);
        var over = await harness.EndAsync<StudyOver>();
        Assert.Equal((2, 0), (over.Status.Counts.Complete, over.Status.Counts.Failed));
    }

    private sealed class Database() : System.Data.Common.DbException("SQLite Error 13: 'database or disk is full'.");
}
