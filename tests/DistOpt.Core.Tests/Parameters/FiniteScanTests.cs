using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Parameters;

public sealed class FiniteScanTests
{
    [Fact]
    public void The_first_value_that_is_not_finite_is_found_at_every_place()
    {
        float[] odd = [float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity, BitConverter.UInt32BitsToSingle(0x7F80_0001)];
        for (int length = 0; length < 70; length++)
        {
            float[] values = [.. Enumerable.Range(0, length).Select(i => i % 3 == 0 ? float.MaxValue : i % 3 == 1 ? -float.Epsilon : -0f)];
            Assert.Equal(-1, FiniteScan.FirstNonFinite(values));
            for (int at = 0; at < length; at++)
            {
                float[] broken = [.. values];
                broken[at] = odd[at % odd.Length];
                broken[length - 1] = odd[0];
                Assert.Equal(at, FiniteScan.FirstNonFinite(broken));
            }
        }
    }

    [Fact]
    public void A_bound_is_one_of_magnitudes_and_belongs_to_what_is_allowed()
    {
        float[] values = new float[77];
        values[50] = -3;
        Assert.Equal(-1, FiniteScan.FirstBeyond(values, 3));
        Assert.Equal(50, FiniteScan.FirstBeyond(values, MathF.BitDecrement(3)));
        values[41] = 4;
        Assert.Equal(41, FiniteScan.FirstBeyond(values, 3));
        Assert.Equal(41, FiniteScan.FirstBeyond(values, 0));
    }
}
