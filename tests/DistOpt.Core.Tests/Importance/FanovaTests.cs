using System.Collections.Immutable;
using DistOpt.Core.Importance;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Tests.Importance;

/// <summary>Functions whose shares of the variance can be worked out by hand, as many trials as make the forest agree with them.</summary>
public sealed class FanovaTests
{
    private static readonly SearchSpace s_square = new([new("x", new FloatDomain(0, 1)), new("y", new FloatDomain(0, 1))]);

    /// <summary>Var(2x) : Var(y) = 4 : 1.</summary>
    [Fact]
    public void Shares_of_a_sum_are_those_of_its_terms_and_there_is_no_interaction()
    {
        var forest = Fit(s_square, 1500, v => 2 * v[0] + v[1]);
        Near(0.8, forest.Main[0].Mean, 0.02);
        Near(0.2, forest.Main[1].Mean, 0.02);
        Near(0, forest.Interaction(0, 1).Mean, 0.01);
        Assert.InRange(forest.Main[0].Deviation, 0.0005, 0.02);
        Assert.InRange(forest.Fit!.Value, 0.97, 1);
        Near(1.5, forest.Mean.Mean, 0.03);
        // on average over y: 2x + 1/2
        Assert.All(forest.Marginal(0, [0.25, 0.5, 0.75]).Zip([1.0, 1.5, 2.0]), m => Near(m.Second, m.First.Mean, 0.07));
    }

    /// <summary>E(xy | x) = x/2: Var = 1/48 each of Var(xy) = 7/144; the rest, 1/7, is what both do together.</summary>
    [Fact]
    public void Shares_of_a_product_are_three_sevenths_each_and_a_seventh_together()
    {
        var forest = Fit(s_square, 1500, v => v[0] * v[1]);
        Near(3 / 7.0, forest.Main[0].Mean, 0.03);
        Near(3 / 7.0, forest.Main[1].Mean, 0.03);
        Near(1 / 7.0, forest.Interaction(0, 1).Mean, 0.02);
        Assert.Equal(forest.Interaction(0, 1).Mean, forest.Interaction(1, 0).Mean, 1e-12);
        double[,] both = forest.Marginal(0, [0.2, 0.8], 1, [0.3, 0.9]);
        Assert.All(((double, int, int)[])[(0.06, 0, 0), (0.18, 0, 1), (0.24, 1, 0), (0.72, 1, 1)], e => Near(e.Item1, both[e.Item2, e.Item3], 0.05));
    }

    /// <summary>Var(log10 u) over four decades is 16/12, as that of 4y.</summary>
    [Fact]
    public void A_logarithmic_parameter_counts_by_orders_of_magnitude()
    {
        var space = new SearchSpace([new("rate", new FloatDomain(1e-5, 1e-1, log: true)), new("y", new FloatDomain(0, 1))]);
        var forest = Fit(space, 1500, v => Math.Log10(v[0]) + 4 * v[1]);
        Near(0.5, forest.Main[0].Mean, 0.03);
        Near(0.5, forest.Main[1].Mean, 0.03);
    }

    /// <summary>Few values, so that the forest sees each of them often and is exact but for chance in the weights of the sample.</summary>
    [Fact]
    public void Values_of_integers_steps_and_choices_are_equally_likely_each()
    {
        var space = new SearchSpace(
        [
            new("n", new IntDomain(1, 3)), new("s", new FloatDomain(0, 1, 0.5)),
            new("c", new ChoiceDomain(["a", "b", "c", "d"])),
            new("o", new ChoiceDomain([16L, 32L, 64L], IsOrdered: true)), new("log", new IntDomain(1, 4, log: true)), new("one", new IntDomain(7, 7)),
        ]);
        // variances: 2/3 of n; 1/6 * 4 of 2s; 3/16 of d; 2/9 of 64
        var forest = Fit(space, 3000, v => v[0] + 2 * v[1] + (v[2] == 3 ? 1 : 0) + (v[3] == 2 ? 1 : 0));
        double all = 2 / 3.0 + 2 / 3.0 + 3 / 16.0 + 2 / 9.0;
        Assert.All(((double, int)[])[(2 / 3.0, 0), (2 / 3.0, 1), (3 / 16.0, 2), (2 / 9.0, 3), (0, 4)],
            e => Near(e.Item1 / all, forest.Main[e.Item2].Mean, 0.01));
        Assert.Equal(default, forest.Main[5]);
        Assert.Equal(default, forest.Interaction(0, 5));
        // a logarithmic integer's values have the room of log(1.5 / 0.5), log(2.5 / 1.5) ...
        var log = Fit(space, 3000, v => v[4] == 1 ? 1 : 0);
        double p = Math.Log(3) / Math.Log(9);
        Near(1 - p + p * 0, 1 - log.Mean.Mean, 0.01);
    }

