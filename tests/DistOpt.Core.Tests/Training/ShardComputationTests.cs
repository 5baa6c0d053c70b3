using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class ShardComputationTests
{
    private const int Length = 50;

    private static readonly ParameterLayout Layout = new([new TensorSlot("w", [Length], 0, Length)], []);

    [Fact]
    public void Whoever_computes_which_shards_the_root_has_the_same_bits()
    {
        foreach (int shards in new[] { 1, 2, 3, 5, 8, 13 })
        {
            var tree = new ReductionTree(shards);
            var expected = Whole(tree, shards, [shards]);
            for (int workers = 1; workers <= shards; workers++)
            {
                var cuts = Enumerable.Range(1, workers).Select(w => (int)GradientShards.Part(shards, workers, w - 1).End).ToArray();
                Assert.Equal(expected, Whole(tree, shards, cuts));
            }
        }
    }

    [Fact]
    public void Depth_first_addition_needs_few_buffers()
    {
        var worker = new CountingWorker();
        var computation = new ShardComputation(worker, new ReductionTree(64), Layout);

        for (int step = 0; step < 3; step++) computation.Compute(Plan(64, step), 0, 64, default, default);

        Assert.Equal(7, worker.Buffers.Count); // log2(64) + 1
    }

    [Fact]
    public void Each_shard_is_computed_once_in_order()
    {
        var worker = new CountingWorker();

        new ShardComputation(worker, new ReductionTree(6), Layout).Compute(Plan(13, 0), 1, 6, default, default);

        Assert.Equal([1, 2, 3, 4, 5], worker.Shards);
    }

    /// <summary>Servers measure them before they add them up: of 5 shards also the last one, which is a node of its own further up.</summary>
    [Fact]
    public void Leaves_are_left_apart_where_the_plan_says_so_and_tell_their_sizes()
    {
        var tree = new ReductionTree(5);
        var computation = new ShardComputation(new CountingWorker(), tree, Layout);
        for (int step = 0; step < 2; step++)
        {
            var nodes = computation.Compute(Plan(13, step) with { PushesLeaves = true }, 1, 5, default, default);

            Assert.Equal([1, 2, 3, 4], nodes.Select(n => n.Node.Index));
            Assert.All(nodes, n => Assert.Equal(0, n.Node.Level));
            Assert.Equal([3.0, 2, 3, 3], nodes.Select(n => n.Weight));
            Assert.Equal(4, nodes.Select(n => n.Gradient).Distinct().Count());
            var metrics = new MetricSums();
            foreach (var node in nodes) metrics.Add(node.Metrics);
            var (squares, inverse) = LeafNorms.MeanOf(metrics, 10)!.Value;
            Assert.Equal(2.5, squares, 1e-12);
            Assert.Equal((3 / 3.0 + 1 / 2.0) / 4, inverse, 1e-12);
            Assert.Null(LeafNorms.MeanOf(metrics));
            LeafNorms.Remove(metrics);
            Assert.Equal(0, metrics.Count);
        }
    }

    private static float[] Whole(ReductionTree tree, int shards, int[] cuts)
    {
        var nodes = new List<ComputedNode>();
        int begin = 0;
        foreach (int end in cuts)
        {
            nodes.AddRange(new ShardComputation(new CountingWorker(), tree, Layout).Compute(Plan(shards * 3, 0), begin, end, default, default));
            begin = end;
        }
        var root = Assert.Single(NodeReduction.Reduce(tree, nodes));
        Assert.Equal(tree.Root, root.Node);
        Assert.Equal(shards * 3, root.Weight);
        return root.Gradient.Span.ToArray();
    }

    private static StepPlan Plan(int batch, long step) => new(step, 0, 0, batch, 0.1);

    /// <summary>Gradients whose sum depends on the order of addition.</summary>
    private sealed class CountingWorker : IGradientWorker
    {
        public List<int> Shards { get; } = [];

        public HashSet<FlatBuffer> Buffers { get; } = [];

        public LeafResult ComputeLeaf(StepPlan plan, PositionRange shard, int shardIndex, FlatBuffer gradient,
            ReadOnlySpan<float> buffersIn, Span<float> buffersOut)
        {
            Shards.Add(shardIndex);
            Buffers.Add(gradient);
            for (int i = 0; i < Length; i++) gradient.Span[i] = MathF.Pow(-3.7f, (shardIndex * 5 + i) % 11);
            return new LeafResult(shard.Length, new MetricSums());
        }

        public MetricSums Evaluate(DataSplit split, PositionRange slice, ReadOnlySpan<float> buffers) => throw new NotSupportedException();

        public void Prefetch(StepPlan plan, PositionRange shard, int shardIndex) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
