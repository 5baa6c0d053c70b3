using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The model of BOHB at the rungs of a trial scheduler.</summary>
public sealed class BohbSamplerTests
{
    private static readonly SearchSpace s_space = new([new("x", new FloatDomain(0, 2)), new("kind", new ChoiceDomain(["a", "b", "c"]))]);

    private static readonly SearchSpace s_line = new([new("x", new FloatDomain(0, 1))]);

    /// <summary>Written down once more, without any of the sampler's code.</summary>
    [Fact]
    public void Densities_are_means_of_normal_and_Aitchison_Aitken_kernels_at_the_reference_bandwidth()
    {
        double[][] rows = [[0.1, 0], [0.4, 0], [0.35, 2], [0.9, 0], [0.2, 1]];
        var density = new ProductKernelDensity(rows, [0, 3], 1e-3);
        double n = Math.Pow(5, -1 / 6.0) * 1.06;
        double h = n * Math.Sqrt(rows.Average(r => Math.Pow(r[0] - 0.39, 2))), k = n * Math.Sqrt(rows.Average(r => Math.Pow(r[1] - 0.6, 2)));
        Assert.Equal(h, density.Bandwidths[0], 1e-14);
        Assert.Equal(k, density.Bandwidths[1], 1e-14);
        Assert.Equal(Closed(rows, h, k, 0.3, 2), density.At([0.3, 2]), 1e-14);
        Assert.Equal(Closed(rows, h, k, 0.3, 0), density.At([0.3, 0]), 1e-14);
        // over all numbers and choices it is 1
        double sum = 0;
        for (double x = -5; x <= 6; x += 1e-3)
            for (int c = 0; c < 3; c++) sum += density.At([x, c]) * 1e-3;
        Assert.Equal(1, sum, 1e-6);
    }

    [Fact]
    public void Bandwidths_are_at_least_the_least_and_those_of_choices_at_most_even()
    {
        var density = new ProductKernelDensity([[0.5, 0], [0.5, 9]], [0, 10], 0.02);
        Assert.Equal([0.02, 0.9], density.Bandwidths);
        Assert.Equal(density.At([0.5, 0]), density.At([0.5, 5]), 1e-12);
    }

    /// <summary>The whole choice, step by step and in the order of the draws, from 30 trials at one rung.</summary>
    [Fact]
    public void A_suggestion_is_the_candidate_with_the_greatest_ratio_of_good_to_other_trials()
    {
        var history = History(s_space, 30, (x, kind) => Math.Abs(x - 0.6) + kind / 10);
        var trials = history.Trials.OrderBy(t => t.Rungs[0].Value).Select(t => new[] { t.Parameters[0] / 2, t.Parameters[1] }).ToList();
        double[][] good = [.. trials.Take(4)], bad = [.. trials.Skip(4).Take(25)];
        int different = 0;
        for (int number = 30; number < 50; number++)
        {
            double[] suggested = new double[2];
            new BohbSampler(new BohbOptions()).Suggest(history, 4, number, suggested);
            var random = new CounterRandom(4, RandomPurpose.Search, number);
            if (random.NextDouble() < 1.0 / 3) continue;
            var (hg, kg) = (Width(good, 0, 1), Width(good, 1, 2.0 / 3));
            var (hb, kb) = (Width(bad, 0, 1), Width(bad, 1, 2.0 / 3));
            double most = double.NegativeInfinity;
            double[] best = [];
            for (int i = 0; i < 64; i++)
            {
                double[] datum = good[random.NextInt(good.Length)];
                double u = random.NextDouble(), width = 3 * hg;
                double from = NormalDistribution.Cdf((0 - datum[0]) / width), to = NormalDistribution.Cdf((1 - datum[0]) / width);
                double x = datum[0] + width * NormalDistribution.Quantile(from + u * (to - from));
                double keep = random.NextDouble(), kind = random.NextInt(3);
                if (keep < 1 - kg) kind = datum[1];
                double ratio = Math.Log(Closed(good, hg, kg, x, kind)) - Math.Log(Closed(bad, hb, kb, x, kind));
                if (ratio <= most) continue;
                (most, best) = (ratio, [x, kind]);
            }
            Assert.Equal(2 * best[0], suggested[0], 1e-9);
            Assert.Equal(best[1], suggested[1]);
            different++;
        }
        Assert.InRange(different, 8, 19);
    }

    /// <summary>One more than twice as many as there are parameters, and one, make good and other trials.</summary>
    [Fact]
    public void The_highest_rung_that_has_enough_trials_counts()
    {
        double Mean(int atSecond)
        {
            var history = new StudyHistory(s_line, Direction.Minimize);
            for (int i = 0; i < 40; i++)
            {
                double x = i / 39.0;
                var first = new Report(1, Math.Abs(x - 0.1));
                // those that went on say the opposite there
                bool goesOn = i * 7 % 40 < atSecond;
                history.Set(Trial(i, x) with { Rungs = goesOn ? [first, new Report(3, Math.Abs(x - 0.9))] : [first] });
            }
            var sampler = new BohbSampler(new BohbOptions { RandomFraction = 0 });
            double[] value = new double[1];
            return Enumerable.Range(40, 50).Average(number =>
            {
                sampler.Suggest(history, 1, number, value);
                return value[0];
            });
        }

        Assert.InRange(Mean(0), 0, 0.3);
        Assert.InRange(Mean(3), 0, 0.3);
        Assert.InRange(Mean(8), 0.7, 1);
    }

