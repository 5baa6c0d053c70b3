using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class EvaluationLedgerTests
{
    [Fact]
    public void The_sum_has_the_same_bits_whatever_the_order_of_arrival()
    {
        var slices = Enumerable.Range(0, 40).Select(i => Sums(Math.Sqrt(i + 1), i % 3)).ToList();
        double? expected = null;
        for (int seed = 0; seed < 20; seed++)
        {
            var order = Enumerable.Range(0, 40).ToArray();
            new Random(seed).Shuffle(order);
            var ledger = new EvaluationLedger(7, DataSplit.Validation, 399, 10);
            foreach (int slice in order) Assert.True(ledger.Add(slice, slices[slice]));
            expected ??= ledger.Total()["loss"].Sum;
            Assert.Equal(expected, ledger.Total()["loss"].Sum);
        }
    }

    [Fact]
    public void A_repeat_or_a_slice_out_of_range_is_dropped()
    {
        var ledger = new EvaluationLedger(0, DataSplit.Test, 25, 10);

        Assert.True(ledger.Add(1, Sums(1, 1)));
        Assert.False(ledger.Add(1, Sums(100, 1)));
        Assert.False(ledger.Add(3, Sums(1, 1)));
        Assert.False(ledger.Add(-1, Sums(1, 1)));
        Assert.Equal([0, 2], ledger.Missing);
        Assert.False(ledger.Complete);
        Assert.Throws<InvalidOperationException>(ledger.Total);
        ledger.Add(0, Sums(2, 1));
        ledger.Add(2, Sums(3, 1));
        Assert.Equal(new MetricSum(6, 3), ledger.Total()["loss"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(50)]
    public void Workers_share_all_slices_among_them(int workers)
    {
        int slices = EvaluationLedger.SliceCount(1001, 64);
        var shared = Enumerable.Range(0, workers).SelectMany(w => EvaluationLedger.SlicesOf(slices, w, workers)).Order();

        Assert.Equal(16, slices);
        Assert.Equal(Enumerable.Range(0, slices), shared);
        Assert.Equal(1001, Enumerable.Range(0, slices).Sum(i => EvaluationLedger.Slice(1001, 64, i).Length));
    }

    private static MetricSums Sums(double sum, double weight)
    {
        var sums = new MetricSums();
        sums.Add(MetricSums.Loss, sum, weight);
        return sums;
    }
}
