using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.MultiObjective;

public sealed class DominationTests
{
    [Theory]
    [InlineData(new double[] { 1, 2 }, new double[] { 2, 3 }, true)]
    [InlineData(new double[] { 1, 2 }, new double[] { 1, 3 }, true)]
    [InlineData(new double[] { 1, 2 }, new double[] { 1, 2 }, false)]
    [InlineData(new double[] { 1, 4 }, new double[] { 2, 3 }, false)]
    [InlineData(new double[] { 1, 4 }, new double[] { 1, double.NaN }, true)]
    [InlineData(new double[] { double.NaN, 4 }, new double[] { double.PositiveInfinity, 4 }, false)]
    public void A_point_dominates_where_it_is_nowhere_worse_and_somewhere_better(double[] a, double[] b, bool dominates) =>
        Assert.Equal(dominates, Domination.Dominates(a, b));

    /// <summary>With few values, so that many are equal, and some that are none.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void The_first_fronts_are_the_first_of_all_fronts(int objectives)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.User, objectives);
            var points = new List<double[]>();
            for (int i = 0; i < 60; i++)
            {
                double[] point = new double[objectives];
                for (int k = 0; k < objectives; k++) point[k] = random.NextInt(20) switch { 0 => double.NaN, 1 => double.NegativeInfinity, var n => n % 9 };
                points.Add(point);
            }
            var all = Domination.Fronts(points);
            for (int count = 0; count <= 60; count += 5)
            {
                var first = Domination.FirstFronts(points, count);
                Assert.Equal(all.Take(first.Count), first);
                Assert.True(first.Sum(f => f.Count) >= count && (first.Count == 0 || first.SkipLast(1).Sum(f => f.Count) < count));
            }
        }
    }

    [Fact]
    public void Feasible_points_dominate_and_of_others_those_that_miss_by_less()
    {
        Assert.True(Domination.Dominates([9], 0, [1], 0.1));
        Assert.False(Domination.Dominates([1], 0.1, [9], 0));
        Assert.True(Domination.Dominates([9], 0.1, [1], 0.2));
        Assert.False(Domination.Dominates([1], 0.1, [9], 0.1));
    }

    /// <summary>Peeling off those whom nobody who is left dominates, one after the other.</summary>
    [Theory]
    [InlineData(2, 40)]
    [InlineData(3, 60)]
    [InlineData(1, 20)]
    public void Fronts_are_those_of_the_definition(int objectives, int count)
    {
        var random = new CounterRandom(1, RandomPurpose.User, objectives);
        var points = new List<double[]>();
        double[] violations = new double[count];
        for (int i = 0; i < count; i++)
        {
            // few values, so that many are equal
            double[] point = new double[objectives];
            for (int k = 0; k < objectives; k++) point[k] = random.NextInt(12);
            points.Add(point);
            violations[i] = i % 5 == 0 ? random.NextInt(3) : 0;
        }
        var left = Enumerable.Range(0, count).ToList();
        foreach (var front in Domination.Fronts(points, violations))
        {
            int[] expected = [.. left.Where(i => !left.Exists(j => Domination.Dominates(points[j], violations[j], points[i], violations[i])))];
            Assert.Equal(expected, front);
            left.RemoveAll(expected.Contains);
        }
        Assert.Empty(left);
        Assert.Empty(Domination.Fronts([]));
    }

    [Fact]
    public void Crowding_is_the_width_between_neighbours_and_the_outermost_have_the_most()
    {
        double[] distances = Domination.CrowdingDistances([[0, 10], [1, 6], [4, 5], [10, 0]]);
        Assert.Equal([double.PositiveInfinity, 0.4 + 0.5, 0.9 + 0.6, double.PositiveInfinity], distances.Select(d => Math.Round(d, 12)));
        Assert.Equal([0], Domination.CrowdingDistances([[1, 2]]));
        Assert.Empty(Domination.CrowdingDistances([]));
    }

    /// <summary>By hand. The first and the last point by number are within: of the objective in which all are the same nobody is outermost.</summary>
    [Fact]
    public void An_objective_in_which_all_are_the_same_gives_nobody_room()
    {
        double[] distances = Domination.CrowdingDistances([[1, 6, 5], [0, 10, 5], [10, 0, 5], [3, 3, 5]]);
        Assert.Equal([0.3 + 0.7, double.PositiveInfinity, double.PositiveInfinity, 0.9 + 0.6], distances.Select(d => Math.Round(d, 12)));
    }

    /// <summary>By hand: the first objective is 2 wide, the second 3. With one neighbour infinitely far the room is infinite, with both it is none.</summary>
    [Fact]
    public void The_width_of_a_front_is_that_of_its_finite_values()
    {
        double[] distances = Domination.CrowdingDistances([[0, 3], [1, 2], [2, 1], [double.PositiveInfinity, 0]]);
        Assert.Equal([double.PositiveInfinity, 2 / 2.0 + 2 / 3.0, double.PositiveInfinity, double.PositiveInfinity], distances);
        distances = Domination.CrowdingDistances([[0, 3], [double.PositiveInfinity, 2], [double.PositiveInfinity, 1], [double.PositiveInfinity, 0]]);
        Assert.Equal([double.PositiveInfinity, double.PositiveInfinity, 2 / 3.0, double.PositiveInfinity], distances);
    }
}
