using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

namespace DistOpt.Core.Batching;

/// <summary>
/// The squared norm of each leaf's mean gradient, which a leaf carries beside its metrics when the plan asks for it. A worker has the whole vector of
/// its leaf, so it adds up block by block in float64 and the bits depend on the leaf alone; sums over leaves are taken along the reduction tree.
/// </summary>
public static class LeafNorms
{
    private const string Squares = "#.leaf_squares", InverseSizes = "#.leaf_inverse_sizes";

    /// <summary>Measures a leaf; one without weight is not counted.</summary>
    /// <param name="gradient">Sum of the gradients, over all parameters.</param>
    /// <param name="weight">Sum of the weights.</param>
    public static void Measure(MetricSums metrics, ReadOnlySpan<float> gradient, double weight)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        if (!(weight > 0)) return;
        double squares = 0;
        for (int at = 0; at < gradient.Length; at += KeyRangePartitioner.Block)
            squares += SquareSums.Of(gradient.Slice(at, Math.Min(KeyRangePartitioner.Block, gradient.Length - at)));
        metrics.Add(Squares, squares / (weight * weight), 1);
        metrics.Add(InverseSizes, 1 / weight, 1);
    }

    /// <summary>
    /// Tells the size alone of a leaf that servers measure (<see cref="NoiseSource.PreconditionedLeaves"/>); one without weight is not counted.
    /// </summary>
    /// <param name="weight">Sum of the weights.</param>
    public static void Count(MetricSums metrics, double weight)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        if (weight > 0) metrics.Add(InverseSizes, 1 / weight, 1);
    }

    /// <summary>Leaves out what <see cref="Measure"/> or <see cref="Count"/> has added: it is no metric of a row.</summary>
    public static void Remove(MetricSums metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        metrics.Remove(Squares);
        metrics.Remove(InverseSizes);
    }

    /// <summary>Means over the leaves with weight; null where fewer than two were measured.</summary>
    public static (double Squares, double InverseSize)? MeanOf(MetricSums metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return metrics.TryGet(Squares, out var squares) && squares.Weight >= 2 && metrics.TryGet(InverseSizes, out var inverses)
            ? (squares.Value, inverses.Value) : null;
    }

    /// <summary>Means over the leaves that were counted; null where these are fewer than two.</summary>
    /// <param name="squares">Sum over the leaves of the squared norms of their mean gradients.</param>
    public static (double Squares, double InverseSize)? MeanOf(MetricSums metrics, double squares)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return metrics.TryGet(InverseSizes, out var inverses) && inverses.Weight >= 2 ? (squares / inverses.Weight, inverses.Value) : null;
    }
}
