using System.Collections.Immutable;

namespace DistOpt.Core.Importance;

/// <summary>
/// What a regression tree is on average over all but one or two of its dimensions, exactly (Hutter et al. 2014, algorithm 2): a leaf is a box, and a tree is
/// constant between neighbouring thresholds of a dimension ("cells"; each category is one).
/// </summary>
internal sealed class TreeMarginals
{
    private readonly ImmutableArray<TreeDimension> _dimensions;
    private readonly double[][] _sizes;
    private readonly double[][] _thresholds;
    private readonly List<Leaf> _leaves = [];

    public TreeMarginals(RegressionTree tree)
    {
        _dimensions = tree.Dimensions;
        int count = _dimensions.Length;
        _thresholds = [.. Enumerable.Range(0, count).Select(d => _dimensions[d].IsNumeric
            ? tree.Nodes.Where(n => n.Dimension == d).Select(n => n.Threshold).Distinct().Order().ToArray() : [])];
        _sizes = [.. Enumerable.Range(0, count).Select(SizesOf)];
        var open = new Stack<(int Node, Box Box)>([(0, new Box([.. _sizes.Select(s => (0, s.Length))], new bool[count][]))]);
        while (open.TryPop(out var next))
        {
            var (node, box) = (tree.Nodes[next.Node], next.Box);
            if (node.IsLeaf)
            {
                _leaves.Add(new Leaf(node.Value, box, [.. Enumerable.Range(0, count).Select(d => Share(box, d))]));
                continue;
            }
            var (left, right) = Halves(node, box);
            open.Push((node.Right, right));
            open.Push((node.Left, left));
        }
        foreach (var leaf in _leaves) Mean += leaf.Value * leaf.Volume();
        foreach (var leaf in _leaves) Variance += (leaf.Value - Mean) * (leaf.Value - Mean) * leaf.Volume();
    }

    /// <summary>A stretch of cells for each dimension, and for dimensions that have been split by category which of them are inside.</summary>
    private sealed record Box((int From, int To)[] Cells, bool[]?[] Categories);

    private sealed record Leaf(double Value, Box Box, double[] Shares)
    {
        /// <summary>Of the box in all dimensions but these.</summary>
        public double Volume(int without = -1, int butAlso = -1)
        {
            double volume = 1;
            for (int d = 0; d < Shares.Length; d++)
                if (d != without && d != butAlso) volume *= Shares[d];
            return volume;
        }
    }

    /// <summary>Of the tree over the whole space.</summary>
    public double Mean { get; }

    /// <summary>Of the tree over the whole space.</summary>
    public double Variance { get; }

    /// <summary>What share of a dimension each of its cells is.</summary>
    public IReadOnlyList<double> Sizes(int dimension) => _sizes[dimension];

    /// <summary>The cell in which a number of [0, 1], or a category, lies.</summary>
    public int CellOf(int dimension, double value)
    {
        if (!_dimensions[dimension].IsNumeric) return (int)value;
        int at = Array.BinarySearch(_thresholds[dimension], value);
        // a threshold itself is the end of the cell below it
        return at >= 0 ? at : ~at;
    }

    /// <summary>Mean over all other dimensions, for each cell of one.</summary>
    public double[] Marginal(int dimension)
    {
        double[] means = new double[_sizes[dimension].Length + 1];
        foreach (var leaf in _leaves)
        {
            double part = leaf.Value * leaf.Volume(dimension);
            foreach (var (from, to) in Runs(leaf.Box, dimension))
            {
                means[from] += part;
                means[to] -= part;
            }
        }
        for (int c = 1; c < means.Length; c++) means[c] += means[c - 1];
        return means[..^1];
    }

