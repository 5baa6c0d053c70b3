using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>Population-based training: who copies whom, and what becomes of the parameters.</summary>
public sealed class PbtTests
{
    private static readonly PbtOptions s_options = new() { PerturbationInterval = 10 };

    /// <summary>Four trials, the best and the worst quarter: one each. By hand.</summary>
    [Fact]
    public void The_worst_goes_on_from_the_checkpoint_of_the_best_with_its_parameters_changed()
    {
        var pbt = Create(s_options with { ResampleProbability = 0 });
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(new SlotDecision(SlotAction.Start, i, 10), pbt.Next(i));
            pbt.Begin(i, [0.01 * (i + 1), 0.5, 100, 1, 0]);
        }
        // no more than the population
        Assert.Equal(SlotAction.Wait, pbt.Next(4).Action);
        Assert.Equal(ReportAction.Continue, pbt.Report(0, 9, 1));
        // the only one with a score is neither best nor worst
        Assert.Equal(ReportAction.Continue, pbt.Report(0, 10, 1));
        // the worst of two, but the best one has left no checkpoint
        Assert.Equal(ReportAction.Continue, pbt.Report(1, 10, 2));
        Assert.Equal(ReportAction.Checkpoint, pbt.Report(2, 12, 0.5));
        Assert.Equal(ReportAction.Pause, pbt.Report(3, 11, double.NaN));
        Assert.Equal(ReportAction.Pause, pbt.Report(3, 12, 0));

        // needed, although 2 has moved on and is not among the best any more
        pbt.Report(0, 20, 0.1);
        Assert.Equal(ReportAction.Pause, pbt.Report(2, 22, 0.6));
        Assert.True(pbt.MayNeed(2, 12) && pbt.MayNeed(2, 22) && pbt.MayNeed(0, 20));
        Assert.False(pbt.MayNeed(3, 12) || pbt.MayNeed(2, 21) || pbt.MayNeed(0, 10));

