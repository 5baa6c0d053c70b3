using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>A batch with the tensors it holds, which live until it is disposed of.</summary>
internal sealed class LoadedBatch(object batch, List<Tensor> tensors, long firstPosition, int rows) : IDisposable
{
    public object Batch { get; } = batch;

    public IReadOnlyList<Tensor> Tensors => tensors;

    public long FirstPosition { get; } = firstPosition;

    public int Rows { get; } = rows;

    public void Dispose()
    {
        foreach (var tensor in tensors) tensor.Dispose();
        tensors.Clear();
    }
}

/// <summary>Loads batches by their positions. Thread-safe.</summary>
internal sealed class BatchLoader(Dataset dataset, DataSplits splits, long seed)
{
    private readonly EpochOrder _order = new(seed, splits.Counts.Train);

    /// <summary>Whether the data set draws from libtorch's generator, which is then seeded for each batch while others wait.</summary>
    public bool SeedGenerator { get; set; }

    /// <summary>Samples in the training part.</summary>
    public long TrainCount => splits.Counts.Train;

    /// <summary>Positions of an epoch's order of the training part.</summary>
    public LoadedBatch LoadTraining(int epoch, PositionRange positions)
    {
        int rows = checked((int)positions.Length);
        var indices = rows <= 512 ? stackalloc long[rows] : new long[rows];
        _order.CopyTo(epoch, positions, indices);
        var train = splits.Train.Span;
        for (int i = 0; i < rows; i++) indices[i] = train[(int)indices[i]];
        return Load(indices, new DataContext(DataSplit.Train, true, epoch, positions.Begin, seed));
    }

    /// <summary>Positions of a split's fixed order, without augmentation.</summary>
    public LoadedBatch LoadEvaluation(DataSplit split, PositionRange positions) =>
        Load(splits.Of(split).Span[checked((int)positions.Begin)..checked((int)positions.End)],
            new DataContext(split, false, 0, positions.Begin, seed));

    /// <summary>Any samples by index, as evaluation sees them.</summary>
    public LoadedBatch LoadIndices(ReadOnlySpan<long> indices) => Load(indices, new DataContext(DataSplit.Train, false, 0, 0, seed));

    private LoadedBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        if (!SeedGenerator) return LoadNow(indices, context);
        using var turn = TorchGenerator.Enter(RandomKey.Of(seed, RandomPurpose.Engine, -1, (long)context.Split, context.Training ? 1 : 0,
            context.Epoch, context.FirstPosition));
        return LoadNow(indices, context);
    }

    private LoadedBatch LoadNow(ReadOnlySpan<long> indices, DataContext context)
    {
        // what Load makes on the way is freed here, what the batch holds is kept
        using var scope = NewDisposeScope();
        object batch = dataset.LoadBatch(indices, context)
            ?? throw new InvalidOperationException($"{dataset.GetType().Name}.Load returned null");
        var tensors = BatchTensors.Of(batch);
        if (tensors.Count == 0)
            throw new InvalidOperationException($"a batch of type {batch.GetType().Name} holds no tensor in a public property or field");
        foreach (var tensor in tensors) tensor.DetachFromDisposeScope();
        return new LoadedBatch(batch, tensors, context.FirstPosition, indices.Length);
    }
}
