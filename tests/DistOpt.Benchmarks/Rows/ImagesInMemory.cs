using System.Runtime.InteropServices;
using DistOpt.Core.Datasets;
using DistOpt.Core.Randomness;
using DistOpt.Torch;
using static TorchSharp.torch;

namespace DistOpt.Benchmarks.Rows;

/// <summary>Made-up images as MNIST has them, in memory.</summary>
internal sealed class ImagesInMemory : Dataset<SupervisedBatch>
{
    private readonly float[] _pixels;

    /// <param name="samples">How many, at least 1.</param>
    public ImagesInMemory(int samples)
    {
        (_pixels, Count) = (new float[samples * 784], samples);
        RandomKey.Of(5, RandomPurpose.Data).FillUniform(_pixels);
    }

    public sealed record NoOptions;

    public override long Count { get; }

    public override DataInfo Info => new()
    {
        Name = "images-in-memory",
        Task = TaskKind.Classification,
        InputShape = [1, 28, 28],
        Classes = [.. Enumerable.Range(0, 10).Select(i => i.ToString())],
    };

    public override SupervisedBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        var input = empty([indices.Length, 1, 28, 28], ScalarType.Float32);
        var target = empty([indices.Length], ScalarType.Int64);
        var pixels = MemoryMarshal.Cast<byte, float>(input.bytes);
        var classes = MemoryMarshal.Cast<byte, long>(target.bytes);
        for (int i = 0; i < indices.Length; i++)
        {
            _pixels.AsSpan((int)indices[i] * 784, 784).CopyTo(pixels[(i * 784)..]);
            classes[i] = indices[i] % 10;
        }
        return new SupervisedBatch(input, target);
    }
}
