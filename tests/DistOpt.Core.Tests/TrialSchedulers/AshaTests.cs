using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>Asynchronous successive halving with promotion.</summary>
public sealed class AshaTests
{
    private static readonly long[] s_rungs = [1, 4, 16, 64];

    /// <summary>The example of the paper's figure: eta = 3, one worker, r = 1, R = 9; configuration losses 3 1 2, then 6 4 5, then 9 7 8.</summary>
    [Fact]
    public void One_worker_promotes_as_soon_as_a_trial_is_among_the_best_and_from_the_highest_rung_first()
    {
        double[] losses = [3, 1, 2, 6, 4, 5, 9, 7, 8];
        var simulation = new SchedulerSimulation(Create(new AshaOptions { ReductionFactor = 3 }, length: 9), workers: 1, trials: 9)
        {
            Value = (trial, _) => losses[trial],
            Duration = (_, from, to) => to - from,
        }.Run();
        Assert.Equal(
        [
            // after three trials the best one of them goes on, after six the second best of six, after nine the third best, and then one of three
            (0, 1L), (1, 1), (2, 1), (1, 3), (3, 1), (4, 1), (5, 1), (2, 3), (6, 1), (7, 1), (8, 1), (0, 3), (1, 9),
        ], simulation.Decisions.Select(d => (d.Trial, d.Until)));
        Assert.Equal([1], simulation.Completed);
    }

    /// <summary>
    /// 500 workers, 5,000 trials, of which 3 % fail at any rung, with durations that vary threefold. Against a search through all values at every
    /// event and promotion.
    /// </summary>
    [Fact]
    public void No_worker_is_idle_while_a_promotable_or_a_new_trial_exists()
    {
        var scheduler = Create(new AshaOptions(), length: 64);
        var simulation = Simulation(scheduler, workers: 500, trials: 5000, timing: 1);
        var oracle = new Oracle(simulation, s_rungs, eta: 4);
        int events = 0, idle = 0;
        simulation.AfterEvent = () =>
        {
            events++;
            if (simulation.Idle == 0) return;
            idle++;
            Assert.False(simulation.MayStart);
            Assert.Null(oracle.Promotable());
        };
        simulation.Run();

        Assert.Equal(simulation.Events, events);
        Assert.True(idle > 100, "the end of the study, where nothing is left to do, is part of the run");
        Assert.True(simulation.Failed.Count > 100);
        Assert.Equal(5000, simulation.Started);
        oracle.AssertRungs(scheduler.Rungs);
        // nothing that failed has been sent on since, and everything sent on has ended or is paused at a rung
        Assert.True(simulation.Completed.Count > 60);
    }

    /// <summary>Trials that come later are worse: then nobody is promoted who does not stay among the best.</summary>
    [Theory, InlineData(1), InlineData(4)]
    public void As_many_trials_reach_each_rung_as_eta_says(int brackets)
    {
        var scheduler = Create(new AshaOptions { Brackets = brackets }, length: 64);
        var simulation = new SchedulerSimulation(scheduler, workers: 1, trials: 1024) { Value = (trial, _) => trial, Duration = (_, from, to) => to - from };
        simulation.Run();
        var rungs = scheduler.Rungs;
        Assert.Equal(1024, rungs.Where(r => r.Index == 0).Sum(r => r.Entered));
        foreach (var bracket in rungs.GroupBy(r => r.Bracket))
        {
            Assert.Equal(s_rungs[bracket.Key..], bracket.Select(r => r.Resource));
            foreach (var (lower, upper) in bracket.Zip(bracket.Skip(1)))
            {
                Assert.Equal(lower.Entered / 4, upper.Entered);
                Assert.Equal(upper.Entered, lower.Promoted);
            }
        }
        if (brackets == 1) Assert.Equal([1024, 256, 64, 16], rungs.Select(r => r.Entered));
        // softmax of 4, 3, 2, 1 rungs: 64.4, 23.7, 8.7 and 3.2 %
        else Assert.Equal([0.644, 0.237, 0.087, 0.032], rungs.Where(r => r.Index == 0).Select(r => r.Entered / 1024.0), (a, b) => Math.Abs(a - b) < 0.04);
    }

