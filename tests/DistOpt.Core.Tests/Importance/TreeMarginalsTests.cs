using System.Collections.Immutable;
using DistOpt.Core.Importance;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Importance;

public sealed class TreeMarginalsTests
{
    private static readonly ImmutableArray<TreeDimension> s_numbers = [new(0), new(0), new(0)];

    /// <summary>The tree of <c>Fixtures/fanova_fixture.py</c>, which made the figures.</summary>
    private static readonly TreeMarginals s_peer = new(new RegressionTree(s_numbers,
    [
        Split(0, 0.375, 1, 8), Split(1, 0.5, 2, 5), Split(2, 0.25, 3, 4), TreeNode.Leaf(1.5), TreeNode.Leaf(-2.25), Split(0, 0.125, 6, 7), TreeNode.Leaf(4),
        TreeNode.Leaf(0.5), Split(1, 0.8125, 9, 10), TreeNode.Leaf(-1), Split(2, 0.625, 11, 12), TreeNode.Leaf(3.25), TreeNode.Leaf(7),
    ]));

    [Fact]
    public void Variances_of_a_given_tree_are_those_of_the_peer()
    {
        Assert.Equal(5.272518575191498, s_peer.Variance, 1e-13);
        Assert.Equal([0.2583913207054138, 2.9564356207847595, 0.08002370595932007], Enumerable.Range(0, 3).Select(d => s_peer.MarginalVariance(d)), Near);
        Assert.Equal([4.3918957114219666, 0.5780033469200134, 3.3832287192344666],
            [s_peer.MarginalVariance(0, 1), s_peer.MarginalVariance(0, 2), s_peer.MarginalVariance(1, 2)], Near);
    }

    /// <summary>A tree over numbers and categories that was grown from noise, averaged over every cell of the space, one by one.</summary>
    [Fact]
    public void Marginals_and_variances_are_those_of_an_exhaustive_average()
    {
        ImmutableArray<TreeDimension> dimensions = [new(0), new(5), new(3)];
        double[][] columns = [new double[60], new double[60], new double[60]];
        double[] targets = new double[60];
        var random = new CounterRandom(3, RandomPurpose.User);
        for (int i = 0; i < 60; i++)
        {
            // sixteenths: thresholds lie in the middle of two, so on multiples of 1/32
            (columns[0][i], columns[1][i], columns[2][i]) = (random.NextInt(17) / 16.0, random.NextInt(5), random.NextInt(3));
            targets[i] = random.NextGaussian() + columns[1][i];
        }
        var tree = RegressionTree.Grow(dimensions, columns, targets, [2, 0, 1]);
        var marginals = new TreeMarginals(tree);
        double[] numbers = [.. Enumerable.Range(0, 32).Select(i => (i + 0.5) / 32)], five = [0, 1, 2, 3, 4], three = [0, 1, 2];
        double At(double x, double a, double b) => tree.Predict([x, a, b]);

        double mean = Average(numbers, x => Average(five, a => Average(three, b => At(x, a, b))));
        Assert.Equal(mean, marginals.Mean, 1e-12);
        Assert.Equal(Average(numbers, x => Average(five, a => Average(three, b => Squared(At(x, a, b) - mean)))), marginals.Variance, 1e-12);
        Assert.Equal(Average(numbers, x => Squared(Average(five, a => Average(three, b => At(x, a, b))) - mean)), marginals.MarginalVariance(0), 1e-12);
        Assert.Equal(Average(five, a => Squared(Average(numbers, x => Average(three, b => At(x, a, b))) - mean)), marginals.MarginalVariance(1), 1e-12);
        Assert.Equal(Average(numbers, x => Average(five, a => Squared(Average(three, b => At(x, a, b)) - mean))), marginals.MarginalVariance(0, 1), 1e-12);
        Assert.Equal(Average(five, a => Average(three, b => Squared(Average(numbers, x => At(x, a, b)) - mean))), marginals.MarginalVariance(1, 2), 1e-12);
        Assert.Equal(marginals.MarginalVariance(2, 1), marginals.MarginalVariance(1, 2), 1e-12);
        foreach (double x in numbers)
        {
            Assert.Equal(Average(five, a => Average(three, b => At(x, a, b))), marginals.Marginal(0)[marginals.CellOf(0, x)], 1e-12);
            Assert.Equal(Average(five, a => At(x, a, 2)), marginals.Marginal(0, 2)[marginals.CellOf(0, x), 2], 1e-12);
        }
    }

    [Fact]
    public void A_tree_of_one_leaf_has_no_variance()
    {
        var marginals = new TreeMarginals(new RegressionTree(s_numbers, [TreeNode.Leaf(3)]));
        Assert.Equal((3, 0, 0, 0), (marginals.Mean, marginals.Variance, marginals.MarginalVariance(0), marginals.MarginalVariance(0, 1)));
        Assert.Equal([3.0], marginals.Marginal(1));
    }

    private static bool Near(double a, double b) => Math.Abs(a - b) < 1e-13;

    private static TreeNode Split(int dimension, double threshold, int left, int right) => new(dimension, threshold, [], left, right, 0);

    private static double Average(double[] values, Func<double, double> of) => values.Average(of);

    private static double Squared(double value) => value * value;
}