    /// <summary>Mean over all other dimensions, for each pair of cells of two.</summary>
    public double[,] Marginal(int first, int second)
    {
        int rows = _sizes[first].Length, columns = _sizes[second].Length;
        double[,] means = new double[rows + 1, columns + 1];
        foreach (var leaf in _leaves)
        {
            double part = leaf.Value * leaf.Volume(first, second);
            foreach (var (top, bottom) in Runs(leaf.Box, first))
            {
                foreach (var (from, to) in Runs(leaf.Box, second))
                {
                    means[top, from] += part;
                    means[top, to] -= part;
                    means[bottom, from] -= part;
                    means[bottom, to] += part;
                }
            }
        }
        for (int r = 0; r < rows; r++)
            for (int c = 1; c < columns; c++) means[r, c] += means[r, c - 1];
        for (int r = 1; r < rows; r++)
            for (int c = 0; c < columns; c++) means[r, c] += means[r - 1, c];
        return means;
    }

    /// <summary>Variance of <see cref="Marginal(int)"/>.</summary>
    public double MarginalVariance(int dimension)
    {
        double[] means = Marginal(dimension);
        double variance = 0;
        for (int c = 0; c < means.Length; c++) variance += _sizes[dimension][c] * (means[c] - Mean) * (means[c] - Mean);
        return variance;
    }

    /// <summary>Variance of <see cref="Marginal(int, int)"/>.</summary>
    public double MarginalVariance(int first, int second)
    {
        double[,] means = Marginal(first, second);
        double variance = 0;
        for (int r = 0; r < _sizes[first].Length; r++)
        {
            double row = 0;
            for (int c = 0; c < _sizes[second].Length; c++) row += _sizes[second][c] * (means[r, c] - Mean) * (means[r, c] - Mean);
            variance += _sizes[first][r] * row;
        }
        return variance;
    }

    private double[] SizesOf(int dimension)
    {
        if (_dimensions[dimension] is { IsNumeric: false, Categories: var categories }) return [.. Enumerable.Repeat(1.0 / categories, categories)];
        double[] ends = [0, .. _thresholds[dimension], 1];
        return [.. ends.Skip(1).Zip(ends, (to, from) => to - from)];
    }

    private (Box Left, Box Right) Halves(TreeNode node, Box box)
    {
        int d = node.Dimension;
        if (_dimensions[d].IsNumeric)
        {
            int cut = Array.BinarySearch(_thresholds[d], node.Threshold) + 1;
            var (from, to) = box.Cells[d];
            return (With(from, Math.Clamp(cut, from, to)), With(Math.Clamp(cut, from, to), to));
        }
        bool[] inside = box.Categories[d] ?? [.. Enumerable.Repeat(true, _dimensions[d].Categories)];
        return (Of(c => inside[c] && node.IsLeft[c]), Of(c => inside[c] && !node.IsLeft[c]));

        Box With(int from, int to)
        {
            var cells = ((int From, int To)[])box.Cells.Clone();
            cells[d] = (from, to);
            return box with { Cells = cells };
        }

        Box Of(Func<int, bool> isInside)
        {
            bool[]?[] categories = (bool[]?[])box.Categories.Clone();
            categories[d] = [.. Enumerable.Range(0, inside.Length).Select(isInside)];
            return box with { Categories = categories };
        }
    }

    private double Share(Box box, int dimension)
    {
        if (box.Categories[dimension] is { } inside) return inside.Count(c => c) / (double)inside.Length;
        var (from, to) = box.Cells[dimension];
        double share = 0;
        for (int c = from; c < to; c++) share += _sizes[dimension][c];
        return share;
    }

    /// <summary>The cells of a box in one dimension, as stretches.</summary>
    private static IEnumerable<(int From, int To)> Runs(Box box, int dimension)
    {
        if (box.Categories[dimension] is not { } inside)
        {
            yield return box.Cells[dimension];
            yield break;
        }
        for (int c = 0; c < inside.Length; c++)
        {
            if (!inside[c]) continue;
            int from = c;
            while (c < inside.Length && inside[c]) c++;
            yield return (from, c);
        }
    }
}
