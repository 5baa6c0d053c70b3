using System.Collections.Immutable;
using DistOpt.Core.Averaging;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Averaging;

public sealed class RunningAverageTests
{
    [Theory]
    [InlineData(1e-4)]
    [InlineData(0.3)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(1)]
    public void Every_element_has_the_same_bits_wherever_it_stands(double share)
    {
        var (average, values) = (Random(1, 101), Random(2, 101));
        var whole = average.ToArray();
        RunningAverage.Add(whole, values, share);
        for (int i = 0; i < values.Length; i++)
        {
            float[] alone = [average[i]];
            RunningAverage.Add(alone, values.AsSpan(i, 1), share);
            Assert.Equal(BitConverter.SingleToInt32Bits(alone[0]), BitConverter.SingleToInt32Bits(whole[i]));
            Assert.Equal(average[i] + share * ((double)values[i] - average[i]), whole[i], 1e-6);
        }
    }

    [Fact]
    public void Equal_ends_stay_and_a_share_of_1_copies_whatever_there_was()
    {
        float[] average = [float.NaN, 1, float.PositiveInfinity];
        RunningAverage.Add(average, [1, 2, 3], 1);
        Assert.Equal([1f, 2, 3], average);
        foreach (double share in new[] { 0.1, 0.7 })
        {
            RunningAverage.Add(average, [1, 2, 3], share);
            Assert.Equal([1f, 2, 3], average);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => RunningAverage.Add(average, [1, 2], 0.5));
    }

    /// <summary>Batch norm counts its batches in an integer, whose bits are no float.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Integers_among_the_buffers_are_taken_over(bool usesBuffers)
    {
        ImmutableArray<TensorSlot> tensors = [new TensorSlot("mean", [2], 0, 2), new TensorSlot("count", [], 2, 2, ElementType.Int64), new TensorSlot("var", [1], 4, 1)];
        float[] average = [0, 10, 0, 0, 4];
        float count = BitConverter.Int32BitsToSingle(77);
        RunningAverage.AddBuffers(tensors, average, [1, 20, count, 0, 8], 0.25, usesBuffers);
        Assert.Equal(usesBuffers ? [0.25f, 12.5f, count, 0, 5] : [1f, 20, count, 0, 8], average);
        Assert.Equal(77, BitConverter.SingleToInt32Bits(average[2]));
    }

    private static float[] Random(long seed, int length)
    {
        var values = new float[length];
        RandomKey.Of(seed, RandomPurpose.Data).FillUniform(values);
        return values;
    }
}
