using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Densities against the definition, written out slowly: reference tuning-algorithms d.1 (Optuna's parzen_estimator.py).</summary>
public sealed class ParzenEstimatorTests
{
    private static readonly SearchSpace s_space = new(
    [
        new("x", new FloatDomain(-1, 2)),
        new("rate", new FloatDomain(1e-4, 1, log: true)),
        new("layers", new IntDomain(1, 6)),
        new("share", new FloatDomain(0, 1, step: 0.1)),
        new("width", new IntDomain(1, 512, log: true)),
        new("kind", new ChoiceDomain(["a", "b", "c"])),
        new("batch", new IntDomain(2, 24, log: true)),
    ]);

    [Theory]
    [InlineData(0, Bandwidth.Gaps, false)]
    [InlineData(1, Bandwidth.Gaps, false)]
    [InlineData(2, Bandwidth.Gaps, false)]
    [InlineData(7, Bandwidth.Gaps, true)]
    [InlineData(26, Bandwidth.Gaps, false)]
    [InlineData(140, Bandwidth.Gaps, false)]
    [InlineData(700, Bandwidth.Gaps, false)] // more kernels than are evaluated at once
    [InlineData(30, Bandwidth.Scott, false)]
    public void The_density_is_that_of_the_definition(int count, Bandwidth bandwidth, bool endpoints)
    {
        var history = History(count + 9);
        // every other trial or so is no observation
        bool[] members = [.. Enumerable.Range(0, count + 9).Select(i => i >= 9 || i % 2 == 3)];
        // one estimator after the other over every kind of domain, each after each other kind: nothing of the one before may stay
        int[][] groups = [[0], [1], [2], [3], [4], [5], [2], [5], [0], [3], [0], [5], [6], [1], [0, 1, 2, 3, 4, 5], [6, 5, 4, 3, 2, 1, 0]];
        var estimator = new ParzenEstimator(1.5, endpoints, bandwidth);
        foreach (int[] group in groups)
        {
            estimator.Fit(history, group, members);
            var random = new CounterRandom(1, RandomPurpose.Search, group.Length);
            double[] points = new double[20 * group.Length], densities = new double[20];
            for (int i = 0; i < 20; i++) estimator.Draw(ref random, points.AsSpan(i * group.Length, group.Length));
            estimator.LogDensities(points, densities);
            var kernels = group.Select(parameter => Kernels(history, parameter, members, group.Length, endpoints, bandwidth)).ToArray();
            for (int i = 0; i < 20; i++)
            {
                double expected = Slow(history, group, members, points[(i * group.Length)..][..group.Length], 1.5, kernels);
                Assert.Equal(expected, densities[i], Math.Abs(expected) * 1e-9 + 1e-9);
            }
        }
    }

    /// <summary>
    /// One observation, 5 of 1 to 10: two kernels of the same weight, on the scale from ln 0.5 to ln 10.5. That of 5 has the larger gap, ln 5 - ln 0.5, as its
    /// deviation, the prior's mean is the middle, and its deviation the whole. Mass of n: of a truncated normal distribution from ln(n - 1/2) to ln(n + 1/2).
    /// </summary>
    [Fact]
    public void A_logarithmic_integer_has_the_mass_of_its_interval()
    {
        var history = new StudyHistory(new SearchSpace([new("n", new IntDomain(1, 10, log: true))]), Direction.Minimize);
        history.Set(new StudyTrial { Number = 0, State = TrialState.Complete, Parameters = [5], Values = [1] });
        var estimator = new ParzenEstimator(1, endpoints: false, Bandwidth.Gaps);
        estimator.Fit(history, [0], [true]);
        double low = Math.Log(0.5), high = Math.Log(10.5), all = 0;
        double[] point = new double[1], density = new double[1];
        for (int n = 1; n <= 10; n++)
        {
            double expected = 0.5 * Mass(n, Math.Log(5), Math.Log(10)) + 0.5 * Mass(n, (low + high) / 2, high - low);
            estimator.LogDensities([Math.Log(n)], density);
            Assert.Equal(expected, Math.Exp(density[0]), 1e-13);
            all += Math.Exp(density[0]);
        }
        Assert.Equal(1, all, 1e-12);
        // what is scored is a value of the domain
        var random = new CounterRandom(1, RandomPurpose.Search, 1);
        for (int i = 0; i < 200; i++)
        {
            estimator.Draw(ref random, point);
            Assert.Equal(Math.Log(Math.Round(Math.Exp(point[0]))), point[0]);
        }

        double Mass(int n, double mean, double deviation) =>
            Part(Math.Log(n - 0.5), Math.Log(n + 0.5), mean, deviation) / Part(low, high, mean, deviation);

        static double Part(double from, double to, double mean, double deviation) =>
            0.5 * (Erf((to - mean) / (deviation * Math.Sqrt(2))) - Erf((from - mean) / (deviation * Math.Sqrt(2))));

        // the series about 0
        static double Erf(double x)
        {
            double sum = 0, power = x;
            for (int k = 0; k < 60; power *= -x * x / ++k) sum += power / (2 * k + 1);
            return 2 / Math.Sqrt(Math.PI) * sum;
        }
    }

    /// <summary>Of kernels far from a value only the order of magnitude is worked out: they are nothing beside the prior.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Far_kernels_change_nothing(bool isLogarithmic)
    {
        var domain = new IntDomain(1, 100_000, log: isLogarithmic);
        var history = new StudyHistory(new SearchSpace([new("n", domain)]), Direction.Minimize);
        // at one end, each as wide as the narrowest may be
        for (int i = 0; i < 200; i++) history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [99_000 + i], Values = [i] });
        var estimator = new ParzenEstimator(1, endpoints: false, Bandwidth.Gaps);
        bool[] members = new bool[200];
        Array.Fill(members, true);
        estimator.Fit(history, [0], members);
        var (low, high) = domain.Bounds;
        double[] density = new double[1];
        // 15 % of the scale away and more
        foreach (int n in isLogarithmic ? [1, 3, 10_000] : new[] { 3, 40_000, 80_000 })
        {
            double from = domain.ToScale(n - 0.5), to = domain.ToScale(n + 0.5), middle = (low + high) / 2, span = high - low;
            double prior = NormalDistribution.Between((from - middle) / span, (to - middle) / span) / NormalDistribution.Between(-0.5, 0.5);
            double weight = 1 / (Enumerable.Range(0, 175).Sum(k => 1 / 200.0 + (1 - 1 / 200.0) * k / 174) + 26);
            estimator.LogDensities([domain.ToScale(n)], density);
            Assert.Equal(Math.Log(weight * prior), density[0], 1e-9);
        }
    }

    /// <summary>Two kernels of 3 choices, with 2/3 for the one that was seen and 1/6 for the others, and the even one of the prior.</summary>
    [Fact]
    public void Observations_that_are_given_weights_count_by_them()
    {
        var history = new StudyHistory(new SearchSpace([new("kind", new ChoiceDomain(["a", "b", "c"]))]), Direction.Minimize);
        for (int i = 0; i < 3; i++) history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [i % 2], Values = [i] });
        var estimator = new ParzenEstimator(1, false, Bandwidth.Gaps);
        estimator.Fit(history, [0], [true, true, false], [2, 0.5, 7]);
        double[] densities = new double[3];
        estimator.LogDensities([0, 1, 2], densities);
        double[] expected = [(2 * 2.0 / 3 + 0.5 / 6 + 1.0 / 3) / 3.5, (2.0 / 6 + 0.5 * 2 / 3 + 1.0 / 3) / 3.5, (2.0 / 6 + 0.5 / 6 + 1.0 / 3) / 3.5];
        for (int c = 0; c < 3; c++) Assert.Equal(expected[c], Math.Exp(densities[c]), 1e-14);
        var random = new CounterRandom(1, RandomPurpose.Search, 1);
        double[] counts = new double[3], point = new double[1];
        for (int i = 0; i < 20_000; i++)
        {
            estimator.Draw(ref random, point);
            counts[(int)point[0]] += 1 / 20_000.0;
        }
        for (int c = 0; c < 3; c++) Assert.Equal(expected[c], counts[c], 0.02);
    }

    /// <summary>A mixture of a single parameter is a distribution: its masses add up to 1, and draws are as frequent as it says.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(6)]
    public void Draws_are_as_frequent_as_the_masses_say(int parameter)
    {
        var history = History(15);
        var estimator = new ParzenEstimator(1, endpoints: false, Bandwidth.Gaps);
        bool[] members = new bool[15];
        Array.Fill(members, true);
        estimator.Fit(history, [parameter], members);
        var random = new CounterRandom(2, RandomPurpose.Search, parameter);
        const int draws = 20_000;
        var counts = new Dictionary<double, int>();
        double[] point = new double[1], density = new double[1];
        for (int i = 0; i < draws; i++)
        {
            estimator.Draw(ref random, point);
            counts[Math.Round(point[0], 9)] = counts.GetValueOrDefault(Math.Round(point[0], 9)) + 1;
        }
        double sum = 0;
        var domain = s_space.Parameters[parameter].Domain;
        for (long i = 0; i < domain.Count; i++)
        {
            double value = domain is NumericDomain { Step: { } step } numbers ? numbers.ToScale(numbers.Low + i * step) : i;
            estimator.LogDensities([value], density);
            double mass = Math.Exp(density[0]);
            sum += mass;
            double deviation = Math.Sqrt(draws * mass * (1 - mass));
            Assert.InRange(counts.GetValueOrDefault(Math.Round(value, 9)), draws * mass - 5 * deviation, draws * mass + 5 * deviation);
        }
        Assert.Equal(1, sum, 1e-9);
    }

    private static StudyHistory History(int count)
    {
        var history = new StudyHistory(s_space, Direction.Minimize);
        var sampler = new RandomSampler();
        double[] values = new double[s_space.Count];
        for (int i = 0; i < count; i++)
        {
            sampler.Suggest(history, 7, i, values);
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [i] });
        }
        return history;
    }

    private static double Slow(StudyHistory history, int[] group, bool[] members, double[] point, double prior,
        (double Mean, double Deviation)[][] kernels)
    {
        var observed = history.Trials.Where(t => members[t.Number]).ToList();
        int n = observed.Count;
        var ages = Enumerable.Range(0, n).Select(k => k >= n - 25 ? 1 : n == 26 ? 1.0 / n : 1.0 / n + (1 - 1.0 / n) * k / (n - 26));
        double[] weights = [.. ages, n == 0 ? 1 : prior];
        double total = weights.Sum(), density = 0;
        for (int k = 0; k <= n; k++)
        {
            double product = weights[k] / total;
            for (int d = 0; d < group.Length; d++)
            {
                var domain = s_space.Parameters[group[d]].Domain;
                if (domain is not NumericDomain numbers)
                {
                    double share = prior / (n + 1), choices = domain.Count!.Value;
                    product *= k == n ? 1 / choices : (share + (observed[k].Parameters[group[d]] == point[d] ? 1 : 0)) / (1 + choices * share);
                    continue;
                }
                var (low, high) = numbers.Bounds;
                var (mean, deviation) = kernels[d][k];
                double mass = Phi((high - mean) / deviation) - Phi((low - mean) / deviation);
                if (numbers.Step is { } step)
                {
                    double value = numbers.FromScale(point[d]), from = numbers.ToScale(value - step / 2), to = numbers.ToScale(value + step / 2);
                    product *= (Phi((to - mean) / deviation) - Phi((from - mean) / deviation)) / mass;
                }
                else
                    product *= Math.Exp(-0.5 * Math.Pow((point[d] - mean) / deviation, 2)) / (deviation * Math.Sqrt(2 * Math.PI)) / mass;
            }
            density += product;
        }
        return Math.Log(density);
    }

    /// <summary>Of every observation, and of the prior at the end; empty for choices.</summary>
    private static (double Mean, double Deviation)[] Kernels(
        StudyHistory history, int parameter, bool[] members, int dimensions, bool endpoints, Bandwidth bandwidth)
    {
        if (s_space.Parameters[parameter].Domain is not NumericDomain numbers) return [];
        var (low, high) = numbers.Bounds;
        double[] means = [.. history.Trials.Where(t => members[t.Number]).Select(t => numbers.ToScale(t.Parameters[parameter]))];
        int n = means.Length;
        int[] order = [.. Enumerable.Range(0, n).OrderBy(i => means[i]).ThenBy(i => i)];
        var kernels = new (double Mean, double Deviation)[n + 1];
        for (int place = 0; place < n; place++)
        {
            double mean = means[order[place]];
            double left = mean - (place == 0 ? low : means[order[place - 1]]), right = (place == n - 1 ? high : means[order[place + 1]]) - mean;
            double deviation = bandwidth == Bandwidth.Scott ? 0.2 * Math.Pow(n, -1.0 / (dimensions + 4)) * (high - low)
                : !endpoints && n >= 2 && place == 0 ? right : !endpoints && n >= 2 && place == n - 1 ? left : Math.Max(left, right);
            kernels[order[place]] = (mean, Math.Clamp(deviation, (high - low) / Math.Min(100, n + 2), high - low));
        }
        kernels[n] = ((low + high) / 2, high - low);
        return kernels;
    }

    private static double Phi(double x) => NormalDistribution.Cdf(x);
}
