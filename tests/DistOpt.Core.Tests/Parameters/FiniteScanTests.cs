using System.Collections.Immutable;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

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
    public void A_diverged_run_names_step_and_tensor()
    {
        ImmutableArray<TensorSlot> slots = [new("a.weight", [2, 3], 0, 6), new("empty", [0], 6, 0), new("a.bias", [2], 6, 2), new("b", [1], 8, 1)];
        var layout = new ParameterLayout(slots, []);
        Assert.Equal(["a.weight", "a.weight", "a.bias", "a.bias", "b"], ((long[])[0, 5, 6, 7, 8]).Select(p => layout.ParameterAt(p).Name));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.ParameterAt(9));

        float[] weights = new float[9];
        Assert.Contains("the loss of step 4 is 2e+12, more than 1e+9 times the first one (every weight is still finite)", Divergence.Text(layout, 5, 2e12, weights));
        (weights[7], weights[8]) = (float.NegativeInfinity, float.NaN);
        Assert.Contains("the first tensor with such a value is 'a.bias', -infinity at element 1 of 2", Divergence.Text(layout, 5, double.NaN, weights));

        Assert.True(Divergence.Is(double.NaN, 2));
        Assert.True(Divergence.Is(double.NegativeInfinity, 2));
        Assert.True(Divergence.Is(2.1e9, 2));
        Assert.True(Divergence.Is(-2.1e9, -2));
        Assert.False(Divergence.Is(1.9e9, 2));
        Assert.False(Divergence.Is(900, 0));
    }
}
