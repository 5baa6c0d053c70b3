using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>What attempts tell, and what becomes of it.</summary>
public sealed class StudyAttemptTests
{
    /// <summary>A third slot is free, so that the better one of two is sent on before it has written its checkpoint.</summary>
    [Fact]
    public void A_trial_that_is_sent_on_at_once_is_known_at_the_rung_that_it_has_come_to()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 3) with { TrialScheduler = c => new AshaOptions { ReductionFactor = 2 }.Create(c) });
        var (first, second) = (study.Order(), study.Order());
        Assert.Equal(TrialDirective.Pause, study.Report(first, 1, 0.5));
        Assert.Equal(TrialDirective.Pause, study.Report(second, 1, 1));
        Assert.Equal(2, study.Order().Id.Trial);
        Assert.Equal(0, Assert.Single(study.Journal.OfType<StudyEvent.Promoted>()).Trial);
        Assert.Equal([new Report(1, 0.5)], study.Engine.Trial(0).Rungs);
        Assert.True(study.Engine.Release(first.Id, 1));
        study.Rebuild();
        var next = study.Order();
        Assert.Equal((0, 1L), (next.Id.Trial, next.From!.Value.Resource));
        Assert.Equal(TrialDirective.Pause, study.Report(next, 2, 0.25));
        study.Engine.Release(next.Id, 2);
        Assert.Equal([new Report(1, 0.5), new Report(2, 0.25)], study.Engine.Trial(0).Rungs);
        Assert.Equal(TrialState.Paused, study.Engine.Trial(0).State);
    }

    /// <summary>What a trial reported before it went on from another one's weights says nothing about these.</summary>
    [Fact]
    public void Pruners_that_compare_reports_do_not_go_with_trials_that_copy()
    {
        foreach (string pruner in new[] { "median", "percentile", "patient", "wilcoxon", "successive-halving" })
        {
            var error = Assert.Throws<SpecException>(() => new EngineFixture(StudySetups.Of(scheduler: "pbt", pruner: pruner)));
            Assert.Equal("study.pruner", Assert.Single(error.Violations).Path);
        }
        foreach (string pruner in new[] { "none", "threshold" }) _ = new EngineFixture(StudySetups.Of(scheduler: "pbt", pruner: pruner));
    }

    private static readonly Func<StudyContext, ITrialScheduler> s_oneRung = c => new AshaOptions { MinResource = 8, MaxResource = 8 }.Create(c);

    [Fact]
    public void A_report_that_comes_twice_or_late_changes_nothing_and_gets_the_same_answer()
    {
        var study = new EngineFixture(EngineFixture.Random() with { TrialScheduler = EngineFixture.Asha });
        var order = study.Order();
        Assert.Equal(TrialDirective.Pause, study.Report(order, 1, 5));
        int events = study.Journal.Count;
        Assert.Equal(TrialDirective.Pause, study.Report(order, 1, 5));
        Assert.Equal(TrialDirective.Pause, study.Report(order, 1, -99));
        Assert.Equal(TrialDirective.Pause, study.Report(order, 2, -99));
        Assert.Equal(events, study.Journal.Count);
        Assert.Equal(new Report(1, 5), study.Engine.Status().Live.Single().Last);
    }

    [Fact]
    public void Of_an_attempt_that_is_not_the_latest_nothing_counts()
    {
        var study = new EngineFixture(EngineFixture.Random());
        var old = study.Order();
        study.Report(old, 1, 5);
        Assert.True(study.Engine.Lose(old.Id, "socket closed"));
        var order = study.Order();
        Assert.Equal(new AttemptId(0, 2, 0), order.Id);
        int events = study.Journal.Count;
        foreach (var stale in new[] { old.Id, order.Id with { Session = 1 }, order.Id with { Trial = 7 }, order.Id with { Trial = -1 } })
        {
            Assert.Equal(TrialDirective.Stop, study.Engine.Report(stale, 2, [1]));
            Assert.False(study.Engine.Complete(stale, [1]));
            Assert.False(study.Engine.Fail(stale, false, "late"));
            Assert.False(study.Engine.Lose(stale, "late"));
            Assert.False(study.Engine.Release(stale, 2));
            Assert.False(study.Engine.Checkpointed(stale, 2));
            Assert.False(study.Engine.TimeOut(stale, 2));
        }
        Assert.Equal(events, study.Journal.Count);
        // what the one before had reported is not counted again
        Assert.Equal(TrialDirective.Continue, study.Report(order, 1, 4));
        Assert.Equal(events, study.Journal.Count);
        Assert.True(study.Complete(order, 3));
        Assert.False(study.Complete(order, 2));
        Assert.Equal([3.0], study.Engine.Status().Best!.Values);
    }

    [Fact]
    public void A_trial_that_throws_diverges_or_has_no_number_fails_is_not_tried_again_and_the_study_goes_on()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 4));
        study.Engine.Fail(study.Order().Id, hasDiverged: false, "boom");
        study.Engine.Fail(study.Order().Id, hasDiverged: true, "loss is NaN");
        study.Complete(study.Order(), double.NaN);
        Assert.Equal([TrialEndCause.Threw, TrialEndCause.Diverged, TrialEndCause.Diverged], Enumerable.Range(0, 3).Select(t => study.End(t).Cause));
        Assert.Equal("boom", study.End(0).Error);
        Assert.Equal(3, study.Engine.Status().Counts.Failed);
        Assert.Equal(3, study.Order().Id.Trial);
        Assert.Null(study.Engine.Status().Best);
    }

    [Fact]
    public void A_lost_attempt_is_repeated_from_the_last_checkpoint_after_a_delay_that_doubles_until_none_is_left()
    {
        var study = new EngineFixture(EngineFixture.Random() with { MaxAttempts = 3, Backoff = new RetryBackoff(2, 3) });
        var order = study.Order();
        Assert.Equal(TimeSpan.Zero, order.Delay);
        study.Engine.Checkpointed(order.Id, 4);
        study.Engine.Lose(order.Id, "node 3 is gone");
        Assert.Equal(("node 3 is gone", true, 2.0), Loss(study));
        order = study.Order();
        Assert.Equal((new AttemptId(0, 2, 0), new TrialCheckpoint(0, 4), TimeSpan.FromSeconds(2)), (order.Id, order.From, order.Delay));
        study.Engine.Lose(order.Id, "killed by signal 9");
        Assert.Equal(("killed by signal 9", true, 3.0), Loss(study));
        order = study.Order();
        Assert.Equal(TimeSpan.FromSeconds(3), order.Delay);
        study.Engine.Lose(order.Id, "again");
        Assert.Equal((TrialState.Failed, TrialEndCause.Lost, "attempt 3 of at most 3 was lost: again"),
            (study.End(0).State, study.End(0).Cause, study.End(0).Error));
        Assert.Equal(1, study.Order().Id.Trial);

        static (string, bool, double) Loss(EngineFixture study)
        {
            var lost = study.Last<StudyEvent.AttemptLost>();
            return (lost.Reason, lost.IsCounted, lost.DelaySeconds);
        }
    }

    [Fact]
    public void The_seconds_of_all_attempts_count_for_the_timeout()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 3) with { TrialTimeout = 10, MaxAttempts = 100 });
        var order = study.Order();
        Assert.Equal(10, order.SecondsLeft);
        study.Engine.Report(order.Id, 1, [1], 6);
        // less than it had told before: the greater one counts
        study.Engine.Lose(order.Id, "gone", 5);
        order = study.Order();
        Assert.Equal(4, order.SecondsLeft);
        Assert.Equal(TrialDirective.Continue, study.Engine.Report(order.Id, 2, [1], 3.9));
        Assert.Equal(TrialDirective.Stop, study.Engine.Report(order.Id, 3, [1], 4));
        Assert.Equal((TrialState.Failed, TrialEndCause.TimedOut), (study.End(0).State, study.End(0).Cause));
        Assert.Contains("study.trial_timeout, 10 s", study.End(0).Error);

        order = study.Order();
        study.Engine.Lose(order.Id, "gone", 11);
        Assert.Equal(TrialEndCause.TimedOut, study.End(1).Cause);
        order = study.Order();
        Assert.True(study.Engine.TimeOut(order.Id, 10));
        Assert.Equal(TrialEndCause.TimedOut, study.End(2).Cause);
    }

    [Fact]
    public void A_trial_with_repeats_has_the_means_over_its_runs_of_which_only_the_first_is_judged()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2, parallel: 1) with { Repeats = 3, Pruners = EngineFixture.Threshold(5) });
        var order = study.Order();
        Assert.Equal(TrialDirective.Continue, study.Report(order, 1, 4));
        foreach (var (repeat, value) in new[] { (0, 1.0), (1, 2.0), (2, 6.0) })
        {
            Assert.Equal((0, repeat), (order.Id.Trial, order.Repeat));
            Assert.Null(order.From);
            if (repeat > 0) Assert.Equal(TrialDirective.Continue, study.Report(order, 1, 99));
            if (repeat == 1)
            {
                study.Engine.Checkpointed(order.Id, 2);
                study.Engine.Lose(order.Id, "gone");
                order = study.Order();
                Assert.Equal(new TrialCheckpoint(0, 2, 1), order.From);
            }
            Assert.True(study.Engine.Complete(order.Id, [value], [value - 5]));
            order = study.Order();
        }
        Assert.Equal([3.0], study.End(0).Values);
        Assert.Equal([-2.0], study.End(0).Constraints);
        Assert.Equal(1, order.Id.Trial);
        study.Complete(order, 1);
        order = study.Order();
        study.Engine.Fail(order.Id, false, "in its second run");
        Assert.Equal(TrialState.Failed, study.End(1).State);
    }

    [Fact]
    public void Later_runs_end_where_the_trial_scheduler_completes_a_trial()
    {
        var setup = EngineFixture.Random(trials: 1, parallel: 1) with { Repeats = 2, TrialScheduler = s_oneRung };
        var study = new EngineFixture(setup);
        var order = study.Order();
        Assert.Equal(TrialDirective.Complete, study.Report(order, 8, 1));
        study.Complete(order, 1);
        order = study.Order();
        // told beforehand, so that it leaves off there by itself as the first one did
        Assert.Equal(8, order.Until);
        Assert.Equal(TrialDirective.Continue, study.Report(order, 7, 1));
        study.Engine.Checkpointed(order.Id, 7);
        study.Rebuild();
        study.Engine.Reopen(_ => false);
        order = study.Order();
        Assert.Equal((1, 8L, new TrialCheckpoint(0, 7, 1)), (order.Repeat, order.Until, order.From));
        Assert.Equal(TrialDirective.Complete, study.Report(order, 8, 1));
        study.Complete(order, 2);
        Assert.Equal([1.5], study.End(0).Values);
    }

    [Fact]
    public void A_pruner_ends_a_trial_also_where_the_trial_scheduler_would_only_pause_it()
    {
        var study = new EngineFixture(EngineFixture.Random() with { TrialScheduler = EngineFixture.Asha, Pruners = EngineFixture.Threshold(5) });
        var (bad, good) = (study.Order(), study.Order());
        Assert.Equal(TrialDirective.Stop, study.Report(bad, 1, 6));
        Assert.Equal((TrialState.Pruned, TrialEndCause.Pruned), (study.End(0).State, study.End(0).Cause));
        Assert.Equal(TrialDirective.Stop, study.Report(bad, 1, 6));
        Assert.Equal(TrialDirective.Pause, study.Report(good, 1, 4));
        Assert.Equal(2, study.Engine.Status().Rungs[0].Entered);
        // what samplers learn of it
        Assert.Equal([new Report(1, 6)], study.Engine.History.Trials[0].Reports);
        Assert.Equal(2, study.Order().Id.Trial);
    }

    [Fact]
    public void A_trial_that_the_trial_scheduler_completes_ends_with_its_values_also_after_a_loss()
    {
        var setup = EngineFixture.Random() with { TrialScheduler = s_oneRung, Pruners = EngineFixture.Threshold(0) };
        var study = new EngineFixture(setup);
        var order = study.Order();
        // what would have been pruned is done
        Assert.Equal(TrialDirective.Complete, study.Report(order, 9, 3));
        Assert.Equal(TrialDirective.Complete, study.Report(order, 10, 3));
        study.Engine.Lose(order.Id, "gone");
        order = study.Order();
        Assert.Equal(TrialDirective.Continue, study.Report(order, 7, 3));
        Assert.Equal(TrialDirective.Complete, study.Report(order, 9, 3));
        study.Complete(order, 2);
        Assert.Equal([2.0], study.End(0).Values);
    }

    [Fact]
    public void What_is_told_must_have_a_value_for_each_objective_and_a_step()
    {
        var study = new EngineFixture(EngineFixture.Random(directions: [Core.Specs.Direction.Minimize, Core.Specs.Direction.Maximize]));
        var order = study.Order();
        Assert.Contains("1 values for 2 objectives", Assert.Throws<ArgumentException>(() => study.Report(order, 1, 3)).Message);
        Assert.Contains("3 values for 2 objectives", Assert.Throws<ArgumentException>(() => study.Complete(order, 1, 2, 3)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => study.Report(order, -1, 3, 4));
        Assert.Equal(TrialDirective.Continue, study.Report(order, 0, 3, 4));
    }
}
