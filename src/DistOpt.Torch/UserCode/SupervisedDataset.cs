using System.Runtime.InteropServices;
using DistOpt.Core.Datasets;

using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>
/// Batches of a source of (input, class) or (input, target values): Input [N, input shape] float32, normalized by statistics of the
/// training part; Target [N] int64 or [N, target shape] float32.
/// </summary>
public sealed class SupervisedDataset(ISupervisedSource source) : Dataset<SupervisedBatch>
{
    private Normalization? _normalization;

    public ISupervisedSource Source { get; } = source;

    public override long Count => Source.Count;

    public override DataInfo Info => Source.Info;

    public override long TestCount => Source.TestCount;

    public override ReadOnlySpan<int> Labels => Source.Labels;

    public override string ContentHash => Source.ContentHash;

    public override Normalization? Normalization => _normalization;

    public override void Prepare(ReadOnlySpan<long> trainIndices) => _normalization = NormalizationStatistics.Compute(Source, trainIndices);

    public override SupervisedBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        var info = Source.Info;
        var input = empty([indices.Length, .. info.InputShape], ScalarType.Float32);
        if (info.Task == TaskKind.Classification)
        {
            var classes = empty([indices.Length], ScalarType.Int64);
            SupervisedBatcher.Fill(Source, indices, _normalization, Values<float>(input), Values<long>(classes));
            return new SupervisedBatch(input, classes);
        }
        var targets = empty([indices.Length, .. info.TargetShape], ScalarType.Float32);
        SupervisedBatcher.Fill(Source, indices, _normalization, Values<float>(input), Values<float>(targets));
        return new SupervisedBatch(input, targets);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) (Source as IDisposable)?.Dispose();
        base.Dispose(disposing);
    }

    private static Span<T> Values<T>(Tensor tensor) where T : unmanaged => MemoryMarshal.Cast<byte, T>(tensor.bytes);
}
