using System.Collections.Immutable;

namespace DistOpt.Core.Importance;

/// <summary>How a node parts its samples.</summary>
/// <param name="Dimension">By which.</param>
/// <param name="Threshold">Numbers up to this one go left.</param>
/// <param name="IsLeft">For each category whether it goes left; empty for numbers.</param>
/// <param name="Score">Sum over both sides of the squared sum of targets by their number: the larger, the smaller the squares that are left.</param>
internal sealed record TreeSplit(int Dimension, double Threshold, ImmutableArray<bool> IsLeft, double Score);

/// <summary>Finds the splits of a tree. A node's samples are a stretch of <c>samples</c>, whose order it changes.</summary>
internal readonly struct TreeGrower
{
    private readonly ImmutableArray<TreeDimension> _dimensions;
    private readonly double[][] _columns;
    private readonly double[] _targets;
    private readonly int[] _samples;
    private readonly int[] _order;
    private readonly double[] _keys;
    private readonly int[] _sorted;

    public TreeGrower(ImmutableArray<TreeDimension> dimensions, double[][] columns, double[] targets, int[] samples, int[] order)
    {
        (_dimensions, _columns, _targets, _samples, _order) = (dimensions, columns, targets, samples, order);
        (_keys, _sorted) = (new double[samples.Length], new int[samples.Length]);
    }

    public double Mean(int from, int to)
    {
        double sum = 0;
        for (int i = from; i < to; i++) sum += _targets[_samples[i]];
        return sum / (to - from);
    }

    /// <summary>The best split; null where the targets are equal, or no dimension tells the samples apart.</summary>
    public TreeSplit? Best(int from, int to)
    {
        double first = _targets[_samples[from]], mean = Mean(from, to);
        bool isPure = true;
        for (int i = from + 1; i < to && isPure; i++) isPure = _targets[_samples[i]] == first;
        if (isPure) return null;
        TreeSplit? best = null;
        foreach (int dimension in _order)
            best = _dimensions[dimension].IsNumeric ? BestOfNumbers(dimension, from, to, mean, best) : BestOfCategories(dimension, from, to, mean, best);
        return best;
    }

    /// <summary>Puts the samples that go left first.</summary>
    /// <returns>Where those that go right begin.</returns>
    public int Part(TreeSplit split, int from, int to)
    {
        var node = new TreeNode(split.Dimension, split.Threshold, split.IsLeft, 0, 0, 0);
        double[] column = _columns[split.Dimension];
        int left = from, right = 0;
        for (int i = from; i < to; i++)
        {
            int sample = _samples[i];
            if (node.GoesLeft(column[sample])) _samples[left++] = sample;
            else _sorted[right++] = sample;
        }
        Array.Copy(_sorted, 0, _samples, left, right);
        return left;
    }

    private TreeSplit? BestOfNumbers(int dimension, int from, int to, double mean, TreeSplit? best)
    {
        int count = to - from;
        double[] column = _columns[dimension];
        for (int i = 0; i < count; i++) (_keys[i], _sorted[i]) = (column[_samples[from + i]], _samples[from + i]);
        Array.Sort(_keys, _sorted, 0, count);
        double left = 0;
        // deviations from the node's mean: their sum is 0, and rounding does not grow with the targets
        for (int i = 0; i < count - 1; i++)
        {
            left += _targets[_sorted[i]] - mean;
            if (_keys[i] == _keys[i + 1]) continue;
            double score = left * left * (1.0 / (i + 1) + 1.0 / (count - i - 1));
            if (!(score > (best?.Score ?? -1))) continue;
            best = new TreeSplit(dimension, _dimensions[dimension].Split(_keys[i], _keys[i + 1]), [], score);
        }
        return best;
    }

    private TreeSplit? BestOfCategories(int dimension, int from, int to, double mean, TreeSplit? best)
    {
        int categories = _dimensions[dimension].Categories, seen = 0;
        double[] sums = new double[categories], means = new double[categories];
        int[] counts = new int[categories], order = new int[categories];
        for (int i = from; i < to; i++)
        {
            int category = (int)_columns[dimension][_samples[i]];
            sums[category] += _targets[_samples[i]] - mean;
            counts[category]++;
        }
        for (int c = 0; c < categories; c++)
            if (counts[c] > 0) (means[seen], order[seen++]) = (sums[c] / counts[c], c);
        Array.Sort(means, order, 0, seen);
        double left = 0;
        int count = 0;
        for (int k = 0; k < seen - 1; k++)
        {
            left += sums[order[k]];
            count += counts[order[k]];
            double score = left * left * (1.0 / count + 1.0 / (to - from - count));
            if (!(score > (best?.Score ?? -1))) continue;
            bool[] isLeft = new bool[categories];
            if (2 * count > to - from) Array.Fill(isLeft, true);
            for (int j = 0; j < seen; j++) isLeft[order[j]] = j <= k;
            best = new TreeSplit(dimension, 0, [.. isLeft], score);
        }
        return best;
    }
}
