using System.Collections.Immutable;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class DivergenceTests
{
    [Fact]
    public void A_diverged_run_names_step_and_tensor()
    {
        ImmutableArray<TensorSlot> slots = [new("a.weight", [2, 3], 0, 6), new("empty", [0], 6, 0), new("a.bias", [2], 6, 2), new("b", [1], 8, 1)];
        var layout = new ParameterLayout(slots, []);
        Assert.Equal(["a.weight", "a.weight", "a.bias", "a.bias", "b"], ((long[])[0, 5, 6, 7, 8]).Select(p => layout.ParameterAt(p).Name));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.ParameterAt(9));

        float[] weights = new float[9];
        Assert.StartsWith("training diverged at step 4: its loss is 2e+12, more than 1e+5 times the first one, and its gradient is finite; its update was not applied; ",
            Divergence.Text(layout, 4, new DivergedStep(2e12, null), weights));
        Assert.StartsWith("training diverged at step 4: its loss is 0.25 and its gradient is not finite, first in 'a.bias' at element 1 of 2; its update ",
            Divergence.Text(layout, 4, new DivergedStep(0.25, 7), weights));
        Assert.StartsWith("training diverged at step 0: its gradient is not finite, first in 'b' at element 0 of 1; ",
            Divergence.Text(layout, 0, new DivergedStep(null, 8), weights));
        Assert.StartsWith("training diverged at its end: after 4 steps the validation loss is NaN; lower optimizer.learning_rate",
            Divergence.Text(layout, 4, new DivergedStep(double.NaN, null) { IsAtEnd = true }, weights));
        Assert.StartsWith("training diverged at its end: after 4 steps the validation loss is 2e+12, more than 1e+5 times the first step's; lower",
            Divergence.Text(layout, 4, new DivergedStep(2e12, null) { IsAtEnd = true }, weights));
        Assert.Contains("its loss is 2e+12, more than 3.5e+1 times the first one",
            Divergence.Text(layout, 4, new DivergedStep(2e12, null), weights, factor: 35));
        (weights[7], weights[8]) = (float.NegativeInfinity, float.NaN);
        Assert.StartsWith("training diverged at its end: after 4 steps the weights are not finite, first in 'a.bias' at element 1 of 2; lower ",
            Divergence.Text(layout, 4, new DivergedStep(null, null) { IsAtEnd = true }, weights));
        Assert.StartsWith("training diverged at its end: after 4 steps the validation loss is infinite and the weights are not finite, first in 'a.bias'",
            Divergence.Text(layout, 4, new DivergedStep(double.PositiveInfinity, null) { IsAtEnd = true }, weights));
        Assert.StartsWith("training diverged at step 4: its loss is NaN and its gradient is not finite, first in 'a.weight' at element 0 of 6; "
            + "the weights before it are not finite either, first in 'a.bias' at element 1 of 2; ", Divergence.Text(layout, 4, new DivergedStep(double.NaN, 0), weights));
    }

    [Fact]
    public void A_loss_is_beyond_reason_by_the_first_one()
    {
        Assert.True(Divergence.Is(double.NaN, 2));
        Assert.True(Divergence.Is(double.NegativeInfinity, 2));
        Assert.True(Divergence.Is(2.1e5, 2));
        Assert.True(Divergence.Is(-2.1e5, -2));
        Assert.False(Divergence.Is(1.9e5, 2));
        Assert.False(Divergence.Is(900, 0));
    }

    /// <summary>A loss that may grow (a reward, a log density) has no size at which it is wrong; another may be known to be wrong sooner.</summary>
    [Fact]
    public void The_spec_says_how_large_a_loss_may_grow()
    {
        Assert.Equal(1e5, new StopSection().DivergenceFactor);
        Assert.True(Divergence.Is(21, 2, 10));
        Assert.False(Divergence.Is(19, 2, 10));
        Assert.False(Divergence.Is(1e300, 2, null));
        Assert.True(Divergence.Is(double.NaN, 2, null));
        var result = new LeafResult(1, new MetricSums { { MetricSums.Loss, 1e9, 1 } });
        Assert.Null(new DivergenceWatch(null) { FirstLoss = 1 }.Check(result));
        Assert.Null(new DivergenceWatch(1e10) { FirstLoss = 1 }.Check(result));
        Assert.NotNull(new DivergenceWatch(1e8) { FirstLoss = 1 }.Check(result));
        Assert.NotNull(new DivergenceWatch { FirstLoss = 1 }.Check(result));
    }

    [Fact]
    public void A_watch_that_takes_over_decides_like_the_one_before()
    {
        var watch = new DivergenceWatch();
        Assert.Null(watch.Check(new LeafResult(0, [])));
        Assert.Null(watch.Check(Result(3)));
        Assert.Null(watch.Check(Result(2e5)));
        var other = new DivergenceWatch { FirstLoss = watch.FirstLoss };
        foreach (var w in new[] { watch, other })
        {
            Assert.Equal(new DivergedStep(4e5, null), w.Check(Result(4e5)));
            Assert.Equal(new DivergedStep(1, 17), w.Check(Result(1) with { NonFinite = 17 }));
            Assert.Equal(new DivergedStep(null, 0), w.Check(new LeafResult(0, []) { NonFinite = 0 }));
        }

        static LeafResult Result(double loss) => new(4, new MetricSums { { MetricSums.Loss, loss * 4, 4 } });
    }

    /// <summary>
    /// What is found does not depend on who computed what with whom: shards whose sum would overflow are found alone as in one block, and the sums of
    /// those that are not found are finite.
    /// </summary>
    [Fact]
    public void Bad_gradients_are_found_in_whatever_groups_shards_are_added_up()
    {
        const int shards = 5, length = 40;
        var layout = new ParameterLayout([new TensorSlot("w", [length], 0, length)], []);
        var tree = new ReductionTree(shards);
        float most = float.MaxValue / 2 / shards;
        (float Value, int Shard, int At, bool IsBad)[] cases =
        [
            (float.NaN, 3, 39, true), (float.NegativeInfinity, 0, 0, true), (MathF.BitIncrement(most), 2, 7, true), (float.MaxValue, 4, 11, true),
            (most, 1, 5, false),
        ];
        foreach (var (value, shard, at, isBad) in cases)
        {
            for (int workers = 1; workers <= shards; workers++)
            {
                using var reducer = new TreeReducer<Lease>(tree, length, lease => lease.Gradient.Memory);
                int begin = 0;
                for (int w = 0; w < workers; w++)
                {
                    int end = (int)GradientShards.Part(shards, workers, w).End;
                    var computation = new ShardComputation(new Planted(value, shard, at, most), tree, layout);
                    foreach (var node in NodeReduction.Reduce(tree, [.. computation.Compute(new StepPlan(0, 0, 0, 10, 0), begin, end, default, default)]))
                        reducer.Add(node.Node, new Lease(node.Gradient), new LeafResult(node.Weight, node.Metrics) { NonFinite = node.NonFinite });
                    begin = end;
                }
                var (lease, result) = reducer.Take(tree.Root);
                Assert.Equal(isBad ? at : null, result!.NonFinite);
                if (!isBad) Assert.Equal(-1, FiniteScan.FirstNonFinite(lease.Gradient.Span));
            }
        }
    }

    private sealed record Lease(FlatBuffer Gradient) : IDisposable
    {
        public void Dispose() { }
    }

    /// <summary>Gradients as large as they may be, and one value of a shard.</summary>
    private sealed class Planted(float value, int shard, int at, float most) : IGradientWorker
    {
        public LeafResult ComputeLeaf(StepPlan plan, PositionRange positions, int shardIndex, FlatBuffer gradient, ReadOnlySpan<float> buffersIn,
            Span<float> buffersOut)
        {
            gradient.Span.Fill(most);
            if (shardIndex == shard) gradient.Span[at] = value;
            return new LeafResult(positions.Length, new MetricSums());
        }

        public MetricSums Evaluate(DataSplit split, PositionRange slice, ReadOnlySpan<float> buffers) => throw new NotSupportedException();

        public void Prefetch(StepPlan plan, PositionRange positions, int shardIndex) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
