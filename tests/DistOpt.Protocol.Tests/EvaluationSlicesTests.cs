using DistOpt.Core.Metrics;
using DistOpt.Core.Training;

namespace DistOpt.Protocol.Tests;

public sealed class EvaluationSlicesTests
{
    /// <summary>The smallest frame that a node can be set to.</summary>
    private const int SmallestFrame = 32_000;

    /// <summary>Every cell of the matrix counted, as pictures with a class for each pixel have it.</summary>
    [Fact]
    public void Counts_of_any_number_fit_into_the_smallest_frames_and_are_put_together_again()
    {
        const int classes = 300;
        var sums = new MetricSums { { "loss", 1.5, 10 } };
        HiddenMetrics.AskConfusion(sums, classes);
        HiddenMetrics.AskAuc(sums, "auc");
        var cells = sums.CountsFor(HiddenMetrics.ConfusionCounts);
        for (int target = 0; target < classes; target++)
            for (int predicted = 0; predicted < classes; predicted++)
                cells.Add(ConfusionMatrix.Key(target, predicted, classes), long.MaxValue / 2 - target * predicted);
        var ranks = sums.CountsFor(HiddenMetrics.RankCounts);
        for (int i = 0; i < 5000; i++) RankCounts.Add(ranks, i % 7, MathF.Sin(i), i % 3 == 0);
        var plain = new MetricSums { { "loss", 2.5, 10 }, { "accuracy", 3, 10 } };

        var messages = EvaluationSlices.Of(7, (int)DataSplit.Validation, [(0, plain), (1, sums), (2, plain)]).ToList();

        var ledger = new EvaluationLedger(7, DataSplit.Validation, 30, 10);
        foreach (var message in Enumerable.Reverse(messages))
        {
            byte[] bytes = WireCodec.Serialize(message);
            Assert.InRange(bytes.Length, 1, SmallestFrame);
            var read = (EvaluationSlices)WireCodec.Deserialize(WireCodec.Manifest(message), bytes);
            Assert.False(ledger.Complete);
            foreach (var slice in read.Slices) ledger.Add(slice.Slice, slice.Metrics.ToMetrics(), slice.Part, slice.Parts);
        }
        Assert.True(ledger.Complete);
        Assert.Equal(new ConfusionMatrix(classes, cells).Cells, ledger.Confusion()!.Cells);
        Assert.Equal(RankCounts.MeanAuc(ranks), ledger.Total()["auc"].Value);
        Assert.Equal(new MetricSum(6.5, 30), ledger.Total()["loss"]);
    }

    [Fact]
    public void Many_plain_slices_are_cut_into_frames_and_few_are_one_message()
    {
        var plain = new MetricSums { { "loss", 2.5, 10 }, { "accuracy", 3, 10 } };
        Assert.Single(EvaluationSlices.Of(1, 1, [.. Enumerable.Range(0, 100).Select(i => (i, plain))]));
        var messages = EvaluationSlices.Of(1, 1, [.. Enumerable.Range(0, 5000).Select(i => (i, plain))]).ToList();
        Assert.Equal(Enumerable.Range(0, 5000), messages.SelectMany(m => m.Slices).Select(s => s.Slice));
        Assert.All(messages, m => Assert.InRange(WireCodec.Serialize(m).Length, 1, SmallestFrame));
    }
}
