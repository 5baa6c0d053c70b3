using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>What ends a study before its trials are done, and what it adds up to.</summary>
public sealed class StudyStopTests
{
    [Theory]
    [InlineData(Direction.Minimize, 0.5, 0.51, 0.5)]
    [InlineData(Direction.Maximize, 0.5, 0.49, 0.5)]
    public void The_target_ends_it_and_the_trials_that_run(Direction direction, double target, double near, double there)
    {
        var study = new EngineFixture(EngineFixture.Random(trials: null, parallel: 3, directions: direction) with { Stop = new() { Target = target } });
        var orders = new[] { study.Order(), study.Order(), study.Order() };
        study.Complete(orders[0], near);
        Assert.NotNull(study.Engine.Decide().Order);
        study.Engine.Complete(orders[1].Id, [there], [0.1]);
        Assert.NotNull(study.Engine.Decide().Order);
        study.Engine.Complete(orders[2].Id, [there], [0]);
        Assert.Equal(StudyStopReason.Target, study.Engine.Decide().End);
        Assert.Equal(2, study.Engine.Status().Best!.Number);
        Assert.Equal(2, study.Engine.Status().Counts.Cancelled);
    }

    /// <summary>Without an end of trials, and with several objectives; what is cancelled says nothing.</summary>
    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(false, 2)]
    public void So_many_trials_that_fail_in_a_row_end_it_with_the_last_ones_error(bool deterministic, int objectives)
    {
        var directions = Enumerable.Repeat(Direction.Minimize, objectives).ToArray();
        double[] values = [.. directions.Select(_ => 1.0)];
        var study = new EngineFixture(EngineFixture.Random(trials: null, parallel: 1, deterministic, [.. directions]) with
        {
            Stop = new() { MaxFailures = 3 },
            Pruners = objectives == 1 ? EngineFixture.Threshold(50) : EngineFixture.Random().Pruners,
        });
        Fail(2);
        study.Complete(study.Order(), values);
        Fail(2);
        study.Order();
        study.Engine.Cancel(null, study.Engine.Started - 1);
        if (objectives == 1)
        {
            Assert.Equal(TrialDirective.Stop, study.Report(study.Order(), 1, 99));
            Fail(2);
        }
        study.Rebuild();
        Assert.NotNull(study.Engine.Decide().Order);
        study.Engine.Fail(study.Engine.Attempts.Single(), true, "the last one");
        Assert.Equal(StudyStopReason.Failures, study.Engine.Decide().End);
        study.Rebuild();
        var status = study.Engine.Status();
        Assert.True(status is { HasFailed: true, Counts.Complete: 1 });
        Assert.Equal(new TrialFailure(study.Engine.Started - 1, TrialEndCause.Diverged, "the last one"), status.LastFailure);

        void Fail(int count)
        {
            for (int i = 0; i < count; i++) study.Engine.Fail(study.Order().Id, false, "no data");
        }
    }

    [Fact]
    public void Whoever_has_mended_what_trials_failed_by_goes_on_and_that_counts_anew()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: null, parallel: 1) with { Stop = new() { MaxFailures = 3 } });
        Fail(3);
        Assert.Equal(StudyStopReason.Failures, study.Engine.Decide().End);
        Assert.Equal("the study has ended (Failures)", study.Engine.Pause("p").Refusal);

        Assert.Equal(new CommandAnswer(), study.Engine.Resume("k"));
        Assert.Equal(new CommandAnswer(IsRepeat: true), study.Engine.Resume("k"));
        study.Rebuild();
        Fail(2);
        study.Complete(study.Order(), 1);
        Fail(3);
        Assert.Equal(StudyStopReason.Failures, study.Engine.Decide().End);
        study.Rebuild();
        Assert.Equal((StudyStopReason.Failures, 9), (study.Engine.End, study.Engine.Started));

        void Fail(int count)
        {
            for (int i = 0; i < count; i++) study.Engine.Fail(study.Order().Id, false, "no data");
        }
    }

    /// <summary>As of a journal of a build that knew no such bound.</summary>
    [Fact]
    public void What_failed_in_a_row_before_others_did_not_is_no_reason_to_end()
    {
        var setup = EngineFixture.Random(trials: null, parallel: 1);
        var study = new EngineFixture(setup with { Stop = new() { MaxFailures = null } });
        for (int i = 0; i < 3; i++) study.Engine.Fail(study.Order().Id, false, "no data");
        study.Complete(study.Order(), 1);
        var engine = StudyEngine.Restore(setup with { Stop = new() { MaxFailures = 3 } }, study.Journal, _ => { });
        Assert.NotNull(engine.Decide().Order);
    }

    /// <summary>Of many that come to a rung few ever end otherwise.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Trials_that_pause_at_a_rung_show_that_not_all_of_them_fail(bool deterministic)
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 12, parallel: 1, deterministic) with
        {
            Stop = new() { MaxFailures = 3 },
            TrialScheduler = EngineFixture.Asha,
        });
        for (int i = 0; i < 3; i++)
        {
            for (int fails = 0; fails < 2; fails++) study.Engine.Fail(study.Order().Id, false, "no data");
            var paused = study.Order();
            Assert.Equal(TrialDirective.Pause, study.Report(paused, 1, i));
            study.Engine.Release(paused.Id, 1);
        }
        for (int fails = 0; fails < 3; fails++) study.Engine.Fail(study.Order().Id, false, "no data");
        Assert.Equal(StudyStopReason.Failures, study.Engine.Decide().End);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_study_whose_trials_all_fail_ends_unless_that_is_not_wanted(bool goesOn)
    {
        var setup = EngineFixture.Random(trials: null, parallel: 1) with { Stop = new() { Patience = new(), Target = 1 } };
        var study = new EngineFixture(goesOn ? setup with { Stop = setup.Stop with { MaxFailures = null } } : setup);
        int failed = 0;
        for (; failed < 300 && study.Engine.Decide().Order is { } order; failed++) study.Engine.Fail(order.Id, false, "no data");
        Assert.Equal(goesOn ? (300, (StudyStopReason?)null) : (100, StudyStopReason.Failures), (failed, study.Engine.End));
    }

    [Fact]
    public void Patience_counts_trials_that_end_complete_or_pruned_without_an_improvement_that_counts()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: null, parallel: 1) with
        {
            Stop = new() { Patience = new() { Trials = 3, MinDelta = 0.1 } },
            Pruners = EngineFixture.Threshold(50),
        });
        study.Complete(study.Order(), 10);
        study.Complete(study.Order(), 9.95);
        study.Engine.Fail(study.Order().Id, false, "no trial that counts");
        Assert.Equal(TrialDirective.Stop, study.Report(study.Order(), 1, 99));
        // against 10, not against 9.95
        study.Complete(study.Order(), 9.89);
        study.Complete(study.Order(), 9.88);
        study.Complete(study.Order(), 9.87);
        var last = study.Order();
        study.Engine.Complete(last.Id, [1], [5]);
        Assert.Equal(StudyStopReason.Patience, study.Engine.Decide().End);
        Assert.Equal(6, study.Engine.Status().Best!.Number);
    }

    /// <summary>Asked after 6, 8, 10 ... complete trials; the valley's ground is known to a thousandth long before the trials are used up.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_ends_when_hardly_any_improvement_is_expected_and_a_rebuilt_study_does_not_ask_again(bool deterministic)
    {
        var setup = EngineFixture.Random(trials: 100, parallel: 1, deterministic: deterministic) with
        {
            Sampler = () => new GpSampler(new GpOptions { StartupTrials = 4 }),
            Stop = new() { ExpectedImprovement = new() { AtMost = 1e-3, MinTrials = 6, EveryTrials = 2 } },
        };
        var undisturbed = Run(setup, rebuilds: false);
        var foreseen = undisturbed.Journal.OfType<StudyEvent.ImprovementForeseen>().ToList();
        Assert.Equal(StudyStopReason.ExpectedImprovement, undisturbed.Engine.End);
        Assert.Equal(Enumerable.Range(0, foreseen.Count).Select(i => 6 + 2 * i), foreseen.Select(f => f.Complete));
        Assert.True(foreseen.Count > 1 && foreseen[^1].Improvement <= 1e-3 && foreseen.SkipLast(1).All(f => f.Improvement > 1e-3));
        Assert.Equal(foreseen[^1].Improvement, undisturbed.Engine.Status().Improvement);
        Assert.InRange(undisturbed.Engine.Status().Best!.Values[0], 3, 3.01);
        Assert.Equal(undisturbed.Journal.Select(EventText.Of), Run(setup, rebuilds: true).Journal.Select(EventText.Of));
        // as the journal says, whatever would come out today
        var told = new List<StudyEvent>();
        var restored = StudyEngine.Restore(setup with { Sampler = () => new GpSampler(new GpOptions { StartupTrials = 4 }) },
            undisturbed.Journal.Take(undisturbed.Journal.Count - 1), told.Add);
        Assert.Equal(StudyStopReason.ExpectedImprovement, restored.Decide().End);
        Assert.Equal([nameof(StudyEvent.StudyEnded)], told.Select(e => e.GetType().Name));

        static EngineFixture Run(StudySetup setup, bool rebuilds)
        {
            var study = new EngineFixture(setup);
            while (study.Engine.Decide().Order is { } order)
            {
                study.Complete(order, 3 + Math.Pow(order.Parameters[0] - 0.3, 2) + Math.Pow(order.Parameters[1] - 0.6, 2));
                if (rebuilds) study.Rebuild();
            }
            return study;
        }
    }

    [Fact]
    public void The_greatest_expected_improvement_is_in_units_of_the_objective_and_needs_a_feasible_trial_of_its_own()
    {
        StudyHistory History(double factor, Func<int, StudyTrial, StudyTrial> change)
        {
            var history = new StudyHistory(EngineFixture.Space, Direction.Maximize);
            for (int i = 0; i < 12; i++)
            {
                double[] at = [i % 4 / 3.0, i / 4 / 2.0];
                history.Set(change(i, new StudyTrial
                {
                    Number = i,
                    State = TrialState.Complete,
                    Parameters = [.. at],
                    Values = [factor * Math.Sin(3 * at[0] + 2 * at[1])],
                }));
            }
            return history;
        }

        double? Greatest(StudyHistory history) => ExpectedImprovement.Greatest(history, [.. history.Trials], 3);

        double once = Greatest(History(1, (_, t) => t))!.Value, thousand = Greatest(History(1000, (_, t) => t))!.Value;
        Assert.Equal(1000, thousand / once, 1e-6);
        Assert.InRange(once, 1e-6, 0.3);
        Assert.Null(Greatest(History(1, (_, t) => t with { IsImported = true })));
        Assert.Null(Greatest(History(1, (_, t) => t with { Constraints = [1] })));
        // the best one is of another study: what is below it is no improvement there, but is one on the study's own
        Assert.True(Greatest(History(1, (i, t) => t with { IsImported = i < 10 })) > 1);
        Assert.Equal(0, Greatest(History(0, (_, t) => t))!.Value, 1e-9);
    }

    [Fact]
    public void Conditions_and_spaces_of_single_values_are_refused()
    {
        string Refusal(params SearchParameter[] parameters)
        {
            var setup = EngineFixture.Random() with { Stop = new() { ExpectedImprovement = new() { MinTrials = 5 } } };
            setup = setup with { Context = setup.Context with { Space = new SearchSpace(parameters) } };
            return Assert.Throws<SpecException>(() => new StudyEngine(setup, _ => { })).Message;
        }

        var x = new SearchParameter("x", new FloatDomain(0, 1));
        Assert.Contains("knows only parameters that always have a value, and y has a condition; leave it away, and use stop.patience",
            Refusal(x, x with { Name = "y", When = new Condition("x", Least: 0.5) }));
        Assert.Contains("is for 1 to", Refusal(x with { Domain = new FloatDomain(1, 1) }));
    }

    [Fact]
    public void The_seconds_end_it_those_before_an_interruption_included()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: null) with { Stop = new() { MaxSeconds = 10 } });
        var order = study.Order();
        study.Engine.Pass(0.4);
        Assert.Single(study.Journal);
        study.Engine.Pass(5.6);
        study.Rebuild();
        Assert.Equal(6, study.Engine.Status().Seconds);
        study.Engine.Pass(3.9);
        Assert.Null(study.Engine.End);
        study.Engine.Pass(0.2);
        Assert.Equal(StudyStopReason.MaxSeconds, study.Engine.End);
        Assert.Equal(TrialDirective.Stop, study.Report(order, 1, 1));
        Assert.Equal(TrialState.Cancelled, study.End(0).State);
        double seconds = study.Engine.Status().Seconds;
        study.Engine.Pass(0.5);
        Assert.Equal(seconds, study.Engine.Status().Seconds);
    }

    /// <summary>Else trials that follow each other within a second would seem to run side by side.</summary>
    [Fact]
    public void When_an_attempt_begins_is_known_to_a_hundredth_of_a_second()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 1));
        foreach (double seconds in (double[])[0.004, 0.25, 0.5])
        {
            study.Engine.Pass(seconds);
            study.Complete(study.Order(), 1);
        }
        study.Engine.Pass(0.125);
        study.Engine.Lose(study.Order().Id, "gone");
        study.Engine.Pass(0.125);
        study.Order();
        var records = new TrialRecords();
        var trials = study.Journal.Select(records.Add).OfType<TrialRecord>().Concat(records.Open).ToList();
        Assert.Equal([0, 0.254, 0.754, 0.879], trials.Select(t => Math.Round(t.Spans[0].From, 6)));
        Assert.Equal(1.004, trials[^1].Spans[1].From, 1e-9);
    }

    [Fact]
    public void The_time_stands_still_while_a_user_has_paused_the_study_and_nothing_runs_any_more()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 3, parallel: 1) with { Stop = new() { MaxSeconds = 10 } });
        var order = study.Order();
        study.Engine.Pause(null);
        study.Engine.Pass(4);
        study.Complete(order, 1);
        study.Engine.Pass(1000);
        Assert.Equal((4, null), (study.Engine.Status().Seconds, study.Engine.End));
        study.Engine.Resume(null);
        study.Order();
        study.Engine.Pass(7);
        Assert.Equal(StudyStopReason.MaxSeconds, study.Engine.End);
    }

    /// <summary>Of equal ones the first, whichever ended first.</summary>
    [Fact]
    public void The_best_trial_is_feasible_and_has_the_lowest_number()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 4));
        var orders = Enumerable.Range(0, 4).Select(_ => study.Order()).ToList();
        study.Engine.Complete(orders[3].Id, [1], [0.5]);
        Assert.Null(study.Engine.Status().Best);
        study.Complete(orders[2], 2);
        study.Complete(orders[1], 2);
        study.Complete(orders[0], 3);
        Assert.Equal(1, study.Engine.Status().Best!.Number);
        Assert.Equal(orders[1].Parameters, study.Engine.Status().Best!.Parameters);
        Assert.Equal(1, study.Engine.Status().Front.Single().Number);
    }

    [Fact]
    public void With_several_objectives_there_is_a_front()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 5, directions: [Direction.Minimize, Direction.Maximize]));
        var orders = Enumerable.Range(0, 5).Select(_ => study.Order()).ToList();
        (double, double)[] values = [(1, 1), (2, 5), (2, 4), (3, 5), (0.5, 0)];
        foreach (int i in new[] { 4, 2, 3, 1, 0 }) study.Complete(orders[i], values[i].Item1, values[i].Item2);
        Assert.Equal([0, 1, 4], study.Engine.Status().Front.Select(r => r.Number));
        Assert.Null(study.Engine.Status().Best);
    }

    /// <summary>What is needed is kept: of those that run, are paused, or may be sent on; and nothing once the study is over.</summary>
    [Fact]
    public void Checkpoints_are_kept_while_somebody_may_go_on_from_them()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 3, parallel: 3) with { TrialScheduler = EngineFixture.Asha });
        var orders = Enumerable.Range(0, 3).Select(_ => study.Order()).ToList();
        study.Engine.Checkpointed(orders[0].Id, 0);
        Assert.Empty(study.Engine.Superfluous());
        study.Report(orders[0], 1, 1);
        study.Engine.Release(orders[0].Id, 1);
        Assert.Equal([new TrialCheckpoint(0, 0)], study.Engine.Superfluous());
        study.Engine.Deleted(new(0, 0));
        study.Engine.Deleted(new(0, 0));
        Assert.Equal([new TrialCheckpoint(0, 1)], study.Engine.Checkpoints);
        study.Engine.Checkpointed(orders[1].Id, 0);
        study.Engine.Fail(orders[1].Id, false, "boom");
        Assert.Equal([new TrialCheckpoint(1, 0)], study.Engine.Superfluous());
        study.Engine.Cancel(null);
        Assert.Equal(2, study.Engine.Superfluous().Count);
    }
}