    /// <summary>
    /// m where the kind has it, else 1/2: over all kinds and m, Var = 1/24; on average over kinds m/2 + 1/4 with Var 1/48, and the kind alone changes nothing.
    /// </summary>
    [Fact]
    public void A_conditional_parameter_counts_where_it_exists()
    {
        var space = new SearchSpace(
        [
            new("kind", new ChoiceDomain(["a", "b"])), new("m", new FloatDomain(0, 1), new Condition("kind", Among: [0])),
        ]);
        var forest = Fit(space, 1500, v => double.IsNaN(v[1]) ? 0.5 : v[1]);
        Near(0.5, forest.Main[1].Mean, 0.03);
        Near(0, forest.Main[0].Mean, 0.02);
        Near(0.5, forest.Interaction(0, 1).Mean, 0.04);
    }

    [Fact]
    public void The_same_trials_and_seed_give_the_same_bits_and_another_seed_others()
    {
        var (configurations, values) = Sample(s_square, 40, v => v[0] * v[1]);
        var first = Fanova.Of(s_square, configurations, values, 1);
        Assert.Equal(first.Main, Fanova.Of(s_square, configurations, values, 1).Main);
        Assert.NotEqual(first.Main, Fanova.Of(s_square, configurations, values, 2).Main);
    }

    [Fact]
    public void A_forest_knows_when_it_knows_nothing()
    {
        var (configurations, values) = Sample(s_square, 100, _ => 0);
        var random = new CounterRandom(5, RandomPurpose.User);
        double[] noise = new double[values.Length];
        for (int i = 0; i < noise.Length; i++) noise[i] = random.NextGaussian();
        Assert.InRange(Fanova.Of(s_square, configurations, noise, 1).Fit!.Value, -1, 0.1);
        var flat = Fanova.Of(s_square, configurations, values, 1);
        Assert.Null(flat.Fit);
        Assert.Equal([default, default], flat.Main);
    }

    [Fact]
    public void Too_few_configurations_and_values_that_are_not_finite_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Fanova.Of(s_square, [[0, 0]], [1], 0));
        Assert.Throws<ArgumentException>(() => Fanova.Of(s_square, [[0, 0], [1, 1]], [1, double.NaN], 0));
        Assert.Throws<ArgumentException>(() => Fanova.Of(s_square, [[0, 0], [1, 1]], [1], 0));
        Assert.Throws<ArgumentException>(() => Fanova.Of(s_square, [[0, 0], [1, 1]], [1, 2], 0).Interaction(1, 1));
    }

    private static void Near(double expected, double actual, double tolerance) => Assert.InRange(actual, expected - tolerance, expected + tolerance);

    private static Fanova Fit(SearchSpace space, int count, Func<double[], double> of)
    {
        var (configurations, values) = Sample(space, count, of);
        return Fanova.Of(space, configurations, values, 7);
    }

    private static (ImmutableArray<double>[] Configurations, double[] Values) Sample(SearchSpace space, int count, Func<double[], double> of)
    {
        var configurations = new ImmutableArray<double>[count];
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            var random = new CounterRandom(11, RandomPurpose.User, i);
            double[] point = new double[space.Count];
            for (int p = 0; p < point.Length; p++)
            {
                double drawn = space.Parameters[p].Domain.FromUnit(random.NextDouble());
                point[p] = space.IsActive(p, point) ? drawn : double.NaN;
            }
            (configurations[i], values[i]) = ([.. point], of(point));
        }
        return (configurations, values);
    }
}
