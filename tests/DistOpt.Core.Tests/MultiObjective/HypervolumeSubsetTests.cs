using System.Numerics;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.MultiObjective;

/// <summary>Against all subsets, and against the definition of the greedy choice written down once more.</summary>
public sealed class HypervolumeSubsetTests
{
    /// <summary>Up to (5.5, 5.5) the boxes are 1.75, 3.75, 1.75 and 1.6; beside (3, 4) the others add 0.5, 1 and 0.1, beside (5, 2) too 0.5 and 0.05.</summary>
    [Fact]
    public void The_point_that_adds_the_most_comes_first_and_then_what_adds_the_most_to_it()
    {
        double[][] front = [[2, 5], [3, 4], [5, 2], [4.5, 3.9]];
        double[] reference = HypervolumeSubset.ReferenceOf(front);
        Assert.All(reference, r => Assert.Equal(5.5, r, 1e-12));
        Assert.Equal([1], HypervolumeSubset.Choose(front, 1, reference));
        Assert.Equal([1, 2], HypervolumeSubset.Choose(front, 2, reference));
        Assert.Equal([1, 2, 0], HypervolumeSubset.Choose(front, 3, reference));
        Assert.Equal([0, 1, 2, 3], HypervolumeSubset.Choose(front, 4, reference));
        Assert.Empty(HypervolumeSubset.Choose(front, 0, reference));
    }

    [Theory]
    [InlineData(2, 10)]
    [InlineData(3, 10)]
    [InlineData(4, 9)]
    public void It_dominates_no_less_than_its_bound_of_what_the_best_subset_does_and_one_point_is_the_best_one(int objectives, int size)
    {
        for (int seed = 0; seed < 8; seed++)
        {
            var front = Front(objectives, size, seed);
            double[] reference = HypervolumeSubset.ReferenceOf(front);
            for (int count = 1; count < size; count++)
            {
                double best = Enumerable.Range(0, 1 << size).Where(s => BitOperations.PopCount((uint)s) == count)
                    .Max(s => Hypervolume.Of(front.Where((_, i) => (s >> i & 1) == 1), reference));
                var chosen = HypervolumeSubset.Choose(front, count, reference);
                Assert.Equal(count, chosen.Distinct().Count());
                double own = Hypervolume.Of(chosen.Select(i => front[i]), reference);
                Assert.InRange(own, (1 - 1 / Math.E) * best, best * (1 + 1e-12));
                if (count == 1) Assert.Equal(best, own, 1e-12);
            }
        }
    }

    [Theory]
    [InlineData(2, 25)]
    [InlineData(3, 20)]
    [InlineData(4, 14)]
    public void Each_point_is_the_one_with_the_greatest_volume_beside_those_before_it(int objectives, int size)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            var front = Front(objectives, size, seed);
            double[] reference = HypervolumeSubset.ReferenceOf(front);
            var chosen = HypervolumeSubset.Choose(front, size / 2, reference);
            for (int k = 0; k < chosen.Count; k++)
            {
                var before = chosen.Take(k).Select(i => front[i]).ToList();
                double With(int i) => Hypervolume.Of(before.Append(front[i]), reference);
                Assert.Equal(Enumerable.Range(0, size).Except(chosen.Take(k)).Max(With), With(chosen[k]), 1e-12);
            }
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Equal_points_add_nothing_and_come_last(int objectives)
    {
        double[] a = [.. Enumerable.Range(0, objectives).Select(k => k == 0 ? 0.0 : 2)], b = [.. Enumerable.Range(0, objectives).Select(k => k == 0 ? 2.0 : 0)];
        double[][] front = [a, [.. a], [.. b], b];
        double[] reference = [.. Enumerable.Repeat(3.0, objectives)];
        Assert.Equal([0, 2], HypervolumeSubset.Choose(front, 2, reference).Order());
        Assert.Equal([0, 1, 2], HypervolumeSubset.Choose(front, 3, reference).Order());
        Assert.Equal([0, 0, 0, 0], HypervolumeSubset.Contributions(front, reference));
    }

    [Fact]
    public void Where_volumes_are_infinite_the_first_points_are_chosen_and_infinitely_good_ones_before_all_others()
    {
        Assert.Equal([0, 1], HypervolumeSubset.Choose([[1, 5], [2, 4], [0, double.PositiveInfinity]], 2, [3, double.PositiveInfinity]));
        Assert.Equal([2, 1], HypervolumeSubset.Choose([[1, 2], [2, 1], [double.NegativeInfinity, 2.5]], 2, [3, 3]));
        Assert.Equal([2, 0], HypervolumeSubset.Choose([[1, 2, 1], [2, 1, 2], [double.NegativeInfinity, 2.5, 2]], 2, [3, 3, 3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => HypervolumeSubset.Choose([[1, 2]], 2, [3, 3]));
    }

    [Fact]
    public void The_reference_point_lies_a_tenth_beyond_the_worst_values_whatever_their_sign() =>
        Assert.Equal([2.2, -1.8, 1e-12], HypervolumeSubset.ReferenceOf([[2, -3, 0], [1, -2, -1]]).Select(r => Math.Round(r, 13)));

    [Fact]
    public void A_contribution_is_the_volume_that_is_lost_without_the_point()
    {
        // (2, 2) has 2.4 x 2.4, of which (1, 4) and (4, 1) have 0.96 each and 0.16 of it both, and (3, 3) 1 more
        double[] added = HypervolumeSubset.Contributions([[1, 4], [2, 2], [4, 1], [3, 3]], [4.4, 4.4]);
        Assert.All(added.Zip([0.4, 3, 0.4, 0]), a => Assert.Equal(a.Second, a.First, 1e-12));
        var front = Front(4, 12, 3);
        double[] reference = HypervolumeSubset.ReferenceOf(front);
        double whole = Hypervolume.Of(front, reference);
        double[] own = HypervolumeSubset.Contributions(front, reference);
        for (int i = 0; i < front.Count; i++) Assert.Equal(whole - Hypervolume.Of(front.Where((_, j) => j != i), reference), own[i], 1e-12);
    }

    /// <summary>Points of a ball's surface: each best somewhere.</summary>
    private static List<double[]> Front(int objectives, int size, int seed)
    {
        var random = new CounterRandom(seed, RandomPurpose.User, objectives, size);
        var front = new List<double[]>();
        for (int i = 0; i < size; i++)
        {
            double[] point = new double[objectives];
            for (int k = 0; k < objectives; k++) point[k] = Math.Abs(random.NextGaussian());
            double length = Math.Sqrt(point.Sum(x => x * x));
            front.Add([.. point.Select(x => 1 - x / length)]);
        }
        return front;
    }
}
