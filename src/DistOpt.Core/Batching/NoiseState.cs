namespace DistOpt.Core.Batching;

/// <summary>
/// One estimate of a step: the trace of the covariance of a sample's gradient, and the squared norm of the true gradient. Each is unbiased, so either
/// may be negative.
/// </summary>
public readonly record struct NoiseEstimate(double Trace, double SquaredNorm)
{
    /// <summary>Whether it may be counted: a step whose gradient is no number tells nothing.</summary>
    public bool IsFinite => double.IsFinite(Trace) && double.IsFinite(SquaredNorm);

    /// <summary>
    /// From the leaves of one batch (McCandlish et al. 2018, appendix A.1): E|g_i|^2 = |G|^2 + trace / n_i for the mean gradient of leaf i, and
    /// E|g|^2 = |G|^2 + trace / n for that of the batch. Where all leaves have n / k samples these are the paper's equations with
    /// B_small = B / G; leaves of other sizes count by the mean of 1 / n_i.
    /// </summary>
    /// <param name="squares">Mean of |g_i|^2 over the leaves.</param>
    /// <param name="inverseSize">Mean of 1 / n_i.</param>
    /// <param name="batchSquares">|g|^2.</param>
    /// <param name="size">n, in the unit of n_i.</param>
    public static NoiseEstimate FromLeaves(double squares, double inverseSize, double batchSquares, double size)
    {
        double trace = (squares - batchSquares) / (inverseSize - 1 / size);
        return new NoiseEstimate(trace, batchSquares - trace / size);
    }

    /// <summary>
    /// From the mean gradients of two batches, one step after the other, as AdaptDL takes them with one worker: E|a - b|^2 = trace * (1/n_a + 1/n_b)
    /// and E(a . b) = |G|^2, as far as the true gradient stays the same from one step to the next.
    /// </summary>
    /// <param name="a">|a|^2.</param>
    /// <param name="dot">a . b.</param>
    /// <param name="b">|b|^2.</param>
    public static NoiseEstimate FromConsecutive(double a, double dot, double b, double sizeA, double sizeB) =>
        new((a - 2 * dot + b) / (1 / sizeA + 1 / sizeB), dot);
}

/// <summary>
/// Running means of trace and squared norm, each by itself, since the mean of quotients is none of the quotient. Exponential with bias correction:
/// divided by the weight that has come together, so that the first estimates count in full.
/// </summary>
public sealed record NoiseState
{
    /// <summary>Weighted sum of the traces; see <see cref="Weight"/>.</summary>
    public double Trace { get; init; }

    /// <summary>Weighted sum of the squared norms.</summary>
    public double SquaredNorm { get; init; }

    /// <summary>1 - smoothing^n after n estimates; 0 before the first.</summary>
    public double Weight { get; init; }

    /// <summary>Estimates that were counted.</summary>
    public long Count { get; init; }

    /// <summary>
    /// Squared norm of the gradient of the step before, where estimates come from consecutive gradients; 0 in the preconditioned norm, in which each step
    /// measures it anew.
    /// </summary>
    public double PreviousSquares { get; init; }

    /// <summary>Samples in its batch; 0 before the first step.</summary>
    public double PreviousSize { get; init; }

    /// <summary>The running means; null before the first estimate.</summary>
    public NoiseEstimate? Mean => Weight > 0 ? new NoiseEstimate(Trace / Weight, SquaredNorm / Weight) : null;

    /// <summary>
    /// The noise scale in samples: trace / |G|^2, 0 where the trace is not positive, infinite where only the squared norm is not; null before the
    /// first estimate.
    /// </summary>
    public double? Scale => Mean is not { } mean ? null : mean.Trace <= 0 ? 0 : mean.SquaredNorm <= 0 ? double.PositiveInfinity : mean.Trace / mean.SquaredNorm;

    /// <summary>The state with one more estimate; one that is not finite is passed over.</summary>
    /// <param name="smoothing">Share that stays of what was, from 0 to below 1.</param>
    public NoiseState With(NoiseEstimate estimate, double smoothing) => !estimate.IsFinite ? this : this with
    {
        Trace = smoothing * Trace + (1 - smoothing) * estimate.Trace,
        SquaredNorm = smoothing * SquaredNorm + (1 - smoothing) * estimate.SquaredNorm,
        Weight = smoothing * Weight + (1 - smoothing),
        Count = Count + 1,
    };
}
