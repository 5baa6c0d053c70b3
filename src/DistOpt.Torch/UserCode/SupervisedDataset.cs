using System.Buffers;
using System.Runtime.InteropServices;
using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;

using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>
/// Batches of a source of (input, class) or (input, target values): Input [N, input shape] float32, normalized by statistics of the
/// training part; training pictures are augmented before that. Target [N] int64 or [N, target shape] float32.
/// </summary>
public sealed class SupervisedDataset(ISupervisedSource source) : Dataset<SupervisedBatch>
{
    private Normalization? _normalization;
    private ImageAugmenter? _augmenter;

    public ISupervisedSource Source { get; } = source;

    public override long Count => Source.Count;

    public override DataInfo Info => Source.Info;

    public override long TestCount => Source.TestCount;

    public override ReadOnlySpan<int> Labels => Source.Labels;

    public override string ContentHash => Source.ContentHash;

    public override Normalization? Normalization => _normalization;

    public override void Prepare(ReadOnlySpan<long> trainIndices) => _normalization = NormalizationStatistics.Compute(Source, trainIndices);

    /// <summary>Changes the pictures of training batches from now on.</summary>
    internal void Use(ImageAugmenter augmenter) => _augmenter = augmenter;

    public override SupervisedBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        var info = Source.Info;
        var input = empty([indices.Length, .. info.InputShape], ScalarType.Float32);
        var augmenter = context.Training ? _augmenter : null;
        var normalization = augmenter is null ? _normalization : null;
        if (info.Task == TaskKind.Classification)
        {
            var classes = empty([indices.Length], ScalarType.Int64);
            SupervisedBatcher.Fill(Source, indices, normalization, Values<float>(input), Values<long>(classes));
            if (augmenter is not null) Augment(augmenter, Values<float>(input), indices, context);
            return new SupervisedBatch(input, classes);
        }
        var targets = empty([indices.Length, .. info.TargetShape], ScalarType.Float32);
        SupervisedBatcher.Fill(Source, indices, normalization, Values<float>(input), Values<float>(targets));
        if (augmenter is not null) Augment(augmenter, Values<float>(input), indices, context);
        return new SupervisedBatch(input, targets);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) (Source as IDisposable)?.Dispose();
        base.Dispose(disposing);
    }

    private void Augment(ImageAugmenter augmenter, Span<float> inputs, ReadOnlySpan<long> indices, DataContext context)
    {
        float[] scratch = ArrayPool<float>.Shared.Rent(augmenter.Length);
        for (int i = 0; i < indices.Length; i++)
        {
            var image = inputs.Slice(i * augmenter.Length, augmenter.Length);
            augmenter.Apply(image, context.Seed, context.Epoch, indices[i], scratch);
            _normalization?.Apply(image);
        }
        ArrayPool<float>.Shared.Return(scratch);
    }

    private static Span<T> Values<T>(Tensor tensor) where T : unmanaged => MemoryMarshal.Cast<byte, T>(tensor.bytes);
}
