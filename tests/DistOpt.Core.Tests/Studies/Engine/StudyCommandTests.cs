using System.Collections.Immutable;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>What users ask for while a study runs.</summary>
public sealed class StudyCommandTests
{
    [Fact]
    public void A_paused_study_begins_nothing_its_trials_leave_with_a_checkpoint_and_go_on_without_a_loss()
    {
        var study = new EngineFixture(EngineFixture.Random() with { MaxAttempts = 1 });
        var order = study.Order();
        Assert.Equal(default, study.Engine.Pause("k1"));
        Assert.Equal(StudyWait.Suspended, study.Wait());
        Assert.Equal(TrialDirective.Pause, study.Report(order, 3, 1));
        Assert.True(study.Engine.Release(order.Id, 3, 20));
        Assert.Equal(StudyWait.Suspended, study.Wait());
        Assert.True(study.Engine.Status().IsSuspended);
        study.Engine.Resume("k2");
        order = study.Order();
        Assert.Equal((new AttemptId(0, 2, 0), new TrialCheckpoint(0, 3)), (order.Id, order.From));
        Assert.Equal(20, study.Engine.Status().Live[0].Seconds);
        Assert.Equal(1, study.Order().Id.Trial);
        Assert.Empty(study.Journal.OfType<StudyEvent.AttemptLost>());
    }

    [Fact]
    public void A_trial_that_is_paused_leaves_its_slot_to_others_until_it_is_resumed()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 3, parallel: 1));
        var order = study.Order();
        study.Engine.Pause(null, 0);
        Assert.Equal(TrialDirective.Pause, study.Report(order, 1, 1));
        study.Engine.Release(order.Id, 1);
        foreach (int trial in new[] { 1, 2 })
        {
            order = study.Order();
            Assert.Equal(trial, order.Id.Trial);
            study.Complete(order, 1);
        }
        // the study waits for it
        Assert.Equal(StudyWait.Suspended, study.Wait());
        Assert.True(study.Engine.Status().Live.Single().IsSuspended);
        study.Engine.Resume(null, 0);
        study.Complete(study.Order(), 1);
        Assert.Equal(StudyStopReason.Trials, study.Engine.Decide().End);
    }

    [Fact]
    public void A_cancelled_trial_ends_and_a_cancelled_study_ends_with_all_its_trials()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 3) with { TrialScheduler = EngineFixture.Asha });
        var orders = new[] { study.Order(), study.Order(), study.Order() };
        study.Report(orders[1], 1, 1);
        study.Engine.Release(orders[1].Id, 1);
        Assert.Equal(default, study.Engine.Cancel("a", 0));
        Assert.Equal((TrialState.Cancelled, TrialEndCause.Cancelled), (study.End(0).State, study.End(0).Cause));
        Assert.Equal(TrialDirective.Stop, study.Report(orders[0], 1, 1));
        Assert.Equal("trial 0 has ended", study.Engine.Cancel("b", 0).Refusal);
        Assert.Equal("there is no trial 9; there are 3", study.Engine.Cancel("c", 9).Refusal);
        study.Engine.Cancel("d");
        Assert.Equal(StudyStopReason.Cancelled, study.Engine.Decide().End);
        // a loser of its rung, and one under way
        Assert.Equal((TrialState.Pruned, TrialState.Cancelled), (study.End(1).State, study.End(2).State));
        Assert.Equal(TrialEndCause.StudyEnded, study.End(2).Cause);
        Assert.Equal(TrialDirective.Stop, study.Report(orders[2], 1, 1));
        Assert.Equal("the study has ended (Cancelled)", study.Engine.Pause("e").Refusal);
        Assert.True(study.Engine.Cancel("d").IsRepeat);
        Assert.Equal(new TrialCounts(0, 0, 0, 0, 1, 0, 2), study.Engine.Status().Counts);
    }

    [Fact]
    public void A_command_whose_key_was_used_does_nothing_also_in_a_study_that_was_rebuilt()
    {
        var study = new EngineFixture(EngineFixture.Random());
        ImmutableArray<double> point = [0.5, double.NaN];
        Assert.Equal(default, study.Engine.Enqueue("k", point));
        Assert.Equal(default, study.Engine.SetParallel("p", 5));
        for (int i = 0; i < 2; i++)
        {
            int events = study.Journal.Count;
            Assert.True(study.Engine.Enqueue("k", [0.5, double.NaN]).IsRepeat);
            Assert.True(study.Engine.SetParallel("p", 5).IsRepeat);
            Assert.Contains("key 'k' was used for another command, 'enqueue", study.Engine.Enqueue("k", [0.25, 0.5]).Refusal);
            Assert.Equal("key 'p' was used for another command, 'set parallel 5'", study.Engine.Cancel("p").Refusal);
            Assert.Equal(events, study.Journal.Count);
            Assert.Equal((1, 5), (study.Engine.Status().Enqueued, study.Engine.Status().Parallel));
            study.Rebuild();
        }
        study.Engine.Enqueue(null, point);
        study.Engine.Enqueue(null, point);
        Assert.Equal(3, study.Engine.Status().Enqueued);
    }

    /// <summary>Also where the first one asked for a trial that had begun by then, or for none.</summary>
    [Theory]
    [InlineData(4, 5)]
    [InlineData(0, 4)]
    [InlineData(4, null)]
    [InlineData(null, 4)]
    public void A_parallelism_from_another_trial_on_is_another_command(int? from, int? other)
    {
        var study = new EngineFixture(EngineFixture.Random(deterministic: true));
        study.Order();
        study.Engine.SetParallel("p", 6, from);
        study.Order();
        study.Rebuild();
        Assert.True(study.Engine.SetParallel("p", 6, from).IsRepeat);
        string use = from is null ? "set parallel 6" : $"set parallel 6 from trial {from}";
        Assert.Equal($"key 'p' was used for another command, '{use}'", study.Engine.SetParallel("p", 6, other).Refusal);
    }

    [Fact]
    public void Only_the_latest_keys_are_kept()
    {
        var study = new EngineFixture(EngineFixture.Random() with { CommandKeysKept = 2 });
        foreach (string key in new[] { "a", "b", "c" }) study.Engine.Pause(key);
        Assert.Equal([true, true, false], new[] { "b", "c", "a" }.Select(k => study.Engine.Pause(k).IsRepeat));
    }

    [Fact]
    public void Points_that_are_none_of_the_space_are_refused()
    {
        var study = new EngineFixture(EngineFixture.Random());
        Assert.Equal("the point has 1 values for 2 parameters", study.Engine.Enqueue(null, [1]).Refusal);
        Assert.Equal("the point has 1.5 as x, which is not in its domain", study.Engine.Enqueue(null, [1.5, 0]).Refusal);
        Assert.Equal("parallel is 0, but must be at least 1", study.Engine.SetParallel(null, 0).Refusal);
        Assert.Empty(study.Journal);
    }

    [Fact]
    public void More_slots_are_used_at_once_and_fewer_as_trials_end()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: null) with { Stop = new() { MaxSeconds = 10 } });
        var orders = new List<TrialOrder> { study.Order(), study.Order() };
        Assert.Equal(StudyWait.Slots, study.Wait());
        study.Engine.SetParallel(null, 4);
        orders.AddRange([study.Order(), study.Order()]);
        Assert.Equal(StudyWait.Slots, study.Wait());
        study.Engine.SetParallel(null, 1);
        foreach (var order in orders)
        {
            Assert.Equal(StudyWait.Slots, study.Wait());
            study.Complete(order, 1);
        }
        Assert.Equal(4, study.Order().Id.Trial);
    }
}
