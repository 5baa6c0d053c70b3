using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace DistOpt.Core.Batching;

/// <summary>Options of <c>batch: fixed</c>.</summary>
public sealed record FixedBatchOptions
{
    [Description("Samples in one global batch, over all workers")]
    [Range(1, 10_000_000)]
    public int Size { get; init; } = 32;
}

/// <summary>The same number of samples in every step.</summary>
public sealed class FixedBatch(FixedBatchOptions options) : IBatchStrategy
{
    public bool Varies => false;

    public bool IsForeseeable => true;

    public int Nominal(long trainCount) => options.Size;

    public BatchChoice Choose(in BatchPosition position, BatchState? before) => new(options.Size, BatchReason.Fixed);
}

/// <summary>Options of <c>batch: full</c>: there are none.</summary>
public sealed record FullBatchOptions;

/// <summary>The whole training part in every step: gradient descent in its first sense, one step an epoch.</summary>
public sealed class FullBatch : IBatchStrategy
{
    /// <summary>Name in specs.</summary>
    public const string Name = "full";

    public bool Varies => false;

    public bool IsForeseeable => true;

    public int Nominal(long trainCount) => (int)Math.Min(int.MaxValue, trainCount);

    public BatchChoice Choose(in BatchPosition position, BatchState? before) => new(Nominal(position.TrainCount), BatchReason.Full);
}
