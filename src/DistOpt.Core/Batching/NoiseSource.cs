namespace DistOpt.Core.Batching;

/// <summary>The norm in which the gradient's noise is measured.</summary>
public enum NoiseNorm
{
    /// <summary>Preconditioned where the optimizer keeps a mean of squared gradients, plain elsewhere.</summary>
    Auto,

    /// <summary>The Euclidean norm of the gradient as it is.</summary>
    Plain,

    /// <summary>Of the gradient divided by the root of the optimizer's mean of its squares, as the optimizer itself divides it.</summary>
    Preconditioned,
}

/// <summary>Where estimates of the gradient's noise come from. The number is how many more sums a server's norms have.</summary>
public enum NoiseSource
{
    /// <summary>Nobody asks.</summary>
    None = 0,

    /// <summary>The squared norms of the batch's gradient and of its leaves.</summary>
    Leaves = 1,

    /// <summary>With one gradient shard: of two consecutive gradients. Servers keep the one before beside the optimizer's slots.</summary>
    Consecutive = 2,

    /// <summary>
    /// As <see cref="Leaves"/>, of gradients divided by their root mean squares. Servers have these, workers do not: leaves are pushed one by one.
    /// </summary>
    PreconditionedLeaves = 3,

    /// <summary>As <see cref="Consecutive"/>, of gradients that are both divided by the root mean squares of the later one's step.</summary>
    PreconditionedConsecutive = 4,
}

public static class NoiseSources
{
    /// <summary>
    /// The first step that is measured in the preconditioned norm, from 0. At step 0 there is no mean square to divide by; and for n squares of normal
    /// numbers the estimate, which goes with 1 / mean square, has no variance for n below 5 (E chi^-4 is infinite): one small early gradient would weigh
    /// more than everything after it.
    /// </summary>
    public const long FirstPreconditioned = 5;

    /// <summary>Whether gradients are divided by the root of the optimizer's mean squares.</summary>
    public static bool IsPreconditioned(this NoiseSource source) => source is NoiseSource.PreconditionedLeaves or NoiseSource.PreconditionedConsecutive;

    /// <summary>Whether estimates are of two consecutive gradients.</summary>
    public static bool IsOfConsecutive(this NoiseSource source) => source is NoiseSource.Consecutive or NoiseSource.PreconditionedConsecutive;

    /// <summary>Whether the gradient of a step is measured.</summary>
    /// <param name="step">Updates before it.</param>
    public static bool IsMeasuredAt(this NoiseSource source, long step) =>
        source != NoiseSource.None && (!source.IsPreconditioned() || step >= FirstPreconditioned);
}
