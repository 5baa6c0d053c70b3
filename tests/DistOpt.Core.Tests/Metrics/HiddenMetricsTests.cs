using DistOpt.Core.Metrics;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Metrics;

public sealed class HiddenMetricsTests
{
    [Fact]
    public void What_is_asked_for_is_reported_in_its_order_and_nothing_hidden()
    {
        var sums = new MetricSums();
        sums.Add("loss", 3, 2);
        HiddenMetrics.AskRoot(sums, "rmse", 8, 2);
        HiddenMetrics.AskClasses(sums, "f1", 3, ClassScoreKind.F1, ClassAverage.Macro);
        HiddenMetrics.AskClasses(sums, "recall/a=b", 3, ClassScoreKind.Recall, null, 2);
        HiddenMetrics.AskConfusion(sums, 3);
        sums.Add("own", 1, 4);
        var counts = sums.CountsFor(HiddenMetrics.ConfusionCounts);
        counts.Add(ConfusionMatrix.Key(0, 0, 3), 2);
        counts.Add(ConfusionMatrix.Key(2, 0, 3));
        counts.Add(ConfusionMatrix.Key(2, 2, 3), 3);

        var finished = HiddenMetrics.Finish(sums);

        Assert.Equal(["loss", "rmse", "f1", "recall/a=b", "own"], finished.Select(m => m.Key));
        Assert.Equal(new MetricSum(3, 2), finished["loss"]);
        Assert.Equal(2, finished["rmse"].Value);
        // class 1 occurs nowhere: f1 of classes 0 and 2 are 4/5 and 6/7
        Assert.Equal((4.0 / 5 + 6.0 / 7) / 2, finished["f1"].Value, 1e-15);
        Assert.Equal(0.75, finished["recall/a=b"].Value);
        Assert.Empty(finished.Counts);
        var matrix = HiddenMetrics.Confusion(sums)!;
        Assert.Equal([(0, 0, 2L), (2, 0, 1), (2, 2, 3)], matrix.Cells);
        Assert.Equal((0L, 1L), (matrix[1, 1], matrix[2, 0]));
        Assert.Equal("target,a,\"b,\"\"c\",2\na,2,0,0\n\"b,\"\"c\",0,0,0\n2,1,0,3\n", matrix.ToCsv(["a", "b,\"c"]));
    }

    [Fact]
    public void Sums_without_marks_are_given_back_as_they_are()
    {
        var sums = new MetricSums { { "loss", 1, 2 }, { "accuracy", 3, 4 } };
        Assert.Same(sums, HiddenMetrics.Finish(sums));
        Assert.Null(HiddenMetrics.Confusion(sums));
    }

    [Fact]
    public void Counts_are_added_copied_and_cleared_with_the_sums()
    {
        var (a, b) = (new MetricSums(), new MetricSums());
        a.CountsFor("#x").Add(7, 2);
        b.CountsFor("#x").Add(7, 3);
        b.CountsFor("#x").Add(-1);
        var sum = a.Copy();
        sum.Add(b);
        Assert.Equal([(-1L, 1L), (7, 5)], sum.CountsOf("#x")!.Sorted());
        Assert.Equal([(7L, 2L)], a.CountsOf("#x")!.Sorted());
        sum.Clear();
        Assert.Null(sum.CountsOf("#x"));
    }

    [Fact]
    public void A_slice_in_parts_is_there_with_its_last_part_in_any_order_and_repeats_are_dropped()
    {
        var ledger = new EvaluationLedger(1, DataSplit.Validation, 20, 10);
        var (head, first, second) = (new MetricSums { { "loss", 1, 10 } }, new MetricSums(), new MetricSums());
        HiddenMetrics.AskConfusion(head, 2);
        first.CountsFor(HiddenMetrics.ConfusionCounts).Add(0, 6);
        second.CountsFor(HiddenMetrics.ConfusionCounts).Add(3, 4);
        Assert.False(ledger.Add(1, second, 2, 3));
        Assert.False(ledger.Add(1, second, 2, 3));
        Assert.False(ledger.Add(1, first, 3, 3));
        Assert.True(ledger.Add(0, new MetricSums { { "loss", 3, 10 } }));
        Assert.False(ledger.Add(1, head, 0, 3));
        Assert.Equal([1], ledger.Missing);
        Assert.True(ledger.Add(1, first, 1, 3));
        Assert.False(ledger.Add(1, first, 1, 3));
        Assert.True(ledger.Complete);
        Assert.Equal(new MetricSum(4, 20), ledger.Total()["loss"]);
        Assert.Equal([(0, 0, 6L), (1, 1, 4)], ledger.Confusion()!.Cells);
    }
}
