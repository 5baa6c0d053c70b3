using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>What a free slot is for.</summary>
public sealed class StudyDecisionTests
{
    [Fact]
    public void Trials_are_numbered_from_0_run_as_many_at_a_time_as_they_may_and_end_with_the_last_one()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 3));
        var (first, second) = (study.Order(), study.Order());
        Assert.Equal([0, 1], new[] { first.Id.Trial, second.Id.Trial });
        Assert.Equal(StudyWait.Slots, study.Wait());
        Assert.True(study.Complete(second, 2));
        var third = study.Order();
        Assert.Equal(new AttemptId(2, 1, 0), third.Id);
        Assert.True(study.Complete(first, 1));
        Assert.Equal(StudyWait.Trials, study.Wait());
        Assert.Null(study.Engine.End);
        Assert.True(study.Complete(third, 3));
        Assert.Equal(StudyStopReason.Trials, study.Engine.Decide().End);
        Assert.Equal(StudyStopReason.Trials, study.Engine.End);
        Assert.Equal(0, study.Engine.Status().Best!.Number);
    }

    [Fact]
    public void Enqueued_points_come_first_and_what_they_leave_out_is_suggested()
    {
        var setup = EngineFixture.Random() with { Enqueued = [[0.25, double.NaN], [0.5, 0.75]] };
        var study = new EngineFixture(setup);
        var without = new EngineFixture(EngineFixture.Random());
        var plain = new[] { without.Order(), without.Order() };
        var (first, second) = (study.Order(), study.Order());
        Assert.Equal([0.25, plain[0].Parameters[1]], first.Parameters);
        Assert.Equal([0.5, 0.75], second.Parameters);
        Assert.Equal([true, true], study.Journal.OfType<StudyEvent.Started>().Select(e => e.IsEnqueued));
        study.Engine.Enqueue("k", [double.NaN, 1]);
        study.Complete(first, 1);
        Assert.Equal(1, study.Order().Parameters[1]);
        study.Complete(second, 1);
        Assert.DoesNotContain(1, study.Order().Parameters);
        Assert.Equal(0, study.Engine.Status().Enqueued);
    }

    /// <summary>x is 0.25 by hand, y is drawn until it is far enough below.</summary>
    [Fact]
    public void What_is_drawn_beside_an_enqueued_point_keeps_to_the_constraints_and_a_point_for_which_nothing_does_is_left_out()
    {
        var spec = StudyFixture.Parse("""
            study:
              metric: validation.loss
              sampler: random
              trials: 20
              parallel: 20
              constraints: [{ parameters: 'optimizer.learning_rate - regularization.l2', at_least: 0.2 }]
              enqueue: [{ optimizer.learning_rate: 0.25 }, { optimizer.learning_rate: 0.25 }, { optimizer.learning_rate: 0.1 }]
            space:
              optimizer.learning_rate: { float: [0.0001, 1] }
              regularization.l2: { float: [0, 1] }
            """);
        var study = new EngineFixture(StudySetup.Of(spec, StudyFixture.Binder.Catalogs));
        for (int i = 0; i < 20; i++)
        {
            var order = study.Order();
            Assert.True(order.Parameters[0] - order.Parameters[1] >= 0.2);
            Assert.Equal(i < 2, order.Parameters[0] == 0.25);
        }
        Assert.Equal((1, 20), (study.Engine.Status().Refused, study.Journal.OfType<StudyEvent.Started>().Count()));
        Assert.Contains("keeps to the constraints", study.Engine.Status().RefusedLast);
    }

    [Fact]
    public void A_study_ends_with_the_sampler_list_and_goes_on_with_what_is_enqueued_meanwhile()
    {
        var space = new SearchSpace([new("x", new IntDomain(1, 3))]);
        var setup = EngineFixture.Random(trials: null) with { Sampler = () => new GridSampler() };
        var study = new EngineFixture(setup with { Context = setup.Context with { Space = space } });
        var orders = Enumerable.Range(0, 3).Select(_ =>
        {
            var order = study.Order();
            study.Complete(order, order.Parameters[0]);
            return order.Parameters[0];
        }).ToList();
        Assert.Equal([1, 2, 3], orders.Order());
        study.Engine.Enqueue(null, [2]);
        study.Complete(study.Order(), 2);
        Assert.Equal(StudyStopReason.Exhausted, study.Engine.Decide().End);
    }

    [Fact]
    public void A_trial_is_paused_at_its_rung_and_promoted_from_its_checkpoint_and_losers_are_pruned_in_the_end()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 4, parallel: 1) with { TrialScheduler = EngineFixture.Asha });
        for (int i = 0; i < 4; i++)
        {
            var order = study.Order();
            Assert.Equal((i, 1), (order.Id.Trial, order.Until));
            Assert.Null(order.From);
            Assert.Equal(TrialDirective.Pause, study.Report(order, 1, 10 - i));
            Assert.Equal(StudyWait.Slots, study.Wait());
            Assert.True(study.Engine.Release(order.Id, 1));
        }
        var best = study.Order();
        Assert.Equal((new AttemptId(3, 2, 0), new TrialCheckpoint(3, 1), 4L), (best.Id, best.From, best.Until));
        Assert.Equal(3, study.Engine.Status().Counts.Paused);
        Assert.Equal(TrialDirective.Continue, study.Report(best, 2, 1));
        Assert.Equal(TrialDirective.Pause, study.Report(best, 4, 1));
        study.Engine.Release(best.Id, 4);
        Assert.Equal(StudyStopReason.Trials, study.Engine.Decide().End);
        Assert.Equal(4, study.Engine.Status().Counts.Pruned);
        Assert.All(Enumerable.Range(0, 4), t => Assert.Equal((TrialState.Pruned, TrialEndCause.NotPromoted), (study.End(t).State, study.End(t).Cause)));
    }

    /// <summary>It is sent on while it still writes the checkpoint that it was told to.</summary>
    [Fact]
    public void A_trial_that_is_promoted_before_it_has_given_up_its_slot_goes_on_once_it_has()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 4, parallel: 4) with { TrialScheduler = EngineFixture.Asha });
        var orders = Enumerable.Range(0, 4).Select(_ => study.Order()).ToList();
        for (int i = 0; i < 4; i++) Assert.Equal(TrialDirective.Pause, study.Report(orders[i], 1, i));
        study.Engine.Release(orders[3].Id, 1);
        Assert.Equal(StudyWait.Trials, study.Wait());
        Assert.Equal(0, study.Last<StudyEvent.Promoted>().Trial);
        study.Engine.Release(orders[0].Id, 1);
        Assert.Equal((new AttemptId(0, 2, 0), new TrialCheckpoint(0, 1)), (study.Order().Id, study.Engine.Checkpoints.First()));
    }

    /// <summary>The donor lives, but has not written it: it is waited for, also while it computes.</summary>
    [Fact]
    public void A_copy_waits_for_the_donors_checkpoint_and_an_attempt_with_the_old_parameters_counts_no_more()
    {
        var scheduler = new Scripted();
        var study = new EngineFixture(EngineFixture.Random(trials: 2, parallel: 3) with { TrialScheduler = _ => scheduler });
        var (donor, copy) = (study.Order(), study.Order());
        scheduler.Answers[0] = ReportAction.Checkpoint;
        Assert.Equal(TrialDirective.Checkpoint, study.Report(donor, 4, 1));
        Assert.Equal(TrialDirective.Checkpoint, study.Report(donor, 4, 1));
        scheduler.Answers[1] = ReportAction.Pause;
        Assert.Equal(TrialDirective.Pause, study.Report(copy, 4, 9));
        study.Engine.Release(copy.Id, 4);
        scheduler.Next = new(SlotAction.Promote, 1, 8, 0, new Exploit(0, 4, [0.5, 0.5]));
        Assert.Equal(StudyWait.Checkpoint, study.Wait());
        Assert.Contains(new TrialCheckpoint(0, 4), Needed(study, new(0, 4)));
        Assert.True(study.Engine.Checkpointed(donor.Id, 4));
        var order = study.Order();
        Assert.Equal((new TrialCheckpoint(0, 4), 8L), (order.From!.Value, order.Until));
        Assert.Equal([0.5, 0.5], order.Parameters);
        // until it has one of its own
        study.Engine.Checkpointed(donor.Id, 6);
        Assert.Contains(new TrialCheckpoint(0, 4), Needed(study, new(0, 4)));
        study.Engine.Checkpointed(order.Id, 5);
        Assert.DoesNotContain(new TrialCheckpoint(0, 4), Needed(study, new(0, 4)));

        // promoted while the attempt before still writes its checkpoint
        scheduler.Answers[1] = ReportAction.Pause;
        Assert.Equal(TrialDirective.Pause, study.Report(order, 8, 9));
        scheduler.Next = new(SlotAction.Promote, 1, 16, 0, new Exploit(0, 6, [0.25, 0.5]));
        Assert.Equal(StudyWait.Trials, study.Wait());
        study.Engine.Lose(donor.Id, "gone");
        Assert.Equal(0, study.Order().Id.Trial);
        Assert.Equal(StudyWait.Trials, study.Wait());
        Assert.Equal(StudyWait.Trials, study.Engine.Status().Wait);
        int events = study.Journal.Count;
        Assert.Equal(TrialDirective.Pause, study.Report(order, 9, -50));
        Assert.Equal(events, study.Journal.Count);
        study.Engine.Release(order.Id, 8);
        order = study.Order();
        Assert.Equal((new TrialCheckpoint(0, 6), 16L, 0.25), (order.From!.Value, order.Until, order.Parameters[0]));
        Assert.Equal(TrialDirective.Continue, study.Report(order, 7, 1));
        Assert.Equal(new Report(7, 1), study.Engine.Status().Live[1].Last);
    }

    [Fact]
    public void A_copy_whose_donor_ends_before_it_has_written_its_checkpoint_goes_on_from_its_own()
    {
        var scheduler = new Scripted();
        var study = new EngineFixture(EngineFixture.Random(trials: 2) with { TrialScheduler = _ => scheduler });
        var (donor, copy) = (study.Order(), study.Order());
        scheduler.Answers[0] = ReportAction.Checkpoint;
        study.Report(donor, 4, 1);
        scheduler.Answers[1] = ReportAction.Pause;
        study.Report(copy, 4, 9);
        study.Engine.Release(copy.Id, 4);
        scheduler.Next = new(SlotAction.Promote, 1, 8, 0, new Exploit(0, 4, [0.5, 0.5]));
        Assert.Equal(StudyWait.Checkpoint, study.Wait());
        study.Engine.Fail(donor.Id, false, "boom");
        Assert.Equal(new TrialCheckpoint(1, 4), study.Order().From);
    }

    /// <summary>It was told to write a state, and was lost before it had: the attempt after it writes it, or tells that it has gone on from beyond.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_copy_of_a_donor_that_was_lost_before_it_had_written_its_checkpoint_does_not_wait_for_ever(bool comesThereAgain)
    {
        var scheduler = new Scripted();
        var study = new EngineFixture(EngineFixture.Random(trials: 2) with { TrialScheduler = _ => scheduler });
        var (donor, copy) = (study.Order(), study.Order());
        scheduler.Answers[0] = ReportAction.Checkpoint;
        Assert.Equal(TrialDirective.Checkpoint, study.Report(donor, 4, 1));
        scheduler.Answers[0] = ReportAction.Continue;
        Assert.Equal(TrialDirective.Continue, study.Report(donor, 5, 1));
        scheduler.Answers[1] = ReportAction.Pause;
        study.Report(copy, 4, 9);
        study.Engine.Release(copy.Id, 4);
        scheduler.Next = new(SlotAction.Promote, 1, 8, 0, new Exploit(0, 4, [0.5, 0.5]));
        Assert.Equal(StudyWait.Checkpoint, study.Wait());
        study.Engine.Lose(donor.Id, "gone");
        donor = study.Order();
        Assert.Equal((0, StudyWait.Checkpoint), (donor.Id.Trial, study.Wait()));

        if (comesThereAgain) Assert.Equal(TrialDirective.Continue, study.Report(donor, 3, 1));
        Assert.Equal(TrialDirective.Checkpoint, study.Report(donor, comesThereAgain ? 4 : 5, 1));
        Assert.Equal(StudyWait.Checkpoint, study.Wait());
        study.Engine.Checkpointed(donor.Id, comesThereAgain ? 4 : 5);

        Assert.Equal(comesThereAgain ? new TrialCheckpoint(0, 4) : new TrialCheckpoint(1, 4), study.Order().From);
        Assert.Equal(TrialDirective.Continue, study.Report(donor, comesThereAgain ? 5 : 6, 1));
    }

    /// <summary>It was told to pause, and is sent on at once: the copy is to go on from the state that it leaves when it gives up its slot.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_copy_waits_for_a_donor_that_was_sent_on_before_it_had_given_up_its_slot(bool isLost)
    {
        var scheduler = new Scripted { ChangesParameters = true };
        var study = new EngineFixture(EngineFixture.Random(trials: 2, parallel: 3) with { TrialScheduler = _ => scheduler });
        var (donor, copy) = (study.Order(), study.Order());
        (scheduler.Answers[0], scheduler.Answers[1]) = (ReportAction.Pause, ReportAction.Pause);
        study.Report(donor, 4, 1);
        study.Report(copy, 4, 9);
        study.Engine.Release(copy.Id, 4);
        scheduler.Next = new(SlotAction.Promote, 0, 8);
        Assert.Equal(StudyWait.Trials, study.Wait());
        scheduler.Next = new(SlotAction.Promote, 1, 8, 0, new Exploit(0, 4, [0.5, 0.5]));
        Assert.Equal(StudyWait.Checkpoint, study.Wait());
        if (isLost)
        {
            study.Engine.Lose(donor.Id, "gone");
            donor = study.Order();
            Assert.Equal((0, StudyWait.Checkpoint), (donor.Id.Trial, study.Wait()));
            Assert.Equal(TrialDirective.Checkpoint, study.Report(donor, 4, 1));
            study.Engine.Checkpointed(donor.Id, 4);
            copy = study.Order();
            Assert.Equal((1, new TrialCheckpoint(0, 4)), (copy.Id.Trial, copy.From!.Value));
            return;
        }
        study.Engine.Release(donor.Id, 4);
        TrialOrder[] next = [study.Order(), study.Order()];
        Assert.All(next, o => Assert.Equal(new TrialCheckpoint(0, 4), o.From));
        Assert.Equal([0, 1], next.Select(o => o.Id.Trial).Order());
    }

    /// <summary>
    /// What its last attempt with the old parameters came to is not what those in force bring: it neither ends the trial nor counts against it, and the trial
    /// goes on as it was decided.
    /// </summary>
    [Theory]
    [InlineData("complete")]
    [InlineData("fail")]
    [InlineData("prune")]
    [InlineData("lose")]
    public void The_end_of_an_attempt_whose_trial_was_sent_on_from_anothers_state_is_not_the_trials(string how)
    {
        var scheduler = new Scripted { ChangesParameters = true };
        var study = new EngineFixture(EngineFixture.Random(trials: 2, parallel: 3) with { TrialScheduler = _ => scheduler, MaxAttempts = 1 });
        var (donor, copy) = (study.Order(), study.Order());
        (scheduler.Answers[0], scheduler.Answers[1]) = (ReportAction.Checkpoint, ReportAction.Pause);
        study.Report(donor, 4, 1);
        study.Engine.Checkpointed(donor.Id, 4);
        study.Report(copy, 4, 9);
        scheduler.Next = new(SlotAction.Promote, 1, 8, 0, new Exploit(0, 4, [0.5, 0.5]));
        Assert.Equal(StudyWait.Trials, study.Wait());
        Assert.True(how switch
        {
            "complete" => study.Complete(copy, -50),
            "fail" => study.Engine.Fail(copy.Id, true, "boom"),
            "prune" => study.Engine.Prune(copy.Id),
            _ => study.Engine.Lose(copy.Id, "gone"),
        });
        Assert.False(study.Last<StudyEvent.AttemptLost>().IsCounted);
        var order = study.Order();
        Assert.Equal((new AttemptId(1, 2, 0), new TrialCheckpoint(0, 4), 0.5), (order.Id, order.From!.Value, order.Parameters[0]));
        Assert.True(study.Complete(order, 2));
        Assert.Equal([2.0], study.End(1).Values);
    }

    /// <summary>Li et al. 2020: while there is a trial to promote or to begin, nobody waits.</summary>
    [Fact]
    public void No_slot_of_500_is_idle_while_there_is_a_new_trial()
    {
        var setup = StudySetups.Of(scheduler: "asha", parallel: 500, trials: 3000);
        StudySimulation? simulation = null;
        simulation = new StudySimulation(setup, slots: 500, timing: 1)
        {
            Before = (engine, _) => Assert.True(engine.History.Trials.Count == 3000 || simulation!.IdleTime == 0),
        };
        simulation.Run(most: 1_000_000);
        Assert.True(simulation.Engine.Status().Rungs[^1].Entered > 20);
    }

    [Fact]
    public void A_study_says_what_the_trial_scheduler_decides_by_the_number_of_its_trial()
    {
        var options = new AshaOptions { ReductionFactor = 2, Brackets = 3 };
        var study = new EngineFixture(EngineFixture.Random(trials: 40, parallel: 1) with { TrialScheduler = options.Create });
        for (int i = 0; i < 20; i++)
        {
            var order = study.Order();
            while (study.Report(order, order.Until, i) != TrialDirective.Pause) { }
            study.Engine.Release(order.Id, order.Until);
        }
        Assert.True(study.Journal.OfType<StudyEvent.Started>().Select(e => e.Bracket).Distinct().Count() > 1);
        Assert.All(study.Journal.OfType<StudyEvent.Started>(), e => Assert.Equal(1L << e.Bracket, e.Until));
        Assert.Contains(study.Engine.Status().Rungs, r => r.Entered > 0);
    }

    [Fact]
    public void What_cannot_be_used_for_the_study_is_told_when_it_is_made()
    {
        var setup = EngineFixture.Random(directions: [Direction.Minimize, Direction.Maximize]);
        Assert.Contains("by one objective", Assert.Throws<SpecException>(() => new EngineFixture(setup with { TrialScheduler = EngineFixture.Asha })).Message);
        Assert.Contains("is cma-es", Assert.Throws<SpecException>(() => new EngineFixture(setup with { Sampler = () => new CmaEsSampler(new CmaEsOptions()) })).Message);
        var ordered = EngineFixture.Random(deterministic: true) with { TrialScheduler = _ => new Scripted() };
        Assert.Contains("depends on the order of reports", Assert.Throws<SpecException>(() => new EngineFixture(ordered)).Message);
    }

    /// <summary>The checkpoint, if it is kept.</summary>
    private static IEnumerable<TrialCheckpoint> Needed(EngineFixture study, TrialCheckpoint checkpoint) =>
        study.Engine.Superfluous().Contains(checkpoint) ? [] : [checkpoint];

    /// <summary>Says what it is told to.</summary>
    private sealed class Scripted : ITrialScheduler
    {
        public Dictionary<int, ReportAction> Answers { get; } = [];

        public SlotDecision? Next { get; set; }

        public bool NeedsCheckpoints => false;

        public bool ChangesParameters { get; init; }

        public bool IsOrderIndependent => false;

        SlotDecision ITrialScheduler.Next(int? newTrial)
        {
            var next = Next ?? (newTrial is { } number ? new(SlotAction.Start, number, 4) : default);
            Next = null;
            return next;
        }

        public ReportAction Report(int trial, long resource, double value) => Answers.Remove(trial, out var action) ? action : ReportAction.Continue;

        public void End(int trial, TrialState state) { }
    }
}