    [Fact]
    public void Values_of_a_measure_to_maximize_are_ranked_from_the_greatest_down()
    {
        var scheduler = Create(new AshaOptions { ReductionFactor = 2 }, length: 2, Direction.Maximize);
        for (int i = 0; i < 4; i++) scheduler.Next(i);
        double[] values = [1, 9, double.NaN, double.PositiveInfinity];
        Assert.All(Enumerable.Range(0, 4), i => Assert.Equal(ReportAction.Pause, scheduler.Report(i, 1, values[i])));
        Assert.Equal(new SlotDecision(SlotAction.Promote, 3, 2), scheduler.Next(null));
        Assert.Equal(new SlotDecision(SlotAction.Promote, 1, 2), scheduler.Next(null));
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
        // two more places, and a NaN or an infinite value on the wrong side never takes one
        for (int i = 4; i < 8; i++) scheduler.Next(i);
        Assert.All(Enumerable.Range(4, 4), i => Assert.Equal(ReportAction.Pause, scheduler.Report(i, 1, double.NegativeInfinity)));
        Assert.Equal(new SlotDecision(SlotAction.Promote, 0, 2), scheduler.Next(null));
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
    }

    [Fact]
    public void A_trial_that_fails_or_is_cancelled_is_not_sent_on_and_makes_no_place_for_another_one()
    {
        var scheduler = Create(new AshaOptions { ReductionFactor = 2 }, length: 4);
        for (int i = 0; i < 5; i++) scheduler.Next(i);
        scheduler.End(0, TrialState.Failed);
        for (int i = 1; i < 5; i++) scheduler.Report(i, 1, i);
        scheduler.End(1, TrialState.Pruned);
        scheduler.End(1, TrialState.Pruned);
        Assert.Equal(2, scheduler.Next(null).Trial);
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
        // on its way to the next rung: it never gets there
        scheduler.End(2, TrialState.Failed);
        Assert.Equal(ReportAction.Prune, scheduler.Report(2, 2, 0));
        Assert.Equal([4, 0, 0], scheduler.Rungs.Select(r => r.Entered));
        Assert.Equal(5, scheduler.Next(5).Trial);
    }

    [Fact]
    public void The_checkpoint_of_a_trial_is_kept_until_it_ends_and_older_ones_are_not()
    {
        var scheduler = Create(new AshaOptions { ReductionFactor = 2 }, length: 4);
        for (int i = 0; i < 2; i++) scheduler.Next(i);
        for (int i = 0; i < 2; i++) scheduler.Report(i, 1, i);
        Assert.True(scheduler.MayNeed(0, 1) && scheduler.MayNeed(1, 1));
        // on its way: from here another attempt would begin
        scheduler.Next(null);
        Assert.True(scheduler.MayNeed(0, 1));
        scheduler.Report(0, 2, 0);
        Assert.False(scheduler.MayNeed(0, 1));
        Assert.True(scheduler.MayNeed(0, 2));
        scheduler.End(1, TrialState.Pruned);
        Assert.False(scheduler.MayNeed(1, 1));
    }

    [Fact]
    public void A_report_may_pass_several_rungs_and_one_that_comes_twice_changes_nothing()
    {
        var scheduler = Create(new AshaOptions(), length: 64);
        for (int i = 0; i < 2; i++) scheduler.Next(i);
        Assert.Equal(ReportAction.Pause, scheduler.Report(0, 20, 5));
        Assert.Equal(ReportAction.Pause, scheduler.Report(0, 20, 5));
        Assert.Equal([1, 1, 1, 0], scheduler.Rungs.Select(r => r.Entered));
        Assert.Equal([1, 1, 0, 0], scheduler.Rungs.Select(r => r.Promoted));
        Assert.Equal(ReportAction.Complete, scheduler.Report(1, 64, 6));
        Assert.Equal([2, 2, 2, 1], scheduler.Rungs.Select(r => r.Entered));
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
        // the best one of the third rung is the trial that stands there: with four of them it is sent on
        for (int i = 2; i < 4; i++) scheduler.Next(i);
        for (int i = 2; i < 4; i++) scheduler.Report(i, 16, 7);
        Assert.Equal(new SlotDecision(SlotAction.Promote, 0, 64), scheduler.Next(4));
    }

    [Theory]
    [InlineData(1, 100, 4.0, 0, new long[] { 1, 4, 16, 100 })]
    [InlineData(1, 81, 3.0, 0, new long[] { 1, 3, 9, 27, 81 })]
    [InlineData(1, 81, 3.0, 2, new long[] { 9, 27, 81 })]
    [InlineData(1, 1000, 10.0, 0, new long[] { 1, 10, 100, 1000 })]
    [InlineData(5, 50, 2.5, 0, new long[] { 5, 13, 50 })]
    [InlineData(1, 9, 4.0, 0, new long[] { 1, 9 })]
    [InlineData(7, 7, 4.0, 0, new long[] { 7 })]
    public void The_rungs_grow_by_eta_from_the_least_resource_and_end_at_the_greatest(long least, long most, double eta, int bracket, long[] rungs)
    {
        var scheduler = Create(new AshaOptions { MinResource = least, MaxResource = most, ReductionFactor = eta, Brackets = bracket + 1 });
        Assert.Equal(rungs, scheduler.Rungs.Where(r => r.Bracket == bracket).Select(r => r.Resource));
    }