        var decision = pbt.Next(4);
        Assert.Equal((SlotAction.Promote, 3), (decision.Action, decision.Trial));
        // the next comparison is an interval after the donor's
        Assert.Equal(22, decision.Until);
        var exploit = decision.Exploit!;
        Assert.Equal((2, 12L), (exploit.Donor, exploit.Resource));
        Assert.Contains(Math.Round(exploit.Parameters[0], 9), new[] { 0.036, 0.024 });
        Assert.Contains(Math.Round(exploit.Parameters[1], 9), new[] { 0.6, 0.4 });
        Assert.Contains(exploit.Parameters[2], new[] { 120.0, 80 });
        Assert.Contains(exploit.Parameters[3], new[] { 0.0, 2 });
        Assert.Equal(ReportAction.Continue, pbt.Report(3, 21, 0));
        Assert.True(pbt.MayNeed(2, 12));
        Assert.Equal(new SlotDecision(SlotAction.Promote, 0, 30), pbt.Next(4));
        Assert.Equal(ReportAction.Complete, pbt.Report(3, 100, 0));
        Assert.False(pbt.MayNeed(2, 12));
        // its place is free
        Assert.Equal(new SlotDecision(SlotAction.Start, 4, 10), pbt.Next(4));
    }

    [Fact]
    public void Those_that_have_ended_are_neither_copied_nor_counted()
    {
        var pbt = Create(s_options);
        for (int i = 0; i < 4; i++)
        {
            pbt.Next(i);
            pbt.Begin(i, [0.01, 0.5, 100, 1, 0]);
        }
        pbt.Report(0, 10, 3);
        Assert.Equal(ReportAction.Checkpoint, pbt.Report(1, 10, 1));
        pbt.End(1, TrialState.Failed);
        pbt.End(1, TrialState.Failed);
        // of 0 and 2 the best; nobody is left to copy for 3, whose donor would have been 1
        Assert.Equal(ReportAction.Checkpoint, pbt.Report(2, 10, 2));
        Assert.Equal(ReportAction.Pause, pbt.Report(3, 10, 9));
        Assert.Equal(2, pbt.Next(null).Exploit!.Donor);
        Assert.Equal(ReportAction.Prune, pbt.Report(1, 20, 0));
    }

    /// <summary>n = 4, 5, 6, 9 of one quarter and of one half: ceil(n * q), at most half.</summary>
    [Theory]
    [InlineData(4, 0.25, 1)]
    [InlineData(5, 0.25, 2)]
    [InlineData(9, 0.25, 3)]
    [InlineData(5, 0.5, 2)]
    [InlineData(6, 0.0, 0)]
    public void The_quantiles_have_as_many_trials_as_the_rule_says(int population, double fraction, int size)
    {
        var pbt = Create(s_options with { Population = population, QuantileFraction = fraction, Synchronous = true });
        for (int i = 0; i < population; i++)
        {
            pbt.Next(i);
            pbt.Begin(i, [0.01, 0.5, 100, 1, 0]);
        }
        for (int i = 0; i < population; i++) Assert.Equal(ReportAction.Pause, pbt.Report(i, 10, i));
        var exploits = Enumerable.Range(0, population).Select(_ => pbt.Next(null)).Where(d => d.Exploit is not null).ToList();
        Assert.Equal(Enumerable.Range(population - size, size), exploits.Select(e => e.Trial).Order());
        Assert.All(exploits, e => Assert.InRange(e.Exploit!.Donor, 0, size - 1));
    }

    [Fact]
    public void A_parameter_is_drawn_anew_or_perturbed_as_often_as_the_options_say()
    {
        ImmutableArray<double> from = [0.01, 0.5, 13, 3, 1];
        var draws = Enumerable.Range(0, 4000).Select(i =>
        {
            var random = new CounterRandom(1, RandomPurpose.Search, i, 1);
            return Pbt.Explore(Contexts.Space, from, new PbtOptions(), ref random);
        }).ToList();
        Assert.All(draws, d => Assert.Empty(Contexts.Space.Check([.. d])));
        AssertShare(0.375, draws.Count(d => Math.Abs(d[1] - 0.6) < 1e-12));
        AssertShare(0.375, draws.Count(d => Math.Abs(d[1] - 0.4) < 1e-12));
        // 15.6 and 10.4 are cut
        Assert.InRange(draws.Count(d => d[2] == 15) / 4000.0, 0.34, 0.41);
        Assert.InRange(draws.Count(d => d[2] == 10) / 4000.0, 0.34, 0.41);
        // the last of four in order: stays or goes one down, or any of them
        AssertShare(0.375 + 0.0625, draws.Count(d => d[3] == 3));
        AssertShare(0.375 + 0.0625, draws.Count(d => d[3] == 2));
        AssertShare(0.0625, draws.Count(d => d[3] == 0));
        // without order: any of three
        AssertShare(1 / 3.0, draws.Count(d => d[4] == 1));

        void AssertShare(double share, int count) => Assert.InRange(count / 4000.0, share - 0.03, share + 0.03);
    }

    [Fact]
    public void Perturbed_values_stay_in_their_domains_and_children_follow_their_parents()
    {
        var space = new SearchSpace(
        [
            new("kind", new ChoiceDomain(["sgd", "adam"])),
            new("momentum", new FloatDomain(0, 0.9, step: 0.1), new Condition("kind", Among: [0])),
            new("depth", new IntDomain(1, 9, 2)),
        ]);
        ImmutableArray<double> from = [1, double.NaN, 9];
        for (int i = 0; i < 200; i++)
        {
            var random = new CounterRandom(1, RandomPurpose.Search, i, 1);
            var values = Pbt.Explore(space, from, new PbtOptions { ResampleProbability = 0 }, ref random);
            Assert.Empty(space.Check([.. values]));
            Assert.Contains(values[2], new[] { 7.0, 9 });
        }
    }

    /// <summary>The product of 0.01 and 100 is to be at most 1.1, and the rate not below its own.</summary>
    [Fact]
    public void Where_no_change_keeps_to_the_constraints_the_parameters_are_the_donors()
    {
        var context = Contexts.Of(length: 100);
        ConstraintSection[] sections = [new() { Parameters = "rate * width", AtMost = 1.1 }, new() { Parameters = "rate", AtLeast = 0.01 }];
        context = context with { Constraints = [.. sections.Select(c => ParameterConstraint.Of(c, context.Space).Constraint!)] };
        Assert.Equal([0.01, 0.5, 100, 1, 0], Copied(context, 1.2));
        // one factor of both keeps to them
        var free = Copied(context, 0.8, 1.25);
        Assert.Equal(0.0125, free[0], 12);
        Assert.Equal(80, free[2]);

        static ImmutableArray<double> Copied(StudyContext context, params ImmutableArray<double> factors)
        {
            var options = s_options with { Population = 2, QuantileFraction = 0.5, Synchronous = true, ResampleProbability = 0, Factors = factors };
            var pbt = new Pbt(options, context);
            for (int i = 0; i < 2; i++)
            {
                pbt.Next(i);
                pbt.Begin(i, [0.01, 0.5, 100, 1, 0]);
            }
            for (int i = 0; i < 2; i++) pbt.Report(i, 10, i);
            return Enumerable.Range(0, 2).Select(_ => pbt.Next(null).Exploit).OfType<Exploit>().Single().Parameters;
        }
    }

    /// <summary>12 trials on 5 slots: the least advanced first, so that none is farther ahead than an interval when another one gets a slot.</summary>
    [Fact]
    public void More_trials_than_slots_take_turns()
    {
        var pbt = Create(s_options with { Population = 12, QuantileFraction = 0 });
        var resources = new long[12];
        var simulation = new SchedulerSimulation(pbt, workers: 5, trials: 12)
        {
            Value = (trial, _) => trial,
            Duration = (trial, from, to) => (to - from) * (0.9 + 0.2 * new CounterRandom(1, RandomPurpose.Simulation, trial, to).NextDouble()),
            Parameters = _ => [0.01, 0.5, 100, 1, 0],
        };
        simulation.OnReport = (trial, resource, _) => resources[trial] = resource;
        simulation.OnDecision = d =>
        {
            if (simulation.Started < 12) Assert.Equal(SlotAction.Start, d.Action);
            Assert.InRange(resources.Max() - resources[d.Trial], 0, 20);
        };
        simulation.Run();
        Assert.Equal(12, simulation.Completed.Count);
    }

    /// <summary>Values improve at a rate that depends on a parameter: the population finds good ones on the way.</summary>
    [Fact]
    public void A_population_ends_better_than_its_members_alone()
    {
        double Run(double fraction, int seed)
        {
            var pbt = new Pbt(new PbtOptions { PerturbationInterval = 5, Population = 10, QuantileFraction = fraction },
                Contexts.Of(length: 100) with { Seed = seed, Trials = 10 });
            var parameters = new ImmutableArray<double>[10];
            var checkpoints = new Dictionary<(int, long), double>();
            double[] state = new double[10];
            long[] at = new long[10];
            var simulation = new SchedulerSimulation(pbt, workers: 10, trials: 10)
            {
                Every = 5,
                Parameters = trial =>
                {
                    double rate = Math.Pow(10, -5 + 5 * new CounterRandom(seed, RandomPurpose.Data, trial).NextDouble());
                    return parameters[trial] = [rate, 0.5, 100, 1, 0];
                },
                Duration = (trial, from, to) =>
                {
                    // the best rate is 0.1
                    state[trial] += (to - from) * Math.Exp(-Math.Pow(Math.Log10(parameters[trial][0]) + 1, 2));
                    checkpoints[(trial, to)] = state[trial];
                    return 1 + 0.01 * trial;
                },
                Value = (trial, _) => -state[trial],
            };
            simulation.OnDecision = d =>
            {
                if (d.Exploit is not { } exploit) return;
                parameters[d.Trial] = exploit.Parameters;
                state[d.Trial] = checkpoints[(exploit.Donor, exploit.Resource)];
            };
            simulation.Run();
            return state.Average();
        }

        for (int seed = 0; seed < 5; seed++) Assert.True(Run(0.25, seed) > 1.5 * Run(0, seed), $"seed {seed}: {Run(0.25, seed)} against {Run(0, seed)}");
    }

    [Fact]
    public void What_cannot_be_is_named_at_once()
    {
        var context = Contexts.Of(length: 10, deterministic: true) with { Trials = 3 };
        Assert.Equal(["study.trial_scheduler.perturbation_interval", "study.trial_scheduler.population", "study.trial_scheduler.synchronous"],
            s_options.Check(context).Select(v => v.Path).Order());
        Assert.Contains("the length of a trial is not known", Assert.Single(s_options.Check(Contexts.Of())).Message);
    }

    private static Pbt Create(PbtOptions options) => new(options, Contexts.Of(length: 100));
}