    [Fact]
    public void A_trial_that_failed_is_worse_than_any_and_one_that_breaks_a_constraint_than_any_that_does_not()
    {
        double[] Ends(Func<int, double, StudyTrial> trial)
        {
            var history = new StudyHistory(s_line, Direction.Maximize);
            for (int i = 0; i < 30; i++) history.Set(trial(i, i / 29.0));
            var sampler = new BohbSampler(new BohbOptions { RandomFraction = 0, TopPercent = 40 });
            double[] value = new double[1];
            return [.. Enumerable.Range(30, 60).Select(number =>
            {
                sampler.Suggest(history, 1, number, value);
                return value[0];
            })];
        }

        Assert.All(Ends((i, x) => Trial(i, x) with { Rungs = [new Report(1, 1)], State = TrialState.Paused }), x => Assert.True(x < 0.75));
        // of equal ones the first are the good ones; here those fail
        Assert.True(Ends((i, x) => Trial(i, x) with { Rungs = [new Report(1, x < 0.5 ? double.NaN : 1)], State = TrialState.Failed }).Average() > 0.5);
        Assert.True(Ends((i, x) => Trial(i, x) with { Rungs = [new Report(1, 1)], Constraints = [0.5 - x] }).Average() > 0.5);
    }

    [Fact]
    public void What_a_trial_has_no_value_of_is_taken_from_another_one_that_has_it()
    {
        double[][] rows = [[0, double.NaN, double.NaN, 0.5], [1, 0.25, 2, double.NaN], [2, 0.75, 1, 0.1]];
        var seen = new HashSet<string>();
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Search, 0);
            double[][] filled = BohbSampler.Imputed(rows, [3, 0, 3, 0], ref random);
            Assert.Equal(rows[2], filled[2]);
            Assert.Contains(filled[1][3], new[] { 0.5, 0.1 });
            seen.Add($"{filled[0][1]} {filled[0][2]}");
            Assert.Equal((0, 0.5), (filled[0][0], filled[0][3]));
        }
        // both from the same one
        Assert.Equal(["0.25 2", "0.75 1"], seen.Order());
        var any = new CounterRandom(1, RandomPurpose.Search, 0);
        double[] alone = BohbSampler.Imputed([[double.NaN, double.NaN]], [3, 0], ref any)[0];
        Assert.Contains(alone[0], new[] { 0.0, 1, 2 });
        Assert.InRange(alone[1], 0, 1);
    }

    /// <summary>What it is told: every rung that a trial has come to, with its value there, also in a deterministic study.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Trials_have_what_they_were_worth_at_their_rungs(bool deterministic)
    {
        var simulation = new StudySimulation(StudySetups.Of("bohb", "hyperband", deterministic: deterministic), slots: 4, timing: 2).Run();
        var history = simulation.Engine.History;
        var reports = simulation.Of<StudyEvent.Reported>().ToLookup(r => r.Trial);
        var ends = simulation.Of<StudyEvent.Ended>().ToDictionary(e => e.Trial);
        int several = 0;
        foreach (var trial in history.Trials.Where(t => t.HasEnded))
        {
            double[] expected = [.. reports[trial.Number].Where(r => r.Action is ReportAction.Pause or ReportAction.Complete).Select(r => r.Values[0])];
            if (ends[trial.Number].State == TrialState.Failed) expected = [.. expected, double.NaN];
            Assert.Equal(expected, trial.Rungs.Select(r => r.Value));
            Assert.All(trial.Rungs, r => Assert.Contains(r.Step, new long[] { 2, 5, 16 }));
            Assert.Equal(trial.Rungs.Select(r => r.Step).Distinct().Order(), trial.Rungs.Select(r => r.Step));
            if (trial.Rungs.Length > 1) several++;
        }
        Assert.True(several > 3);
    }

    /// <summary>The highest rung has the mean of a trial's runs; of those that fail in a later one it has that they failed.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Trials_of_several_runs_are_worth_at_the_highest_rung_what_they_bring(bool deterministic)
    {
        var setup = StudySetups.Of("bohb", "hyperband", deterministic: deterministic) with { Repeats = 3 };
        var simulation = new StudySimulation(setup, slots: 4, timing: 2).Run();
        var ends = simulation.Of<StudyEvent.Ended>().ToDictionary(e => e.Trial);
        var later = simulation.Of<StudyEvent.RunCompleted>().Select(r => r.Trial).ToHashSet();
        var trials = simulation.Engine.History.Trials;
        var complete = trials.Where(t => t.State == TrialState.Complete).ToList();
        Assert.True(complete.Count > 5);
        Assert.All(complete, t => Assert.Equal(new Report(16, Assert.Single(ends[t.Number].Values)), t.Rungs[^1]));
        Assert.All(trials.Where(t => t.State == TrialState.Failed && later.Contains(t.Number)), t => Assert.Equal(new Report(16, double.NaN), t.Rungs[^1]));
        Assert.All(trials, t => Assert.Equal(t.Rungs.Select(r => r.Step).Distinct().Order(), t.Rungs.Select(r => r.Step)));
    }

    /// <summary>
    /// The paper's counting ones (section 5.1), with 4 choices and 4 probabilities: so many of them are 1, a probability as measured by as many draws as a
    /// trial has resource. 15 of 20 seeds have p = 0.02 by the sign test.
    /// </summary>
    [Fact]
    public void With_hyperband_it_finds_better_values_than_random_configurations_with_hyperband_do()
    {
        double[] bohb = [.. Enumerable.Range(0, 20).Select(seed => Ones(new BohbSampler(new BohbOptions()), seed))];
        double[] random = [.. Enumerable.Range(0, 20).Select(seed => Ones(new RandomSampler(), seed))];
        int better = bohb.Zip(random, (b, r) => b > r).Count(b => b);
        string found = $"better in {better} of 20; medians {bohb.Order().ElementAt(10):0.000} and {random.Order().ElementAt(10):0.000} of 8";
        TestContext.Current.TestOutputHelper?.WriteLine(found);
        Assert.True(better >= 15, found);
    }

    [Fact]
    public void What_it_cannot_do_is_refused_by_name()
    {
        var sampler = new BohbSampler(new BohbOptions { MinPoints = 2 });
        Assert.Equal([
            "study.sampler: is bohb, which is for one objective, but the study has 2",
            "study.sampler.min_points: is 2, but a density over 2 parameters needs 3 trials; give at least that, or auto",
        ], sampler.Check(s_space, 2).Select(v => v.ToString()));
        foreach (string scheduler in new[] { "fifo", "pbt", "asha, stopping" })
        {
            var error = Assert.Throws<SpecException>(() => new StudyEngine(StudySetups.Of("bohb", scheduler), _ => { }));
            Assert.Contains("study.sampler: learns from trials that pause at rungs (bohb), and trial_scheduler has none; use hyperband", error.Message);
        }
    }

    /// <summary>What the best trial of 200 is worth: the sum that it would have after draws without end.</summary>
    private static double Ones(ISampler sampler, int seed)
    {
        var space = new SearchSpace([
            .. Enumerable.Range(0, 4).Select(i => new SearchParameter($"choice{i}", new ChoiceDomain(["0", "1"]))),
            .. Enumerable.Range(0, 4).Select(i => new SearchParameter($"share{i}", new FloatDomain(0, 1))),
        ]);
        var study = new EngineFixture(EngineFixture.Random() with
        {
            Context = new StudyContext { Space = space, Directions = [Direction.Maximize], Seed = seed, Trials = 200, TrialLength = 243 },
            Sampler = () => sampler,
            TrialScheduler = c => new Hyperband(new HyperbandOptions { MinResource = 9 }, c),
            Parallel = 1,
        });
        while (study.Engine.Decide().Order is { } order)
        {
            double sum = order.Parameters.Take(4).Sum();
            for (int j = 4; j < 8; j++)
            {
                var random = new CounterRandom(seed, RandomPurpose.Simulation, order.Id.Trial, j);
                int ones = 0;
                for (int draw = 0; draw < order.Until; draw++) ones += random.NextDouble() < order.Parameters[j] ? 1 : 0;
                sum += ones / (double)order.Until;
            }
            study.Report(order, order.Until, sum);
            if (order.Until == 243) study.Complete(order, sum);
            else study.Engine.Release(order.Id, order.Until);
        }
        return study.Engine.Status().Best!.Parameters.Sum();
    }

    private static StudyHistory History(SearchSpace space, int count, Func<double, double, double> value)
    {
        var history = new StudyHistory(space, Direction.Minimize);
        double[] values = new double[space.Count];
        for (int i = 0; i < count; i++)
        {
            new RandomSampler().Suggest(history, 1, i, values);
            var reached = new Report(9, value(values[0], values[1]));
            history.Set(new StudyTrial { Number = i, State = TrialState.Paused, Parameters = [.. values], Rungs = [reached] });
        }
        return history;
    }

    private static StudyTrial Trial(int number, double x) => new() { Number = number, State = TrialState.Complete, Parameters = [x], Values = [0] };

    private static double Width(double[][] rows, int dimension, double most)
    {
        double mean = rows.Average(r => r[dimension]);
        double deviation = Math.Sqrt(rows.Average(r => Math.Pow(r[dimension] - mean, 2)));
        return Math.Min(most, Math.Max(1e-3, 1.06 * deviation * Math.Pow(rows.Length, -1 / 6.0)));
    }

    private static double Closed(double[][] rows, double h, double k, double x, double kind) => rows.Average(r =>
        Math.Exp(-(x - r[0]) * (x - r[0]) / (2 * h * h)) / Math.Sqrt(2 * Math.PI * h * h) * (kind == r[1] ? 1 - k : k / 2));
}