    /// <summary>Three timings, three numbers of workers, and failures that belong to trials: the same trials in the same rungs by the same ways.</summary>
    [Fact]
    public void In_trial_order_any_timing_gives_the_same_promotions()
    {
        var runs = (from workers in new[] { 1, 8, 100 }
                    from timing in new[] { 1, 2, 3 }
                    let scheduler = Create(new AshaOptions(), length: 64, deterministic: true)
                    let simulation = Simulation(scheduler, workers, trials: 1000, timing).Run()
                    select (Promotions: simulation.Decisions.Where(d => d.Action == SlotAction.Promote).Select(d => (d.Until, d.Trial)).Order().ToList(),
                        scheduler.Rungs, Completed: simulation.Completed.Order().ToList())).ToList();
        Assert.All(runs, run =>
        {
            Assert.Equal(runs[0].Promotions, run.Promotions);
            Assert.Equal(runs[0].Rungs, run.Rungs);
            Assert.Equal(runs[0].Completed, run.Completed);
        });
        Assert.True(runs[0].Promotions.Count > 250 && runs[0].Completed.Count > 10);
        Assert.Equal(runs[0].Promotions.Count, runs[0].Promotions.Distinct().Count());
        // as many as eta says at least, and some that later ones would have forestalled
        foreach (var (lower, upper) in runs[0].Rungs.Zip(runs[0].Rungs.Skip(1)))
            Assert.InRange(lower.Promoted, lower.Entered / 4, lower.Entered / 4 + 3 * Math.Sqrt(lower.Entered));
    }

    [Fact]
    public void Without_trial_order_the_promotions_depend_on_timing()
    {
        var first = Simulation(Create(new AshaOptions(), length: 64), 8, trials: 1000, timing: 1).Run();
        var second = Simulation(Create(new AshaOptions(), length: 64), 8, trials: 1000, timing: 2).Run();
        Assert.NotEqual(first.Decisions.Select(d => (d.Trial, d.Until)).Order(), second.Decisions.Select(d => (d.Trial, d.Until)).Order());
    }

    /// <summary>What it costs: nothing while there are new trials, and idle slots after the last one.</summary>
    [Fact]
    public void In_trial_order_no_worker_is_idle_while_a_new_trial_exists()
    {
        var simulation = Simulation(Create(new AshaOptions(), length: 64, deterministic: true), workers: 50, trials: 3000, timing: 1);
        simulation.AfterEvent = () => Assert.False(simulation.Idle > 0 && simulation.MayStart);
        simulation.Run();
        var free = Simulation(Create(new AshaOptions(), length: 64), workers: 50, trials: 3000, timing: 1).Run();
        Assert.InRange(simulation.IdleShare, free.IdleShare, free.IdleShare + 0.2);
    }

    /// <summary>Heads of queues that fail, at any rung and at any time, let the others pass.</summary>
    [Fact]
    public void In_trial_order_a_failed_head_of_a_queue_lets_the_others_pass()
    {
        var scheduler = Create(new AshaOptions { ReductionFactor = 2 }, length: 4, deterministic: true);
        for (int i = 0; i < 5; i++) scheduler.Next(i);
        for (int i = 1; i < 5; i++) scheduler.Report(i, 1, i);
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
        scheduler.End(0, TrialState.Failed);
        // 1 2: the best one of two; 1 2 3 4: the second best of four
        Assert.Equal([(1, 2L), (2, 2L)], new[] { scheduler.Next(null), scheduler.Next(null) }.Select(d => (d.Trial, d.Until)));
        Assert.Equal(ReportAction.Pause, scheduler.Report(2, 2, 8));
        Assert.Equal([4, 0, 0], scheduler.Rungs.Select(r => r.Entered));
        scheduler.End(1, TrialState.Failed);
        Assert.Equal([4, 1, 0], scheduler.Rungs.Select(r => r.Entered));
        Assert.Equal(SlotAction.Wait, scheduler.Next(null).Action);
    }

