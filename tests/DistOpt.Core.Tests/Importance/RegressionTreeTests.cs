using DistOpt.Core.Importance;

namespace DistOpt.Core.Tests.Importance;

public sealed class RegressionTreeTests
{
    [Fact]
    public void The_first_split_is_the_one_that_leaves_the_smallest_squares()
    {
        // by x0 at 0.3: 1 + 2 + 3 and 10 + 11; by x1 nothing as good
        var tree = RegressionTree.Grow([new(0), new(0)], [[0.1, 0.1, 0.2, 0.4, 0.9], [0.5, 0.1, 0.9, 0.2, 0.3]], [1, 2, 3, 10, 11], [1, 0]);
        Assert.Equal((0, 0.3), (tree.Nodes[0].Dimension, Math.Round(tree.Nodes[0].Threshold, 12)));
        // and down to leaves of one sample each
        Assert.Equal([1, 2, 3, 10, 11],
            (((double X, double Y)[])[(0.1, 0.5), (0.1, 0.1), (0.2, 0.9), (0.4, 0.2), (0.9, 0.3)]).Select(p => tree.Predict([p.X, p.Y])));
        Assert.Equal(9, tree.Nodes.Count);
    }

    [Fact]
    public void Categories_are_parted_by_their_means_and_unseen_ones_go_with_the_larger_part()
    {
        var tree = RegressionTree.Grow([new(5)], [[0, 2, 3, 0, 2]], [1, 9, 1.5, 1, 9], [0]);
        Assert.Equal([true, true, false, true, true], tree.Nodes[0].IsLeft);
        Assert.Equal([1, 9, 1.5], new double[] { 0, 2, 3 }.Select(c => tree.Predict([c])));
    }

    [Fact]
    public void Samples_that_nothing_tells_apart_share_a_leaf_and_equal_targets_need_no_split()
    {
        Assert.Equal(2.5, Assert.Single(RegressionTree.Grow([new(0)], [[0.5, 0.5]], [2, 3], [0]).Nodes).Value);
        Assert.Equal(2, Assert.Single(RegressionTree.Grow([new(0)], [[0.1, 0.5]], [2, 2], [0]).Nodes).Value);
        Assert.Throws<ArgumentException>(() => RegressionTree.Grow([new(0)], [[]], [], [0]));
    }

    /// <summary>Of two numbers that have no float64 between them the smaller one goes left.</summary>
    [Fact]
    public void Neighbouring_numbers_are_told_apart()
    {
        double next = Math.BitIncrement(0.3);
        var tree = RegressionTree.Grow([new(0)], [[0.3, next]], [1, 2], [0]);
        Assert.Equal((1, 2), (tree.Predict([0.3]), tree.Predict([next])));
    }

    /// <summary>No split of exclusive or gains anything by itself; the one below it does.</summary>
    [Fact]
    public void A_split_that_gains_nothing_yet_is_made()
    {
        var tree = RegressionTree.Grow([new(2), new(2)], [[0, 0, 1, 1], [0, 1, 0, 1]], [0, 1, 1, 0], [0, 1]);
        Assert.Equal((0, 1, 1, 0), (tree.Predict([0, 0]), tree.Predict([0, 1]), tree.Predict([1, 0]), tree.Predict([1, 1])));
    }
}
