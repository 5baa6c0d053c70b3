using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Parameters;

public sealed class ParameterLayoutTests
{
    private static readonly TensorSlot Weight = new("0.weight", [10, 64], 0, 640);
    private static readonly TensorSlot Bias = new("0.bias", [10], 640, 10);

    [Fact]
    public void Sections_are_as_long_as_their_tensors()
    {
        var layout = new ParameterLayout([Weight, Bias],
            [new("running_mean", [10], 0, 10), new("batches", [], 10, 2, ElementType.Int64)],
            new Dictionary<string, string> { ["decoder.weight"] = "0.weight" });
        Assert.Equal(650, layout.ParameterCount);
        Assert.Equal(12, layout.BufferCount);
        Assert.Equal(new KeyRange(640, 650), layout.Parameters[1].Range);
        Assert.Equal("0.weight", layout.Ties["decoder.weight"]);
    }

    [Fact]
    public void A_gap_an_overlap_and_a_wrong_length_are_refused_by_name()
    {
        Refused("'0.bias'", [Weight, Bias with { Offset = 641 }], []);
        Refused("'0.bias'", [Weight, Bias with { Offset = 639 }], []);
        Refused("'0.bias'", [Weight, Bias with { Length = 11 }], []);
        Refused("'n'", [], [new("n", [], 0, 1, ElementType.Int64)]);

        static void Refused(string name, TensorSlot[] parameters, TensorSlot[] buffers) =>
            Assert.Contains(name, Assert.Throws<ArgumentException>(() => new ParameterLayout(parameters, buffers)).Message);
    }

    [Fact]
    public void Slots_are_equal_by_value()
    {
        Assert.Equal(Weight, new TensorSlot("0.weight", [10, 64], 0, 640));
        Assert.Equal(Weight.GetHashCode(), new TensorSlot("0.weight", [10, 64], 0, 640).GetHashCode());
        Assert.NotEqual(Weight, Weight with { Shape = [64, 10] });
    }
}