    [Fact]
    public void What_cannot_be_is_named_at_once()
    {
        var context = Contexts.Of(length: 8) with { Directions = [Direction.Minimize, Direction.Maximize], IsDeterministic = true };
        var problems = Assert.Throws<SpecException>(() => new AshaOptions { MinResource = 9, Variant = AshaVariant.Stopping }.Create(context)).Violations;
        Assert.Equal(["study.trial_scheduler", "study.trial_scheduler.min_resource", "study.trial_scheduler.variant"], problems.Select(p => p.Path).Order());
        Assert.Contains("the length of a trial is not known", Assert.Single(new AshaOptions().Check(Contexts.Of())).Message);
        Assert.Contains("rungs for 2", Assert.Single(new AshaOptions { Brackets = 3 }.Check(Contexts.Of(length: 8))).Message);
        var tooMany = new AshaOptions { ReductionFactor = 1.01 }.Check(Contexts.Of(length: 10000));
        Assert.Contains("is 1.01, which makes more than 60 rungs", Assert.Single(tooMany).Message);
        var scheduler = Create(new AshaOptions(), length: 8);
        Assert.Contains("not the next one", Assert.Throws<ArgumentException>(() => scheduler.Next(1)).Message);
        Assert.Contains("has not been started", Assert.Throws<ArgumentException>(() => scheduler.Report(0, 1, 1)).Message);
    }

    private static ITrialScheduler Create(AshaOptions options, long? length = null, Direction direction = Direction.Minimize, bool deterministic = false) =>
        options.Create(Contexts.Of(length, direction, deterministic));

    private static SchedulerSimulation Simulation(ITrialScheduler scheduler, int workers, int trials, int timing) => new(scheduler, workers, trials)
    {
        // the order of the trials changes from rung to rung
        Value = (trial, resource) => new CounterRandom(7, RandomPurpose.Simulation, trial).NextDouble()
            + new CounterRandom(7, RandomPurpose.Simulation, trial, resource).NextDouble() / resource,
        Duration = (trial, from, to) => (to - from) * (0.5 + new CounterRandom(timing, RandomPurpose.Simulation, trial, to, 1).NextDouble()),
        Fails = (trial, to) => new CounterRandom(7, RandomPurpose.Simulation, trial, to, 2).NextDouble() < 0.03,
    };

    /// <summary>What algorithm 2 of the paper would do, by a search through all values.</summary>
    private sealed class Oracle
    {
        private readonly SchedulerSimulation _simulation;
        private readonly List<(double Value, int Trial)>[] _reached;
        private readonly HashSet<int>[] _promoted;
        private readonly long[] _rungs;
        private readonly int _eta;

        public Oracle(SchedulerSimulation simulation, long[] rungs, int eta)
        {
            (_simulation, _rungs, _eta) = (simulation, rungs, eta);
            _reached = [.. rungs.Select(_ => new List<(double, int)>())];
            _promoted = [.. rungs.Select(_ => new HashSet<int>())];
            simulation.OnReport = (trial, resource, _) => _reached[Array.IndexOf(rungs, resource)].Add((simulation.Value(trial, resource), trial));
            simulation.OnDecision = decision =>
            {
                if (decision.Action != SlotAction.Promote) return;
                int from = Array.IndexOf(rungs, decision.Until) - 1;
                Assert.Equal((decision.Trial, from), Promotable());
                Assert.True(_promoted[from].Add(decision.Trial), $"trial {decision.Trial} was promoted twice from rung {from}");
            };
        }

        /// <summary>The best trial of the highest rung that has one to promote.</summary>
        public (int Trial, int Rung)? Promotable()
        {
            for (int k = _rungs.Length - 2; k >= 0; k--)
                foreach (var (_, trial) in Top(k))
                    if (!_promoted[k].Contains(trial)) return (trial, k);
            return null;
        }

        public void AssertRungs(IEnumerable<RungStatus> rungs)
        {
            Assert.Equal(_reached.Select(r => r.Count), rungs.Select(r => r.Entered));
            Assert.Equal(_promoted.Select(r => r.Count), rungs.Select(r => r.Promoted));
            foreach (var (reached, promoted) in _reached.Zip(_promoted).SkipLast(1))
                Assert.InRange(promoted.Count, reached.Count / _eta, reached.Count / _eta + 3 * Math.Sqrt(reached.Count));
        }

        private IEnumerable<(double Value, int Trial)> Top(int rung)
        {
            // a rung that has not changed since it was looked at last need not be sorted again
            var reached = _reached[rung];
            reached.Sort();
            return reached.Take(reached.Count / _eta);
        }
    }
}
