using System.Numerics.Tensors;
using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Numerics;

/// <summary>What a suggestion is computed from must not depend on where an array lies.</summary>
public sealed class VectorsTests
{
    private const int Longest = 300;

    /// <summary>Of all magnitudes, so that any other order gives other bits.</summary>
    [Fact]
    public void A_sum_has_the_same_bits_wherever_its_elements_lie_and_adds_them_in_the_order_that_is_written_down()
    {
        double[] values = Values();
        double[] memory = new double[Longest + 8];
        for (int length = 0; length <= Longest; length++)
        {
            double expected = Slow(values.AsSpan(0, length));
            for (int offset = 0; offset < 8; offset++)
            {
                var slice = memory.AsSpan(offset, length);
                values.AsSpan(0, length).CopyTo(slice);
                Assert.Equal(expected, Vectors.Sum(slice));
            }
        }
    }

    /// <summary>The library's exponential goes through vectors from two elements on, overlapping ones at the ends, and through no scalar tail.</summary>
    [Fact]
    public void Exponentials_have_the_same_bits_wherever_they_lie_in_memory_and_among_others()
    {
        double[] values = [.. Values().Select(v => -Math.Abs(Math.Log(Math.Abs(v))))];
        double[] whole = new double[Longest];
        TensorPrimitives.Exp<double>(values, whole);
        double[] memory = new double[Longest + 8];
        for (int length = 2; length <= Longest; length++)
        {
            for (int offset = 0; offset < 8; offset++)
            {
                var slice = memory.AsSpan(offset, length);
                values.AsSpan(0, length).CopyTo(slice);
                TensorPrimitives.Exp<double>(slice, slice);
                Assert.True(slice.SequenceEqual(whole.AsSpan(0, length)), $"{length} values at offset {offset}");
            }
        }
    }

    private static double[] Values()
    {
        double[] values = new double[Longest];
        var random = new CounterRandom(3, RandomPurpose.Search, 0);
        for (int i = 0; i < Longest; i++) values[i] = random.NextGaussian() * Math.Pow(10, 8 * random.NextDouble() - 4);
        return values;
    }

    private static double Slow(ReadOnlySpan<double> values)
    {
        double[] places = new double[16];
        int whole = values.Length / 16 * 16;
        for (int i = 0; i < whole; i++) places[i % 16] += values[i];
        double[] sums = [.. Enumerable.Range(0, 4).Select(k => (places[k] + places[4 + k]) + (places[8 + k] + places[12 + k]))];
        double total = ((sums[0] + sums[1]) + sums[2]) + sums[3];
        for (int i = whole; i < values.Length; i++) total += values[i];
        return total;
    }
}
