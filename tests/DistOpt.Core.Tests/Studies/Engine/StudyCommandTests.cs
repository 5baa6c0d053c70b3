using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
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
    public void A_trial_that_a_user_has_paused_is_counted_by_itself_and_loses_nothing()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 3, parallel: 2));
        var (first, second) = (study.Order(), study.Order());
        study.Engine.Pause(null, 0);
        Assert.Equal(new TrialCounts(0, 1, 0, 0, 0, 0, 0) { Suspended = 1 }, study.Engine.Status().Counts);
        Assert.True(study.Engine.TakeBack(first.Id));
        Assert.Equal(new TrialCounts(0, 1, 0, 0, 0, 0, 0) { Suspended = 1 }, study.Engine.Status().Counts);
        study.Complete(second, 1);
        study.Engine.Resume(null, 0);
        Assert.Equal(new TrialCounts(1, 0, 0, 1, 0, 0, 0), study.Engine.Status().Counts);
        var again = study.Order();
        Assert.Equal((0, 2), (again.Id.Trial, again.Id.Attempt));
        study.Engine.Lose(again.Id, "the node is gone");
        study.Complete(study.Order(), 1);
        var records = new TrialRecords();
        var trial = study.Journal.Select(records.Add).Last(t => t is not null)!;
        Assert.Equal(3, trial.Attempts);
        Assert.Equal(["the node is gone"], trial.Losses);
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

    /// <summary>And in the order in which they were asked for, also once the study was rebuilt.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_point_from_a_trial_on_is_taken_by_the_first_that_may_have_it(bool deterministic)
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 8, deterministic: deterministic));
        Assert.Equal(default, study.Engine.Enqueue("late", [0.5, 0.5], fromTrial: 3));
        Assert.Equal(default, study.Engine.Enqueue("later", [0.25, 0.25], fromTrial: 4));
        study.Order();
        study.Rebuild();
        Assert.Equal(default, study.Engine.Enqueue("at once", [0.75, 0.75]));
        Assert.Equal(default, study.Engine.Enqueue("after", [0.125, 0.125], fromTrial: 3));
        Assert.True(study.Engine.Enqueue("late", [0.5, 0.5], fromTrial: 3).IsRepeat);
        Assert.Contains("was used for another command, 'enqueue", study.Engine.Enqueue("late", [0.5, 0.5]).Refusal);
        double[] first = [.. Enumerable.Range(1, 5).Select(_ => study.Order().Parameters[0])];
        Assert.Equal([0.75, 0.5, 0.25, 0.125], [first[0], .. first[2..]]);
        Assert.DoesNotContain(first[1], new[] { 0.75, 0.5, 0.25, 0.125 });
        Assert.Equal("from_trial is 10, but the study is to have 10 trials, from 0: give a lower one, or set its trials first",
            study.Engine.Enqueue(null, [0.5, 0.5], fromTrial: 10).Refusal);
        Assert.Equal("from_trial is -1, but must be at least 0", study.Engine.Enqueue(null, [0.5, 0.5], fromTrial: -1).Refusal);
    }

    [Fact]
    public void A_point_for_a_later_trial_is_taken_at_once_where_the_sampler_has_no_more()
    {
        var space = new SearchSpace([new("x", new FloatDomain(0, 1, step: 0.5)), new("y", new FloatDomain(0, 0))]);
        var setup = EngineFixture.Random(trials: null, parallel: 1);
        var study = new EngineFixture(setup with { Context = setup.Context with { Space = space }, Sampler = () => new GridSampler() });
        study.Engine.Enqueue(null, [0.5, 0], fromTrial: 100);
        for (int i = 0; i < 4; i++) study.Complete(study.Order(), 1);
        Assert.Equal(StudyStopReason.Exhausted, study.Engine.Decide().End);
        Assert.Equal([false, false, false, true], study.Journal.OfType<StudyEvent.Started>().Select(s => s.IsEnqueued));
        Assert.Equal([0.5, 0.0], study.Journal.OfType<StudyEvent.Started>().Last().Parameters);
        study.Rebuild();
        Assert.Equal(0, study.Engine.Status().Enqueued);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_parameters_of_a_trial_are_tried_again_but_for_those_that_are_given(bool deterministic)
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 2, deterministic: deterministic));
        var first = study.Order();
        Assert.Equal("there is no trial 1; there are 1", study.Engine.EnqueueTrial("no", 1, [double.NaN, double.NaN]).Refusal);
        Assert.Equal(default, study.Engine.EnqueueTrial("same", 0, [double.NaN, double.NaN]));
        Assert.Equal(default, study.Engine.EnqueueTrial("other", 0, [double.NaN, 0.5], fromTrial: 2));
        study.Rebuild();
        Assert.True(study.Engine.EnqueueTrial("same", 0, [double.NaN, double.NaN]).IsRepeat);
        Assert.NotNull(study.Engine.EnqueueTrial("same", 0, [double.NaN, 0.25]).Refusal);
        Assert.Equal("the point has 2 as y, which is not in its domain", study.Engine.EnqueueTrial(null, 0, [double.NaN, 2]).Refusal);
        Assert.Equal(first.Parameters, study.Order().Parameters);
        study.Complete(first, 1);
        Assert.Equal([first.Parameters[0], 0.5], study.Order().Parameters);
    }

    [Fact]
    public void A_condition_that_another_value_ends_or_fulfils_goes_with_it()
    {
        var space = new SearchSpace([new("kind", new ChoiceDomain(["a", "b"])), new("x", new FloatDomain(0, 1), new Condition("kind", Among: [0])),
            new("y", new FloatDomain(0, 1), new Condition("kind", Among: [1]))]);
        var setup = EngineFixture.Random(parallel: 4);
        var study = new EngineFixture(setup with { Context = setup.Context with { Space = space } });
        study.Engine.Enqueue(null, [0, 0.5, double.NaN]);
        study.Order();
        study.Engine.EnqueueTrial(null, 0, [1, double.NaN, double.NaN]);
        var (values, y) = (study.Order().Parameters, 2);
        Assert.Equal([1, double.NaN], values[..2]);
        Assert.InRange(values[y], 0, 1);
    }

    [Fact]
    public void Whether_a_study_has_had_a_command_is_found_without_anything_happening_by_it()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2));
        study.Engine.Enqueue("k", [0.5, 0.5]);
        study.Complete(study.Order(), 1);
        study.Complete(study.Order(), 1);
        Assert.Equal(StudyStopReason.Trials, study.Engine.Decide().End);
        study.Rebuild();
        int events = study.Journal.Count;

        Assert.Equal(new CommandAnswer(IsRepeat: true), study.Engine.FindRepeat(e => e.Enqueue("k", [0.5, 0.5])));
        foreach (var other in (Func<StudyEngine, CommandAnswer>[])
            [e => e.Enqueue("k", [0.5, 0.25]), e => e.Cancel("c"), e => e.Cancel(null), e => e.SetTrials("t", 5), e => throw new SpecException("", "bad")])
            Assert.Null(study.Engine.FindRepeat(other));
        Assert.Null(study.Engine.FindRepeat(e => e.SetTrials("t", 5)));
        Assert.Equal((events, StudyStopReason.Trials), (study.Journal.Count, study.Engine.End));
        Assert.Equal(default, study.Engine.SetTrials("t", 5));
    }

    [Fact]
    public void Attributes_are_set_together_or_refused_together()
    {
        var study = new EngineFixture(EngineFixture.Random());
        study.Order();
        Assert.Equal(default, study.Engine.SetAttributes(0, [KeyValuePair.Create("a", "1"), KeyValuePair.Create("b", StudyEngine.AttributeText(double.NaN))]));
        Assert.Equal("there is no trial 1; there are 1", study.Engine.SetAttributes(1, [KeyValuePair.Create("a", "2")]).Refusal);
        Assert.Equal("an attribute has no name", study.Engine.SetAttributes(0, [KeyValuePair.Create("a", "2"), KeyValuePair.Create("", "2")]).Refusal);
        Assert.Equal(["a 1", "b \"NaN\""], study.Engine.Attributes(0).Select(a => $"{a.Key} {a.Value.GetRawText()}").Order());
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

    /// <summary>Also after the end, as long as more trials may undo that.</summary>
    [Fact]
    public void A_point_for_which_no_trial_is_left_is_refused_with_what_to_do()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 2));
        study.Order();
        Assert.Equal(default, study.Engine.Enqueue("a", [0.5, 0.5]));
        Assert.StartsWith("no trial is left for the point: of 2 trials 1 have begun, and 1 points wait; give the study more trials first ('distopt set STUDY --trials N'",
            study.Engine.Enqueue("b", [0.25, 0.5]).Refusal);
        Assert.True(study.Engine.Enqueue("a", [0.5, 0.5]).IsRepeat);
        study.Complete(study.Order(), 1);
        string none = "no trial is left for the point: of 2 trials 2 have begun; give";
        Assert.StartsWith(none, study.Engine.Enqueue("b", [0.25, 0.5]).Refusal);
        study.Engine.Cancel(null, 0);
        study.Engine.Decide();
        Assert.Equal(StudyStopReason.Trials, study.Engine.End);
        Assert.StartsWith(none, study.Engine.Enqueue("b", [0.25, 0.5]).Refusal);
        study.Engine.SetTrials(null, 3);
        Assert.Equal(default, study.Engine.Enqueue("b", [0.25, 0.5]));
        Assert.Equal([0.25, 0.5], study.Order().Parameters);
        study.Engine.Cancel(null);
        Assert.Equal("the study has ended (Cancelled)", study.Engine.Enqueue("c", [0.25, 0.5]).Refusal);
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
