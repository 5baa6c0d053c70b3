using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>How a study goes on after an interruption.</summary>
public sealed class StudyRestoreTests
{
    [Fact]
    public void Attempts_that_nobody_holds_any_more_are_repeated_and_cost_the_trial_none_of_its_own()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 3) with { MaxAttempts = 2 });
        var orders = Enumerable.Range(0, 3).Select(_ => study.Order()).ToList();
        study.Engine.Checkpointed(orders[2].Id, 2);
        study.Rebuild();
        Assert.Equal(orders.Select(o => o.Id), study.Engine.Attempts);
        study.Engine.Reopen(id => id.Trial == 1);
        Assert.All(study.Journal.OfType<StudyEvent.AttemptLost>(), e => Assert.Equal((false, 0.0), (e.IsCounted, e.DelaySeconds)));
        Assert.Equal(TrialDirective.Continue, study.Report(orders[1], 1, 1));
        Assert.Equal(TrialDirective.Stop, study.Report(orders[0], 1, 1));
        var (first, second) = (study.Order(), study.Order());
        Assert.Equal((new AttemptId(0, 2, 1), null), (first.Id, first.From));
        Assert.Equal((new AttemptId(2, 2, 1), new TrialCheckpoint(2, 2)), (second.Id, second.From));
        Assert.Equal(1, study.Engine.Status().Sessions);
        study.Engine.Lose(first.Id, "the first of its own");
        Assert.Empty(study.Journal.OfType<StudyEvent.Ended>());
    }

    /// <summary>A trial that was begun again after its beginning was lost is not the one that is still under way somewhere.</summary>
    [Fact]
    public void An_attempt_whose_beginning_is_lost_counts_no_more_though_there_is_another_trial_of_its_number()
    {
        var study = new EngineFixture(EngineFixture.Random());
        var lost = study.Order();
        study.Rebuild(lost: 1);
        study.Engine.Reopen(_ => true);
        var order = study.Order();
        Assert.Equal((0, 1), (order.Id.Trial, order.Id.Attempt));
        Assert.Equal(TrialDirective.Stop, study.Report(lost, 1, -99));
        Assert.False(study.Complete(lost, -99));
        Assert.True(study.Complete(order, 5));
        Assert.Equal([5.0], study.End(0).Values);
    }

    /// <summary>Between a report that prunes and the end of its trial, between a command and what it does.</summary>
    [Fact]
    public void What_was_decided_and_not_done_is_done_when_the_study_goes_on()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 4) with { Pruners = EngineFixture.Threshold(5), Stop = new() { Target = 1 } });
        var orders = Enumerable.Range(0, 4).Select(_ => study.Order()).ToList();
        study.Report(orders[0], 1, 9);
        study.Last<StudyEvent.Ended>();
        study.Rebuild(lost: 1);
        study.Engine.Reopen(_ => true);
        Assert.Equal(TrialState.Pruned, study.End(0).State);

        study.Engine.Cancel("k", 1);
        study.Rebuild(lost: 1);
        study.Engine.Reopen(_ => true);
        Assert.Equal(TrialState.Cancelled, study.End(1).State);
        Assert.True(study.Engine.Cancel("k", 1).IsRepeat);

        study.Complete(orders[2], 0.5);
        Assert.Equal(StudyStopReason.Target, study.Engine.Decide().End);
        study.Rebuild(lost: 2);
        study.Engine.Reopen(_ => true);
        Assert.Equal(StudyStopReason.Target, study.Engine.Decide().End);
        Assert.Equal(TrialEndCause.StudyEnded, study.End(3).Cause);
        Assert.Equal(4, study.Journal.OfType<StudyEvent.Ended>().Count());
        study.Rebuild();
        study.Engine.Reopen(_ => true);
        Assert.IsType<StudyEvent.StudyEnded>(study.Journal[^1]);
    }

    [Fact]
    public void A_journal_that_another_trial_scheduler_has_written_is_refused()
    {
        var study = new EngineFixture(EngineFixture.Random() with { TrialScheduler = EngineFixture.Asha });
        study.Report(study.Order(), 1, 2);
        var other = EngineFixture.Random() with { TrialScheduler = c => new AshaOptions { MinResource = 2 }.Create(c) };
        var error = Assert.Throws<InvalidOperationException>(() => StudyEngine.Restore(other, study.Journal, _ => { }));
        Assert.Contains("Until = 1", error.Message);
        var fifo = Assert.Throws<InvalidOperationException>(() => StudyEngine.Restore(EngineFixture.Random(), study.Journal, _ => { }));
        Assert.Contains("it is of another trial scheduler, pruner or version", fifo.Message);
    }
}
