using System.Collections.Immutable;
using System.Numerics;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Averaging;

/// <summary>Moves averages, element by element and without fused multiply-add: the bits depend on no other element and on no vector width.</summary>
public static class RunningAverage
{
    /// <summary>
    /// average += share * (values - average) in float32, with <c>torch.lerp</c>'s formula; a share of 1 copies.
    /// </summary>
    /// <param name="average">As long as <paramref name="values"/>.</param>
    /// <param name="share">Above 0 and at most 1.</param>
    public static void Add(Span<float> average, ReadOnlySpan<float> values, double share)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(average.Length, values.Length);
        if (share >= 1)
        {
            values.CopyTo(average);
            return;
        }
        // from the nearer end, so that equal ends stay equal and the share 1 would be exact
        bool isFromAverage = share < 0.5;
        float factor = (float)(isFromAverage ? share : 1 - share);
        int at = 0;
        for (; at <= values.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            var a = new Vector<float>(average[at..]);
            var v = new Vector<float>(values[at..]);
            var moved = isFromAverage ? a + (v - a) * new Vector<float>(factor) : v - (v - a) * new Vector<float>(factor);
            moved.CopyTo(average[at..]);
        }
        for (; at < values.Length; at++)
        {
            float difference = values[at] - average[at];
            average[at] = isFromAverage ? average[at] + difference * factor : values[at] - difference * factor;
        }
    }

    /// <summary>The same for a buffer section: integers are taken over, and so is everything where buffers are not averaged.</summary>
    /// <param name="tensors">The section's tensors.</param>
    public static void AddBuffers(ImmutableArray<TensorSlot> tensors, Span<float> average, ReadOnlySpan<float> values, double share, bool usesBuffers)
    {
        foreach (var tensor in tensors)
        {
            var (begin, length) = ((int)tensor.Offset, (int)tensor.Length);
            bool isAveraged = usesBuffers && tensor.Type == ElementType.Float32;
            Add(average.Slice(begin, length), values.Slice(begin, length), isAveraged ? share : 1);
        }
    }
}
