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
