using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The strategy by itself, on functions of R^d: its constants, how fast it converges, what it does not depend on, and its margin.</summary>
public sealed class CmaEsTests
{
    private static readonly Func<double[], double> s_sphere = x => x.Sum(v => v * v);

    private static readonly Func<double[], double> s_ellipsoid = x => x.Select((v, i) => Math.Pow(1e6, (double)i / (x.Length - 1)) * v * v).Sum();

    private static readonly Func<double[], double> s_rosenbrock = x =>
        Enumerable.Range(0, x.Length - 1).Sum(i => 100 * Math.Pow(x[i + 1] - x[i] * x[i], 2) + Math.Pow(1 - x[i], 2));

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 6)]
    [InlineData(5, 8)]
    [InlineData(10, 10)]
    [InlineData(40, 15)]
    [InlineData(100, 17)]
    public void The_default_population_is_the_published_one(int dimensions, int population) =>
        Assert.Equal(population, CmaEsConstants.DefaultPopulation(dimensions));

    /// <summary>The weights of three parents to the digits of pycma's documentation; the rest by the tutorial's table 1 for d = 2, lambda = 6.</summary>
    [Fact]
    public void Constants_are_those_of_the_tutorial()
    {
        var k = new CmaEsConstants(2, 6);
        double[] published = [0.63704257124121677, 0.28457025743803294, 0.078387171320750258];
        for (int i = 0; i < 3; i++) Assert.Equal(published[i], k.Weights[i], 1e-15);
        double muEff = 1 / published.Sum(w => w * w);
        Assert.Equal(2.0286, muEff, 1e-4);
        Assert.Equal(muEff, k.MuEff, 1e-12);
        Assert.Equal((muEff + 2) / (muEff + 7), k.CSigma, 1e-12);
        Assert.Equal(1 + (muEff + 2) / (muEff + 7), k.DSigma, 1e-12);
        Assert.Equal((4 + muEff / 2) / (6 + muEff), k.CC, 1e-12);
        Assert.Equal(2 / (3.3 * 3.3 + muEff), k.C1, 1e-12);
        Assert.Equal(2 * (muEff - 2 + 1 / muEff) / (16 + muEff), k.CMu, 1e-12);
        Assert.Equal(1.25427, k.ChiN, 1e-5);
        Assert.True(k.Weights[3] < 0 && k.Weights[4] < k.Weights[3] && k.Weights[5] < k.Weights[4]);
        // alpha_mu-, alpha_mueff-, alpha_posdef
        double[] rest = [.. Enumerable.Range(4, 3).Select(i => Math.Log(3.5) - Math.Log(i))];
        double effective = rest.Sum() * rest.Sum() / rest.Sum(w => w * w);
        double least = new[] { 1 + k.C1 / k.CMu, 1 + 2 * effective / (muEff + 2), (1 - k.C1 - k.CMu) / (2 * k.CMu) }.Min();
        Assert.Equal(-least, k.Weights.Where(w => w < 0).Sum(), 1e-12);
    }

    /// <summary>Evaluations as other implementations need them, with a margin of about a half (Hansen et al., BBOB 2009: 10-D sphere some 1,800).</summary>
    [Theory]
    [InlineData("sphere", 10, 2700)]
    [InlineData("ellipsoid", 10, 9000)]
    [InlineData("rosenbrock", 5, 6000)]
    [InlineData("sphere", 1, 600)]
    public void It_converges(string name, int dimensions, int evaluations)
    {
        var function = name switch { "sphere" => s_sphere, "ellipsoid" => s_ellipsoid, _ => s_rosenbrock };
        for (int seed = 0; seed < 3; seed++)
        {
            var (strategy, used, best) = Minimize(function, [.. Enumerable.Repeat(name == "rosenbrock" ? -0.5 : 0.8, dimensions)], 0.5, evaluations, seed);
            Assert.True(best < 1e-9, $"after {used} evaluations with seed {seed} the best is {best}");
            Assert.All(strategy.Mean, m => Assert.Equal(name == "rosenbrock" ? 1 : 0, m, 1e-3));
        }
    }

    /// <summary>Only the order of the values counts, and where and how large the space is does not: to the bit, as all of it is by powers of two.</summary>
    [Fact]
    public void Order_preserving_changes_scale_and_place_change_nothing()
    {
        double[] start = [0.75, -0.5, 0.25];
        var (plain, _, _) = Minimize(s_ellipsoid, start, 0.5, 700, seed: 1, target: 0);
        var (squeezed, _, _) = Minimize(x => Math.Log(s_ellipsoid(x)) - 5, start, 0.5, 700, seed: 1, target: double.NegativeInfinity);
        Assert.Equal(plain.Mean, squeezed.Mean);
        var (larger, _, _) = Minimize(x => s_ellipsoid([.. x.Select(v => v / 1024)]), [.. start.Select(v => v * 1024)], 512, 700, seed: 1, target: 0);
        Assert.Equal(plain.Mean, larger.Mean.Select(m => m / 1024));
        Assert.Equal(plain.Sigma, larger.Sigma / 1024);
        var (moved, _, _) = Minimize(x => s_ellipsoid([.. x.Select(v => v - 3)]), [.. start.Select(v => v + 3)], 0.5, 140, seed: 1, target: 0);
        var (still, _, _) = Minimize(s_ellipsoid, start, 0.5, 140, seed: 1, target: 0);
        foreach (var (a, b) in still.Mean.Zip(moved.Mean)) Assert.Equal(a, b - 3, 1e-6);
    }

    /// <summary>Of the rotated ellipsoid it needs about as many evaluations as of the one along the axes.</summary>
    [Fact]
    public void Rotation_costs_nothing()
    {
        double[][] turn = [[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]];
        int[] along = [.. Enumerable.Range(0, 8).Select(seed => Minimize(s_ellipsoid, [1, 1, 1], 0.5, 20_000, seed).Used)];
        int[] turned = [.. Enumerable.Range(0, 8).Select(seed =>
            Minimize(x => s_ellipsoid([.. turn.Select(row => row.Zip(x, (a, b) => a * b).Sum())]), [1, 1, 1], 0.5, 20_000, seed).Used)];
        Assert.InRange(turned.Average() / along.Average(), 0.75, 1.33);
    }

    /// <summary>
    /// After every generation each neighbour of the mean's cell has at least the probability alpha / 2, or in an outermost cell the one neighbour alpha
    /// (2205.13482, section 4); the smaller of both by the paper's rule not less than that after it was lifted.
    /// </summary>
    [Fact]
    public void With_margin_no_integer_is_ever_fixed()
    {
        const int dimensions = 6;
        // integers from -10 to 10 in the second half
        Func<double, (double, double)> cell = x => Math.Clamp(Math.Round(x), -10, 10) switch
        {
            -10 => (-9.5, -9.5),
            10 => (9.5, 9.5),
            var v => (v - 0.5, v + 0.5),
        };
        Func<double, (double, double)>?[] cells = [null, null, null, cell, cell, cell];
        // the third integer's best is at an end of its range
        double Value(double[] x) => s_sphere(x[..3]) + Math.Pow(Math.Round(x[3]) - 4, 2) * 1e4 + Math.Pow(Math.Clamp(Math.Round(x[4]), -10, 10) + 7, 2)
            + Math.Pow(Math.Clamp(Math.Round(x[5]), -10, 10) - 10, 2) * 1e2;
        int found = 0;
        for (int seed = 0; seed < 10; seed++)
        {
            var strategy = new CmaEs(new double[dimensions], 2, 9, cells);
            double best = double.PositiveInfinity;
            for (int generation = 0; generation < 350 && best > 1e-9; generation++)
            {
                best = Math.Min(best, Step(strategy, Value, seed, generation));
                for (int j = 3; j < dimensions; j++)
                {
                    var (low, high) = cell(strategy.Mean[j]);
                    double below = NormalDistribution.Cdf((low - strategy.Mean[j]) / strategy.Deviation(j));
                    double above = NormalDistribution.Cdf((strategy.Mean[j] - high) / strategy.Deviation(j));
                    if (low == high) Assert.True(Math.Min(below, above) >= strategy.Margin * (1 - 1e-6));
                    else Assert.True(Math.Min(below, above) >= strategy.Margin / 2 * (1 - 1e-6));
                }
            }
            if (best <= 1e-9) found++;
        }
        Assert.True(found >= 9, $"{found} of 10 seeds found the best integers");
    }

    [Fact]
    public void Without_margin_integers_get_stuck_where_with_it_they_do_not()
    {
        Func<double, (double, double)> cell = x => (Math.Round(x) - 0.5, Math.Round(x) + 0.5);
        static double Value(double[] x) => s_sphere(x[..2]) * 1e4 + x[2..].Sum(v => Math.Round(v) * Math.Round(v));
        int Found(Func<double, (double, double)>? cells) => Enumerable.Range(0, 20).Count(seed =>
        {
            var strategy = new CmaEs([30, 30, 8, 8, 8], 1, 8, [null, null, cells, cells, cells]);
            double best = double.PositiveInfinity;
            for (int generation = 0; generation < 250 && best > 1e-8; generation++) best = Math.Min(best, Step(strategy, Value, seed, generation));
            return best <= 1e-8;
        });
        int with = Found(cell), without = Found(null);
        Assert.True(with >= 18 && without < with, $"{with} of 20 with margin, {without} without");
    }

    [Fact]
    public void It_says_when_it_has_converged()
    {
        var strategy = new CmaEs([1, 1], 0.5, 6, new Func<double, (double, double)>?[2]);
        int generation = 0;
        for (; generation < 500 && !strategy.IsDone; generation++) Step(strategy, s_sphere, 1, generation);
        Assert.InRange(generation, 40, 400);
        Assert.True(s_sphere(strategy.Mean) < 1e-10);
    }

    private static (CmaEs Strategy, int Used, double Best) Minimize(Func<double[], double> function, double[] start, double sigma, int evaluations, int seed,
        double target = 1e-9)
    {
        var strategy = new CmaEs(start, sigma, CmaEsConstants.DefaultPopulation(start.Length), new Func<double, (double, double)>?[start.Length]);
        double best = double.PositiveInfinity;
        int used = 0;
        for (int generation = 0; used < evaluations && !(best < target); generation++)
        {
            best = Math.Min(best, Step(strategy, function, seed, generation));
            used += strategy.Constants.Population;
        }
        return (strategy, used, best);
    }

    private static double Step(CmaEs strategy, Func<double[], double> function, int seed, int generation)
    {
        var population = new List<(double[] Point, double Value)>();
        for (int i = 0; i < strategy.Constants.Population; i++)
        {
            var random = new CounterRandom(seed, RandomPurpose.User, generation, i);
            double[] point = new double[strategy.Mean.Length];
            strategy.Sample(ref random, point);
            population.Add((point, function([.. point.Select((x, j) => strategy.Tried(j, x))])));
        }
        var ordered = population.OrderBy(p => p.Value).ToList();
        strategy.Tell([.. ordered.Select(p => (p.Point, false))], (ordered[0].Value, ordered[^1].Value));
        return ordered[0].Value;
    }
}
