using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>Studies over functions in one process.</summary>
public sealed class FunctionStudyTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_finds_a_minimum_with_functions_side_by_side()
    {
        int running = 0, most = 0;
        var study = new FunctionStudy(SomeStudy.Setup(trials: 60));
        var status = await study.RunAsync(async (trial, _) =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref running));
            await Task.Yield();
            Interlocked.Decrement(ref running);
            return Math.Pow(trial.Float("x") - 1, 2) + trial.Int("n") + (trial.Has("m") ? trial.Float("m") : 0);
        }, cancellationToken: Token);
        Assert.Equal((StudyStopReason.Trials, 60), (status.End, status.Counts.Complete));
        Assert.True(status.Best!.Values[0] < 2.5, $"{status.Best}");
        Assert.InRange(most, 1, 3);
    }

    [Fact]
    public void Trials_can_be_asked_for_and_told_of()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 3, parallel: 2));
        study.Enqueue(0.5, 3, 1, 0.25);
        var (first, second) = (study.Ask()!, study.Ask()!);
        Assert.Equal((0.5, 3L, "b", 0.25), (first.Float("x"), first.Int("n"), first.Choice<string>("kind"), first.Float("m")));
        Assert.Null(study.Ask());
        Assert.True(study.Tell(first, 1));
        Assert.False(study.Tell(first, -1));
        Assert.True(study.Fail(second, "no"));
        study.Tell(study.Ask()!, 2);
        Assert.Null(study.Ask());
        Assert.Equal((StudyStopReason.Trials, 0, 1), (study.Status().End, study.Status().Best!.Number, study.Status().Counts.Failed));
    }

    /// <summary>Asha pauses functions where they stand and sends the best on; nobody has written a checkpoint.</summary>
    [Fact]
    public async Task A_function_that_is_paused_goes_on_where_it_stood_or_is_told_to_return()
    {
        int computed = 0;
        var ended = new List<TrialSnapshot>();
        var setup = SomeStudy.Setup(trials: 32) with { TrialScheduler = c => new AshaOptions().Create(c) };
        var study = new FunctionStudy(setup) { TrialEnded = (_, trial) => ended.Add(trial) };
        var status = await study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
            {
                Interlocked.Increment(ref computed);
                trial.SetUserAttribute("last", step);
                double loss = Math.Abs(trial.Float("x")) + 1.0 / step;
                if (!await trial.ReportAsync(loss, step)) return loss;
            }
        }, cancellationToken: Token);
        Assert.Equal(StudyStopReason.Trials, status.End);
        Assert.True(status.Counts.Complete > 0 && status.Counts.Pruned > 16, $"{status.Counts}");
        Assert.Equal(32, ended.Count);
        Assert.All(ended.Where(e => e.State == TrialState.Complete), e => Assert.Equal(16, e.UserAttributes["last"].GetInt32()));
        // each step once
        Assert.Equal(ended.Sum(e => e.UserAttributes["last"].GetInt32()), computed);
    }

    [Fact]
    public async Task An_exception_is_the_end_of_its_trial_alone()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 6));
        var status = await study.RunAsync((trial, _) =>
            trial.Number % 2 == 0 ? throw new InvalidOperationException("odd") : Task.FromResult(1.0), cancellationToken: Token);
        Assert.Equal((3, 3), (status.Counts.Failed, status.Counts.Complete));
    }

    [Fact]
    public async Task A_study_that_was_interrupted_goes_on_from_its_events()
    {
        var journal = new ListJournal();
        using var interruption = new CancellationTokenSource();
        var study = new FunctionStudy(SomeStudy.Setup(trials: 20), journal);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => study.RunAsync(async (trial, token) =>
        {
            if (trial.Number == 7) await interruption.CancelAsync();
            token.ThrowIfCancellationRequested();
            return trial.Float("x");
        }, cancellationToken: interruption.Token));
        var again = new FunctionStudy(SomeStudy.Setup(trials: 20), journal);
        var status = await again.RunAsync(trial => trial.Float("x"), cancellationToken: Token);
        Assert.Equal(20, status.Counts.Complete);
        Assert.Equal(Enumerable.Range(0, 20), journal.Events.OfType<StudyEvent.Ended>().Select(e => e.Trial).Order());
    }

    /// <summary>A function that is paused, or reports after the interruption, returns; what it returns is no result.</summary>
    [Fact]
    public async Task Functions_that_are_told_to_return_by_an_interruption_have_no_result_and_begin_anew_with_the_next_run()
    {
        var journal = new ListJournal();
        using var interruption = new CancellationTokenSource();
        var study = new FunctionStudy(SomeStudy.Setup(trials: 20) with { TrialScheduler = c => new AshaOptions().Create(c) }, journal);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
            {
                if (trial.Number == 9) await interruption.CancelAsync();
                if (!await trial.ReportAsync(trial.Number, step)) return -99;
            }
        }, cancellationToken: interruption.Token));
        Assert.Empty(journal.Events.OfType<StudyEvent.Ended>());
        Assert.Null(study.Status().End);

        var status = await study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
                if (!await trial.ReportAsync(trial.Number, step)) return trial.Number;
        }, cancellationToken: Token);
        Assert.Equal((StudyStopReason.Trials, 20), (status.End, status.Counts.Complete + status.Counts.Pruned));
        Assert.True(status.Best!.Values[0] >= 0, $"{status.Best}");
    }

    /// <summary>Killed anywhere: what is on the disk then is the beginning of the events.</summary>
    [Fact]
    public async Task A_study_whose_journal_is_cut_off_at_any_event_loses_and_repeats_nothing()
    {
        var setup = SomeStudy.Setup(trials: 12, parallel: 2) with { TrialScheduler = c => new AshaOptions { ReductionFactor = 2 }.Create(c) };
        static async Task<double> Descend(FunctionTrial trial, CancellationToken token)
        {
            trial.SetUserAttribute("half", trial.Float("x") / 2);
            for (int step = 1; ; step++)
                if (!await trial.ReportAsync(Math.Abs(trial.Float("x")) + 1.0 / step, step)) return Math.Abs(trial.Float("x"));
        }
        var whole = new ListJournal();
        var undisturbed = new FunctionStudy(setup, whole);
        await undisturbed.RunAsync(Descend, cancellationToken: Token);
        Assert.True(whole.Events.Count > 60, $"{whole.Events.Count} events");
        for (int cut = 0; cut < whole.Events.Count; cut++)
        {
            var journal = new ListJournal();
            journal.Events.AddRange(whole.Events.Take(cut));
            var ended = journal.Events.OfType<StudyEvent.Ended>().ToList();
            var study = new FunctionStudy(setup, journal);
            // what had ended is there as it was
            foreach (var e in ended) Assert.Equal((e.State, e.Values), (study.Trials[e.Trial].State, study.Trials[e.Trial].Values));
            var status = await study.RunAsync(Descend, cancellationToken: Token);
            Assert.Equal(StudyStopReason.Trials, status.End);
            Assert.Equal(Enumerable.Range(0, 12), journal.Events.OfType<StudyEvent.Ended>().Select(e => e.Trial).Order());
            // a trial has the parameters that it had
            foreach (var e in whole.Events.Take(cut).OfType<StudyEvent.Started>()) Assert.Equal(e.Parameters[0], study.Trials[e.Trial].Parameters["x"]);
            Assert.All(study.Trials, t => Assert.Equal((double)t.Parameters["x"]! / 2, t.UserAttributes["half"].GetDouble()));
        }
    }

    [Fact]
    public async Task A_run_ends_with_so_many_new_trials_and_the_study_goes_on()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 30));
        var first = await study.RunAsync(trial => trial.Float("x"), trials: 10, cancellationToken: Token);
        Assert.Equal((null, 10, 10), (first.End, first.Started, first.Counts.Complete));
        var asked = study.Ask()!;
        Assert.Equal(10, asked.Number);
        study.Tell(asked, 0);
        var second = await study.RunAsync(trial => trial.Float("x"), trials: 5, cancellationToken: Token);
        Assert.Equal((null, 16), (second.End, second.Counts.Complete));
        var last = await study.RunAsync(trial => trial.Float("x"), cancellationToken: Token);
        Assert.Equal((StudyStopReason.Trials, 30), (last.End, last.Counts.Complete));
    }

    /// <summary>The idiom of Optuna's users: whoever is told not to go on throws.</summary>
    [Theory]
    [InlineData(AshaVariant.Stopping)]
    [InlineData(AshaVariant.Promotion)]
    public async Task A_function_that_throws_when_its_trial_has_had_all_that_it_gets_is_complete_with_its_last_report(AshaVariant variant)
    {
        var study = new FunctionStudy(new FunctionStudyOptions
        {
            Space = SomeStudy.Space,
            Trials = 30,
            Seed = 3,
            Sampler = new("random"),
            TrialScheduler = new("asha", new AshaOptions { MinResource = 1, MaxResource = 9, ReductionFactor = 3, Variant = variant }),
        });
        var status = await study.RunAsync(async (trial, _) =>
        {
            for (int step = 1; step <= 9; step++)
            {
                if (!await trial.ReportAsync(trial.Float("x") + (1.0 / step), step)) throw new TrialPrunedException();
            }
            return double.NaN;
        }, cancellationToken: Token);

        Assert.Equal(0, status.Counts.Failed);
        Assert.InRange(status.Counts.Complete, 1, 20);
        Assert.All(study.Trials.Where(t => t.State == TrialState.Complete), t => Assert.Equal((double)t.Parameters["x"]! + (1.0 / 9), t.Value));
        Assert.Equal(study.Trials.Where(t => t.State == TrialState.Complete).Min(t => t.Value), study.BestTrial!.Value);
        // whoever asks and tells as well
        var asked = new FunctionStudy(new FunctionStudyOptions
        {
            Space = SomeStudy.Space,
            Trials = 1,
            TrialScheduler = new("asha", new AshaOptions { MinResource = 1, MaxResource = 1, Variant = AshaVariant.Stopping }),
        });
        var only = asked.Ask()!;
        only.Report(0.25, 1);
        Assert.True(only.ShouldPrune());
        Assert.True(asked.Prune(only));
        Assert.Equal(0.25, asked.BestTrial!.Value);
    }

    [Fact]
    public async Task A_function_that_leaves_off_by_an_exception_of_its_own_when_its_study_is_interrupted_has_not_failed()
    {
        using var stop = new CancellationTokenSource();
        var study = new FunctionStudy(new FunctionStudyOptions { Space = SomeStudy.Space, Trials = 1, Sampler = new("random") });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => study.RunAsync(async (trial, _) =>
        {
            await stop.CancelAsync();
            return await trial.ReportAsync(1, 1) ? 1 : throw new InvalidOperationException("it was told to leave off");
        }, cancellationToken: stop.Token));
        Assert.Equal(0, study.Status().Counts.Failed);

        var status = await study.RunAsync(trial => trial.Float("x"), cancellationToken: Token);
        Assert.Equal((0, 1), (status.Counts.Failed, status.Counts.Complete));
    }

    [Fact]
    public async Task A_pruner_ends_functions_that_report_and_ask()
    {
        var options = new FunctionStudyOptions { Space = SomeStudy.Space, Trials = 30, Seed = 3, Sampler = new("random"), Pruner = new("median") };
        var study = new FunctionStudy(options);
        int asked = 0;
        var status = await study.RunAsync(trial =>
        {
            for (int step = 1; step <= 5; step++)
            {
                trial.Report(trial.Float("x"), step);
                if (!trial.ShouldPrune()) continue;
                asked++;
                throw new TrialPrunedException();
            }
            return trial.Float("x");
        }, cancellationToken: Token);
        Assert.True(status.Counts.Pruned >= 5, $"{status.Counts}");
        Assert.Equal((asked, 0), (status.Counts.Pruned, status.Counts.Failed));
        var best = study.BestTrial!;
        Assert.Equal(best.Value, study.Trials.Where(t => t.State == TrialState.Complete).Min(t => t.Value));
        Assert.Equal(best.Value, best.Parameters["x"]);
        Assert.All(study.Trials.Where(t => t.State == TrialState.Pruned), t => Assert.Equal(t.Parameters["x"], t.Last!.Value.Value));
    }

    [Fact]
    public async Task A_function_can_prune_itself_and_a_report_that_would_have_to_wait_is_refused()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 4));
        var status = await study.RunAsync(trial => trial.Number == 2 ? throw new TrialPrunedException() : 1, cancellationToken: Token);
        Assert.Equal((3, 1), (status.Counts.Complete, status.Counts.Pruned));
        var pausing = new FunctionStudy(SomeStudy.Setup(trials: 4) with { TrialScheduler = c => new AshaOptions().Create(c) });
        Assert.Contains("use that", Assert.Throws<NotSupportedException>(() => pausing.Ask()!.Report(1, 1)).Message);
    }

    /// <summary>Early stopping as in Optuna: a callback that stops the study.</summary>
    [Fact]
    public async Task Callbacks_are_told_of_ended_trials_in_order_once_these_are_stored_and_may_stop_the_study()
    {
        var journal = new ListJournal();
        var told = new List<int>();
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var study = new FunctionStudy(SomeStudy.Setup(trials: 1000), journal)
        {
            TrialEnded = (s, trial) =>
            {
                Assert.Contains(journal.StoredEvents().OfType<StudyEvent.Ended>(), e => e.Trial == trial.Number);
                told.Add(trial.Number);
                if (told.Count != 20) return;
                s.Stop();
                stopped.SetResult();
            },
        };
        var status = await study.RunAsync(async (trial, _) =>
        {
            // trials end faster than they are told
            if (trial.Number >= 500) await stopped.Task.WaitAsync(Token);
            return trial.Float("x");
        }, cancellationToken: Token);
        Assert.Equal(StudyStopReason.Cancelled, status.End);
        Assert.Equal(journal.Events.OfType<StudyEvent.Ended>().Select(e => e.Trial), told);
        Assert.InRange(told.Count, 20, 999);
    }

    [Fact]
    public async Task A_deterministic_study_shows_what_its_sampler_is_not_to_know_yet()
    {
        var setup = SomeStudy.Setup(trials: 12, parallel: 4);
        setup = setup with { Context = setup.Context with { IsDeterministic = true } };
        var states = new List<TrialState>();
        var study = new FunctionStudy(setup) { TrialEnded = (_, trial) => states.Add(trial.State) };
        await study.RunAsync(trial => trial.Float("x"), cancellationToken: Token);
        Assert.Equal(Enumerable.Repeat(TrialState.Complete, 12), states);
        Assert.All(study.Trials, t => Assert.Equal(t.Parameters["x"], t.Value));
    }

    [Fact]
    public async Task A_callback_that_throws_ends_the_run_with_its_exception()
    {
        var study = new FunctionStudy(SomeStudy.Setup()) { TrialEnded = (_, trial) => throw new InvalidOperationException($"no more than {trial.Number}") };
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => study.RunAsync(trial => trial.Float("x"), cancellationToken: Token));
        Assert.StartsWith("no more than", error.Message);
    }

    [Fact]
    public void Attributes_are_kept_with_their_trial_and_their_study()
    {
        var journal = new ListJournal();
        var study = new FunctionStudy(SomeStudy.Setup(), journal);
        study.SetUserAttribute("owner", "me");
        var trial = study.Ask()!;
        trial.SetUserAttribute("sizes", new[] { 1, 2 });
        trial.SetUserAttribute("loss", double.NaN);
        trial.SetUserAttribute("sizes", new[] { 3 });
        study.Tell(trial, 1);
        foreach (var s in new[] { study, new FunctionStudy(SomeStudy.Setup(), journal) })
        {
            Assert.Equal("me", s.UserAttributes["owner"].GetString());
            Assert.Equal("[3]", s.Trials[0].UserAttributes["sizes"].GetRawText());
            Assert.Equal("NaN", s.BestTrial!.UserAttributes["loss"].GetString());
        }
    }

    [Fact]
    public async Task A_study_ends_by_the_time_that_it_was_given_and_needs_a_clock_for_that()
    {
        var setup = SomeStudy.Setup(trials: 1000) with { Stop = new StudyStopSection { MaxSeconds = 10 } };
        Assert.Contains("has no clock", Assert.Throws<InvalidOperationException>(() => new FunctionStudy(setup).Ask()).Message);
        var time = new ManualTime();
        var study = new FunctionStudy(setup with { Parallel = 1 }) { Time = time };
        var status = await study.RunAsync(trial =>
        {
            time.Pass(seconds: 3);
            trial.Report(trial.Number, 1);
            return trial.Number;
        }, cancellationToken: Token);
        // the fourth one's report comes too late
        Assert.Equal((StudyStopReason.MaxSeconds, 3, 1), (status.End, status.Counts.Complete, status.Counts.Cancelled));
    }

    [Fact]
    public async Task A_function_that_returns_too_many_values_fails_with_that()
    {
        var study = new FunctionStudy(SomeStudy.Setup(trials: 2));
        var status = await study.RunAsync((_, _) => Task.FromResult(new[] { 1.0, 2 }), cancellationToken: Token);
        Assert.Equal(2, status.Counts.Failed);
    }

    [Fact]
    public void Wrong_names_and_kinds_are_told()
    {
        var trial = new FunctionStudy(SomeStudy.Setup()).Ask()!;
        Assert.Contains("'y' is no parameter of the space; there are x, n, kind, m", Assert.Throws<ArgumentException>(() => trial.Float("y")).Message);
        Assert.Contains("'kind' has choices, not numbers", Assert.Throws<ArgumentException>(() => trial.Float("kind")).Message);
        Assert.Contains("'x' has no whole numbers", Assert.Throws<ArgumentException>(() => trial.Int("x")).Message);
        Assert.Contains("'x' has numbers, not choices", Assert.Throws<ArgumentException>(() => trial.Choice<string>("x")).Message);
        Assert.Contains("'kind' is no Int32", Assert.Throws<ArgumentException>(() => trial.Choice<int>("kind")).Message);
    }

    [Fact]
    public async Task A_trial_scheduler_that_copies_trials_is_refused_when_it_does()
    {
        var options = new PbtOptions { Population = 4, PerturbationInterval = 4, Synchronous = true };
        var setup = SomeStudy.Setup(trials: 8, parallel: 4) with { TrialScheduler = c => new Pbt(options, c) };
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => new FunctionStudy(setup).RunAsync(async (trial, _) =>
        {
            for (int step = 1; ; step++)
                if (!await trial.ReportAsync(trial.Number, step)) return trial.Number;
        }, cancellationToken: Token));
        Assert.Contains("which a function does not have; use asha", error.Message);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (int seen = most; value > seen; seen = most) Interlocked.CompareExchange(ref most, value, seen);
    }
}
