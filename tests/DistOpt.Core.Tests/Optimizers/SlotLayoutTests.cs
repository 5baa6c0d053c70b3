using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Optimizers;

public sealed class SlotLayoutTests
{
    private static readonly ParameterLayout Layout = OptimizerRun.Of(
        ("a", [40, 50]), ("b", [40]), ("none", [0]), ("c", [30, 4, 3, 3]), ("d", [1, 70]), ("e", [2, 2]), ("f", []));

    [Fact]
    public void Adafactor_keeps_rows_and_columns_of_each_matrix_and_the_rest_whole()
    {
        var slot = Assert.Single(SlotLayout.Of(Layout, new Adafactor(new AdafactorOptions())));
        Assert.Equal("variance", slot.Name);
        Assert.Equal(["90", "40", "0", "30,4,6", "1,70", "4", ""], slot.Tensors.Select(t => string.Join(',', t.Shape)));
        Assert.Equal(90 + 40 + 0 + 720 + 70 + 4 + 1, slot.Length);
        Assert.Equal(Layout.Parameters.Select(t => t.Name), slot.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void Every_cut_between_tensors_cuts_a_factored_slot_into_parts_without_gaps()
    {
        var slot = SlotLayout.Of(Layout, new Adafactor(new AdafactorOptions()))[0];
        for (int servers = 1; servers <= KeyRangePartitioner.MaxServers(Layout, wholeTensors: true); servers++)
        {
            long next = 0;
            foreach (var range in KeyRangePartitioner.Cut(Layout, servers, wholeTensors: true))
            {
                var part = slot.RangeOf(range);
                Assert.Equal(next, part.Begin);
                var own = Enumerable.Range(0, Layout.Parameters.Length).Where(t => range.Contains(Layout.Parameters[t].Offset));
                Assert.Equal(own.Sum(t => slot.Tensors[t].Length), part.Length);
                next = part.End;
            }
            Assert.Equal(slot.Length, next);
        }
    }

    [Fact]
    public void Slots_that_are_as_long_as_the_parameters_are_cut_anywhere()
    {
        foreach (var slot in SlotLayout.Of(Layout, new Adam(new AdamOptions())))
        {
            Assert.Equal(Layout.ParameterCount, slot.Length);
            Assert.Equal(new KeyRange(1024, 2048), slot.RangeOf(new KeyRange(1024, 2048)));
        }
    }
}
