using System.Collections.Immutable;

namespace DistOpt.Core.Importance;

/// <summary>A dimension over which trees are grown and averaged: the numbers from 0 to 1, or categories that are equally likely.</summary>
/// <param name="Categories">How many; 0 = numbers.</param>
/// <param name="Between">Where numbers are split between two of them, the smaller one first; null = in the middle.</param>
internal readonly record struct TreeDimension(int Categories, Func<double, double, double>? Between = null)
{
    public bool IsNumeric => Categories == 0;

    /// <summary>A place above <paramref name="low"/> and not above <paramref name="high"/>.</summary>
    public double Split(double low, double high)
    {
        double at = Between?.Invoke(low, high) ?? low + (high - low) / 2;
        // neighbouring numbers have no middle; "at or below" is left
        return at >= high ? low : at;
    }
}

/// <summary>A node of a <see cref="RegressionTree"/>.</summary>
/// <param name="Dimension">By which it splits; -1 = a leaf.</param>
/// <param name="Threshold">Numbers up to this one go left.</param>
/// <param name="IsLeft">For each category whether it goes left; empty for numbers.</param>
/// <param name="Left">Index of the child.</param>
/// <param name="Right">Index of the child.</param>
/// <param name="Value">Mean of the targets; of leaves.</param>
internal readonly record struct TreeNode(int Dimension, double Threshold, ImmutableArray<bool> IsLeft, int Left, int Right, double Value)
{
    public bool IsLeaf => Dimension < 0;

    public bool GoesLeft(double value) => IsLeft.IsEmpty ? value <= Threshold : IsLeft[(int)value];

    public static TreeNode Leaf(double value) => new(-1, 0, [], -1, -1, value);
}

/// <summary>
/// A regression tree (Breiman et al., "Classification and Regression Trees", 1984): every split is the one that leaves the smallest sum of squares, down to
/// leaves of one target. Categories are split into those of smaller and those of larger mean target, which among all their partitions is the best one
/// (ibid., 4.5); those that a node has not seen go with the larger part.
/// </summary>
internal sealed class RegressionTree
{
    /// <summary>Splits on the way to a leaf, at most.</summary>
    private const int DepthMax = 64;

    private readonly List<TreeNode> _nodes = [];

    public RegressionTree(ImmutableArray<TreeDimension> dimensions, IEnumerable<TreeNode> nodes) => (Dimensions, _nodes) = (dimensions, [.. nodes]);

    public ImmutableArray<TreeDimension> Dimensions { get; }

    /// <summary>The root is the first one.</summary>
    public IReadOnlyList<TreeNode> Nodes => _nodes;

    /// <summary>Grows a tree.</summary>
    /// <param name="dimensions">What the columns are.</param>
    /// <param name="columns">For each dimension a value for each sample: in [0, 1], or a category.</param>
    /// <param name="targets">One for each sample, finite.</param>
    /// <param name="order">In which dimensions are tried: of equally good splits the first one counts.</param>
    public static RegressionTree Grow(ImmutableArray<TreeDimension> dimensions, double[][] columns, double[] targets, int[] order)
    {
        if (targets.Length == 0) throw new ArgumentException("a tree needs a sample", nameof(targets));
        var tree = new RegressionTree(dimensions, []);
        int[] samples = [.. Enumerable.Range(0, targets.Length)];
        var grower = new TreeGrower(dimensions, columns, targets, samples, order);
        var open = new Stack<(int Node, int From, int To, int Depth)>();
        tree._nodes.Add(default);
        open.Push((0, 0, samples.Length, 0));
        while (open.TryPop(out var next))
        {
            var (node, from, to, depth) = next;
            if (depth == DepthMax || grower.Best(from, to) is not { } split)
            {
                tree._nodes[node] = TreeNode.Leaf(grower.Mean(from, to));
                continue;
            }
            int middle = grower.Part(split, from, to), left = tree._nodes.Count;
            tree._nodes[node] = new TreeNode(split.Dimension, split.Threshold, split.IsLeft, left, left + 1, 0);
            tree._nodes.Add(default);
            tree._nodes.Add(default);
            open.Push((left + 1, middle, to, depth + 1));
            open.Push((left, from, middle, depth + 1));
        }
        return tree;
    }

    /// <summary>The value at a point: one number or category for each dimension.</summary>
    public double Predict(ReadOnlySpan<double> point)
    {
        int node = 0;
        while (!_nodes[node].IsLeaf) node = _nodes[node].GoesLeft(point[_nodes[node].Dimension]) ? _nodes[node].Left : _nodes[node].Right;
        return _nodes[node].Value;
    }
}
