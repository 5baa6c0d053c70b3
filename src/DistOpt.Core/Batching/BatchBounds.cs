using DistOpt.Core.Specs;

namespace DistOpt.Core.Batching;

/// <summary>How small and how large the batches of a spec can become, beside the last one of an epoch.</summary>
/// <param name="Least">Samples, at least 1.</param>
/// <param name="Most">Samples, at least <paramref name="Least"/>.</param>
public readonly record struct BatchBounds(long Least, long Most)
{
    /// <summary>Bounds of the catalogue's strategies; of any other, all that a training part has.</summary>
    /// <param name="trainCount">Samples in the training part, at least 1.</param>
    public static BatchBounds Of(BatchSpec spec, long trainCount)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentOutOfRangeException.ThrowIfLessThan(trainCount, 1);
        var (least, most) = spec.Options switch
        {
            FixedBatchOptions batch => (batch.Size, batch.Size),
            FullBatchOptions => (trainCount, trainCount),
            RandomBatchOptions { Sizes: [_, ..] sizes } => (sizes.Min(), sizes.Max()),
            RandomBatchOptions batch => (batch.Min, batch.Max),
            GrowingBatchOptions batch => (batch.Size, batch.MaxSize ?? Math.Max(batch.Size, trainCount / 10)),
            NoiseScaleBatchOptions batch => (batch.MinSize, batch.MaxSize ?? Math.Max(batch.Size, trainCount / 10)),
            _ => (1L, trainCount),
        };
        return new(Math.Clamp(least, 1, trainCount), Math.Clamp(most, 1, trainCount));
    }

    /// <summary>Fewest samples in one forward and backward pass of a batch, at least 1: shards that have none are not computed.</summary>
    /// <param name="batch">Samples in it, at least 1.</param>
    public static long LeastRowsOf(TrainingSpec spec, long batch)
    {
        ArgumentNullException.ThrowIfNull(spec);
        int shards = spec.Training.GradientShards ?? spec.Training.Workers;
        long micro = spec.Training.MicroBatch ?? long.MaxValue;
        return new[] { batch / shards, (batch + shards - 1) / shards }.Where(rows => rows > 0)
            .Min(rows => rows <= micro || rows % micro == 0 ? Math.Min(rows, micro) : rows % micro);
    }

    /// <summary>Most samples in one forward and backward pass of a batch.</summary>
    /// <param name="batch">Samples in it.</param>
    public static long RowsOf(TrainingSpec spec, long batch)
    {
        ArgumentNullException.ThrowIfNull(spec);
        int shards = spec.Training.GradientShards ?? spec.Training.Workers;
        return Math.Min((batch + shards - 1) / shards, spec.Training.MicroBatch ?? long.MaxValue);
    }
}
