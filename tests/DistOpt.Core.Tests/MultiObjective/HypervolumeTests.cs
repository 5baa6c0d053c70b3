using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.MultiObjective;

/// <summary>Against volumes in closed form and against inclusion and exclusion over all subsets.</summary>
public sealed class HypervolumeTests
{
    [Fact]
    public void Of_one_point_it_is_its_box_and_of_none_nothing()
    {
        Assert.Equal(6, Hypervolume.Of([[1, 2]], [4, 4]));
        Assert.Equal(24, Hypervolume.Of([[1, 2, 3, 4]], [3, 4, 5, 7]));
        Assert.Equal(3, Hypervolume.Of([[5], [1]], [4]));
        Assert.Equal(0, Hypervolume.Of([], [1, 1]));
        Assert.Equal(0, Hypervolume.Of([[1, 0], [0, 2]], [1, 1]));
    }

    /// <summary>The stairs (i, n - 1 - i) up to (n, n): n (n + 1) / 2 unit squares; in d objectives a point of every sum n - 1.</summary>
    [Theory]
    [InlineData(2, 10)]
    [InlineData(3, 7)]
    [InlineData(4, 5)]
    [InlineData(5, 4)]
    public void Of_the_lattice_simplex_it_is_a_binomial_coefficient(int objectives, int n)
    {
        // the cells with coordinates of sum at least n - 1 in [0, n)^d
        double expected = Math.Pow(n, objectives) - Cells(objectives, n - 2);
        Assert.Equal(expected, Hypervolume.Of(Lattice(objectives, n - 1), [.. Enumerable.Repeat((double)n, objectives)]), 1e-9);

        // non-negative integers of sum up to s
        static double Cells(int d, int s) => s < 0 ? 0 : Enumerable.Range(1, d).Aggregate(1.0, (c, i) => c * (s + i) / i);
    }

    /// <summary>Points on a line from (0, 1) to (1, 0), evenly: 1/2 - 1/(2n) of the unit square above them... in exact form.</summary>
    [Fact]
    public void Of_even_points_of_a_line_it_is_half_less_half_a_step()
    {
        const int n = 50;
        var points = Enumerable.Range(0, n + 1).Select(i => new[] { (double)i / n, 1 - (double)i / n });
        Assert.Equal(0.5 - 0.5 / n, Hypervolume.Of(points, [1, 1]), 1e-12);
    }

    [Theory]
    [InlineData(2, 9)]
    [InlineData(3, 10)]
    [InlineData(4, 10)]
    [InlineData(6, 9)]
    public void It_is_what_inclusion_and_exclusion_give(int objectives, int count)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.User, objectives);
            var points = new List<double[]>();
            for (int i = 0; i < count; i++)
            {
                double[] point = new double[objectives];
                // some equal, some dominated, some outside of the reference
                for (int k = 0; k < objectives; k++) point[k] = random.NextInt(7) == 0 ? 0.5 : random.NextDouble() * 1.1;
                points.Add(point);
            }
            points.Add([.. points[0]]);
            double[] reference = [.. Enumerable.Repeat(1.0, objectives)];
            Assert.Equal(Slow(points, objectives), Hypervolume.Of(points, reference), 1e-11);
            Assert.Equal(Hypervolume.Of(points, reference), Hypervolume.Of(Enumerable.Reverse(points), reference), 1e-12);
        }
    }

    /// <summary>The volume in 3 objectives with a constant fourth one: both ways must agree.</summary>
    [Fact]
    public void A_constant_objective_more_changes_nothing()
    {
        var random = new CounterRandom(3, RandomPurpose.User);
        var points = new List<double[]>();
        for (int i = 0; i < 60; i++) points.Add([random.NextDouble(), random.NextDouble(), random.NextDouble()]);
        double flat = Hypervolume.Of(points, [1, 1, 1]);
        Assert.Equal(flat, Hypervolume.Of(points.Select(p => new[] { p[0], p[1], p[2], 0 }), [1, 1, 1, 1]), 1e-12);
        Assert.Equal(flat, Hypervolume.Of(points.Select(p => new[] { p[0], 0, p[1], p[2], 0.5 }), [1, 1, 1, 1, 1]) * 2, 1e-12);
    }

    [Fact]
    public void Infinite_references_give_infinite_volumes_and_other_numbers_of_objectives_are_refused()
    {
        Assert.Equal(double.PositiveInfinity, Hypervolume.Of([[1, 2]], [double.PositiveInfinity, 3]));
        Assert.Equal(0, Hypervolume.Of([[1, 4]], [double.PositiveInfinity, 3]));
        Assert.Contains("1 objectives", Assert.Throws<ArgumentException>(() => Hypervolume.Of([[1]], [1, 2])).Message);
        Assert.Contains("NaN", Assert.Throws<ArgumentException>(() => Hypervolume.Of([[1, double.NaN]], [1, 2])).Message);
    }

    private static IEnumerable<double[]> Lattice(int objectives, int sum) => objectives == 1 ? [[sum]]
        : Enumerable.Range(0, sum + 1).SelectMany(first => Lattice(objectives - 1, sum - first).Select(rest => (double[])[first, .. rest]));

    private static double Slow(List<double[]> points, int objectives)
    {
        double volume = 0;
        for (int subset = 1; subset < 1 << points.Count; subset++)
        {
            double box = 1;
            for (int k = 0; k < objectives; k++)
                box *= Math.Max(0, 1 - Enumerable.Range(0, points.Count).Where(i => (subset >> i & 1) != 0).Max(i => points[i][k]));
            volume += int.PopCount(subset) % 2 == 1 ? box : -box;
        }
        return volume;
    }
}
