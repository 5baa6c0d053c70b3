using DistOpt.Core.Batching;
using DistOpt.Core.Randomness;
using DistOpt.Core.Tests.Support;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Batching;

public sealed class TreeReducerTests
{
    private const int Length = 37;

    [Theory]
    [InlineData(GradientPrecision.Float32)]
    [InlineData(GradientPrecision.Bfloat16)]
    public void Any_order_of_arrival_and_any_local_reduction_give_the_bits_of_the_recursive_sum(GradientPrecision precision)
    {
        for (int trial = 0; trial < 400; trial++)
        {
            var random = new CounterRandom(1, RandomPurpose.Data, trial);
            var tree = new ReductionTree(1 + random.NextInt(20), precision);
            var expected = Reference(tree, tree.Root, trial);
            var leases = new List<Lease>();
            var pushes = new List<(TreeNode Node, Lease Lease, LeafResult Result)>();
            // workers own consecutive shards and reduce what they own; some shards are computed twice, as after a failure
            for (int begin = 0; begin < tree.GradientShards;)
            {
                int end = Math.Min(tree.GradientShards, begin + 1 + random.NextInt(6));
                pushes.AddRange(Local(tree, begin, end, trial, ref random, leases));
                if (random.NextInt(4) == 0) pushes.AddRange(Local(tree, begin, end, trial, ref random, leases));
                if (random.NextInt(4) == 0) pushes.Add(Leaf(begin, trial, leases));
                begin = end;
            }
            pushes.Add(Leaf(random.NextInt(tree.GradientShards), trial, leases));
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(pushes));

            using var reducer = NewReducer(tree);
            foreach (var (node, lease, result) in pushes)
            {
                bool covered = reducer.IsCovered(node);
                Assert.Equal(!covered, reducer.Add(node, lease, result));
                Assert.True(reducer.IsCovered(node));
                if (covered) lease.Dispose();
            }
            Assert.True(reducer.IsComplete);
            Assert.Empty(reducer.MissingShards());
            var (sum, total) = reducer.Take(tree.Root);
            AssertSame(expected, sum, total);
            sum.Dispose();
            Assert.All(leases, lease => Assert.Equal(1, lease.Disposed));
        }
    }

    [Fact]
    public void A_repeat_is_refused_and_stays_with_the_caller()
    {
        var tree = new ReductionTree(4);
        using var reducer = NewReducer(tree);
        var leases = new List<Lease>();
        Assert.True(Add(reducer, Leaf(2, 0, leases)));
        Assert.False(Add(reducer, Leaf(2, 0, leases)));
        Assert.True(Add(reducer, Leaf(3, 0, leases)));
        Assert.False(Add(reducer, Leaf(2, 0, leases)));
        Assert.Equal([0, 0, 1, 0], leases.Select(l => l.Disposed));
        Assert.Equal([0, 1], reducer.MissingShards());
        Assert.False(reducer.IsComplete);
    }

    [Fact]
    public void A_node_takes_the_place_of_its_parts_that_came_before()
    {
        var tree = new ReductionTree(4);
        using var reducer = NewReducer(tree);
        var leases = new List<Lease>();
        Add(reducer, Leaf(0, 0, leases));
        var random = new CounterRandom(1, RandomPurpose.Data);
        foreach (var push in Local(tree, 0, 4, 0, ref random, leases)) Assert.True(Add(reducer, push));
        Assert.Equal(1, leases[0].Disposed);
        Assert.True(reducer.IsComplete);
        Assert.False(Add(reducer, Leaf(1, 0, leases)));
    }

    [Fact]
    public void Targets_are_reached_one_by_one_and_what_lies_outside_is_refused()
    {
        var tree = new ReductionTree(8);
        using var reducer = NewReducer(tree);
        var leases = new List<Lease>();
        reducer.Reset([.. tree.Cover(1, 4)]);
        Assert.Equal([new TreeNode(0, 1), new TreeNode(1, 1)], reducer.Targets);
        Add(reducer, Leaf(2, 0, leases));
        Add(reducer, Leaf(1, 0, leases));
        reducer.Take(new TreeNode(0, 1)).Lease.Dispose();
        Assert.Throws<InvalidOperationException>(() => reducer.Take(new TreeNode(0, 1)));
        Assert.Throws<InvalidOperationException>(() => reducer.Take(new TreeNode(1, 1)));
        Assert.False(Add(reducer, Leaf(1, 0, leases)));
        Add(reducer, Leaf(3, 0, leases));
        Assert.True(reducer.IsComplete);
        Assert.Throws<ArgumentException>(() => Add(reducer, Leaf(0, 0, leases)));
        Assert.Throws<ArgumentException>(() => Add(reducer, Leaf(4, 0, leases)));
        Assert.Throws<ArgumentException>(() => reducer.Reset(new TreeNode(1, 0), new TreeNode(0, 1)));
        Assert.Throws<ArgumentException>(() => reducer.Reset(new TreeNode(0, 8)));
    }

    [Fact]
    public void A_reset_releases_what_is_pending_and_begins_anew()
    {
        var tree = new ReductionTree(3);
        using var reducer = NewReducer(tree);
        var leases = new List<Lease>();
        Add(reducer, Leaf(0, 0, leases));
        Add(reducer, Leaf(2, 0, leases));
        reducer.Reset();
        Assert.All(leases, l => Assert.Equal(1, l.Disposed));
        Assert.Equal([0, 1, 2], reducer.MissingShards());
        for (int shard = 2; shard >= 0; shard--) Assert.True(Add(reducer, Leaf(shard, 5, leases)));
        var (sum, total) = reducer.Take(tree.Root);
        AssertSame(Reference(tree, tree.Root, 5), sum, total);
    }

    [Fact]
    public void Memory_that_is_too_short_and_results_that_come_and_go_are_refused()
    {
        var tree = new ReductionTree(2);
        using var reducer = NewReducer(tree);
        Assert.Throws<ArgumentException>(() => reducer.Add(new TreeNode(0, 0), new Lease(new float[Length - 1]), null));
        Assert.True(reducer.Add(new TreeNode(0, 0), new Lease(new float[Length]), null));
        Assert.Throws<ArgumentException>(() => reducer.Add(new TreeNode(0, 1), new Lease(new float[Length]), new LeafResult(1, [])));
        Assert.True(reducer.Add(new TreeNode(0, 1), new Lease(new float[Length]), null));
        Assert.Null(reducer.Take(tree.Root).Result);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        var tree = new ReductionTree(8);
        using var reducer = NewReducer(tree);
        var leases = Enumerable.Range(0, 8).Select(_ => new Lease(new float[Length])).ToArray();
        Step();
        Assert.Equal(0, Allocations.LeastOf(Step));

        void Step()
        {
            reducer.Reset();
            for (int i = 0; i < 8; i++) reducer.Add(new TreeNode(0, 7 - i), leases[i], null);
            reducer.Take(tree.Root);
        }
    }

    private static TreeReducer<Lease> NewReducer(ReductionTree tree) => new(tree, Length, lease => lease.Memory);

    private static bool Add(TreeReducer<Lease> reducer, (TreeNode Node, Lease Lease, LeafResult Result) push) =>
        reducer.Add(push.Node, push.Lease, push.Result);

    private static (TreeNode Node, Lease Lease, LeafResult Result) Leaf(int shard, int trial, List<Lease> leases)
    {
        var (values, result) = LeafValues(shard, trial);
        var lease = new Lease(values);
        leases.Add(lease);
        return (new TreeNode(0, shard), lease, result);
    }

    /// <summary>What a worker pushes that owns the shards: the nodes of their cover, reduced from leaves in random order.</summary>
    private static List<(TreeNode Node, Lease Lease, LeafResult Result)> Local(ReductionTree tree, int begin, int end, int trial,
        ref CounterRandom random, List<Lease> leases)
    {
        using var reducer = NewReducer(tree);
        reducer.Reset([.. tree.Cover(begin, end)]);
        int[] shards = [.. Enumerable.Range(begin, end - begin)];
        random.Shuffle(shards.AsSpan());
        foreach (int shard in shards) Assert.True(Add(reducer, Leaf(shard, trial, leases)));
        Assert.True(reducer.IsComplete);
        return [.. reducer.Targets.Select(t => (t, reducer.Take(t))).Select(p => (p.t, p.Item2.Lease, p.Item2.Result!))];
    }

    private static (float[] Values, LeafResult Result) LeafValues(int shard, int trial)
    {
        var random = new CounterRandom(2, RandomPurpose.Data, trial, shard);
        var values = new float[Length];
        // widely spread sizes: sums in another order have other bits
        foreach (ref float v in values.AsSpan()) v = (float)(random.NextGaussian() * Math.ScaleB(1, random.NextInt(20)));
        var metrics = new MetricSums { { MetricSums.Loss, random.NextGaussian() * 1e3, 1 + shard } };
        if (shard % 3 == 1) metrics.Add("odd", random.NextDouble(), 1);
        return (values, new LeafResult(random.NextDouble(), metrics));
    }

    private static (float[] Values, LeafResult Result) Reference(ReductionTree tree, TreeNode node, int trial)
    {
        if (node.Level == 0) return LeafValues(node.Index, trial);
        var left = Reference(tree, new TreeNode(node.Level - 1, node.Index * 2), trial);
        var rightNode = new TreeNode(node.Level - 1, node.Index * 2 + 1);
        if (!tree.Exists(rightNode)) return left;
        var right = Reference(tree, rightNode, trial);
        for (int i = 0; i < Length; i++) left.Values[i] += right.Values[i];
        if (tree.Precision == GradientPrecision.Bfloat16) Bfloat16.Round(left.Values);
        left.Result.Metrics.Add(right.Result.Metrics);
        return (left.Values, new LeafResult(left.Result.Weight + right.Result.Weight, left.Result.Metrics));
    }

    private static void AssertSame((float[] Values, LeafResult Result) expected, Lease sum, LeafResult? total)
    {
        Assert.Equal(expected.Values.Select(BitConverter.SingleToInt32Bits), sum.Memory.ToArray().Select(BitConverter.SingleToInt32Bits));
        Assert.NotNull(total);
        Assert.Equal(expected.Result.Weight, total.Weight);
        Assert.Equal(expected.Result.Metrics.ToArray(), total.Metrics.ToArray());
    }

    private sealed class Lease(float[] values) : IDisposable
    {
        public Memory<float> Memory => values;

        public int Disposed { get; private set; }

        public void Dispose() => Disposed++;
    }
}
