using DistOpt.Core.Batching;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Batching;

public sealed class Bfloat16Tests
{
    [Theory]
    [InlineData(1f, 1f)]
    [InlineData(-0f, -0f)]
    // 8 bits of mantissa: 1 + 2^-8 lies halfway between 1 and 1 + 2^-7, and 1 + 3 * 2^-8 between that and 1 + 2^-6: ties to even
    [InlineData(1.00390625f, 1f)]
    [InlineData(1.01171875f, 1.015625f)]
    [InlineData(1.003907f, 1.0078125f)]
    [InlineData(float.MaxValue, float.PositiveInfinity)]
    [InlineData(float.MinValue, float.NegativeInfinity)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(float.Epsilon, 0f)]
    public void Rounding_is_to_nearest_ties_to_even_in_vector_and_tail(float value, float expected)
    {
        float[] values = Enumerable.Repeat(value, 67).ToArray();
        Bfloat16.Round(values);
        Assert.All(values, v => Assert.Equal(BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(v)));
    }

    [Fact]
    public void What_is_not_a_number_stays_one_even_where_its_payload_is_in_the_lower_half()
    {
        foreach (uint bits in new[] { 0x7F80_0001u, 0x7FFF_FFFFu, 0xFFC0_0000u, 0xFFFF_FFFFu })
        {
            float[] values = Enumerable.Repeat(BitConverter.UInt32BitsToSingle(bits), 35).ToArray();
            Bfloat16.Round(values);
            Assert.All(values, v => Assert.True(float.IsNaN(v)));
        }
    }

    [Fact]
    public void No_other_bfloat16_number_is_nearer()
    {
        var random = new CounterRandom(3, RandomPurpose.Data, 0);
        for (int i = 0; i < 100_000; i++)
        {
            float value = BitConverter.UInt32BitsToSingle(random.NextUInt32());
            if (!float.IsFinite(value)) continue;
            float[] rounded = [value];
            Bfloat16.Round(rounded);
            uint bits = BitConverter.SingleToUInt32Bits(rounded[0]);
            Assert.Equal(0u, bits & 0xFFFF);
            if (!float.IsFinite(rounded[0])) continue;
            double off = Math.Abs((double)rounded[0] - value);
            foreach (uint neighbour in new[] { bits + 0x1_0000, bits - 0x1_0000 })
            {
                float other = BitConverter.UInt32BitsToSingle(neighbour);
                if (float.IsFinite(other)) Assert.True(off <= Math.Abs((double)other - value), $"{value:R} became {rounded[0]:R}");
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(31)]
    [InlineData(64)]
    [InlineData(1001)]
    public void Rounded_numbers_come_back_from_half_the_places_bit_for_bit(int count)
    {
        var random = new CounterRandom(4, RandomPurpose.Data, count);
        float[] values = new float[count];
        foreach (ref float value in values.AsSpan()) value = BitConverter.UInt32BitsToSingle(random.NextUInt32());
        Bfloat16.Round(values);
        float[] packed = Enumerable.Repeat(7f, (int)Bfloat16.PackedLength(count)).ToArray();
        Assert.Equal((count + 1) / 2, packed.Length);
        float[] back = new float[count];

        Bfloat16.Pack(values, packed);
        Bfloat16.Unpack(packed, back);

        Assert.Equal(values.Select(BitConverter.SingleToUInt32Bits), back.Select(BitConverter.SingleToUInt32Bits));
    }
}
