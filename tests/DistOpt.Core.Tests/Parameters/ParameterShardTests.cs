using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Parameters;

public sealed class ParameterShardTests
{
    private const int Count = 5000;
    private const int Shards = 5;

    [Theory]
    [InlineData("sgd")]
    [InlineData("adam")]
    [InlineData("adamw")]
    public void Any_number_of_servers_and_any_order_of_pushes_give_the_same_bits(string optimizer)
    {
        float[] expected = Train(optimizer, servers: 1, order: 0);
        foreach (int servers in new[] { 1, 2, 3, 5 })
            for (int order = 1; order <= 3; order++) Assert.Equal(expected, Train(optimizer, servers, order));
    }

    [Fact]
    public void The_gradient_is_the_sum_by_the_whole_batch_weight()
    {
        using var shard = NewShard(new float[4], new Sgd(new SgdOptions()), 2);
        shard.Push(0, new TreeNode(0, 1), new Lease([1, 2, 3, 4]), new LeafResult(3, []));
        shard.Push(0, new TreeNode(0, 0), new Lease([1, 1, 1, 1]), new LeafResult(1, []));
        var result = shard.Apply(Plan(0, 0.5));
        Assert.Equal(4, result.Weight);
        Assert.Equal([-0.25f, -0.375f, -0.5f, -0.625f], shard.Weights.ToArray());
        Assert.Equal(1, shard.Version);
    }

    [Fact]
    public void A_push_counts_once_and_only_in_its_step()
    {
        using var shard = NewShard(new float[4], new Sgd(new SgdOptions()), 2);
        Assert.False(Push(1, 0));
        Assert.True(Push(0, 0));
        Assert.False(Push(0, 0));
        Assert.Equal([1], shard.MissingShards());
        Assert.Throws<InvalidOperationException>(() => shard.Apply(Plan(0, 1)));
        Assert.True(Push(0, 1));
        Assert.True(shard.IsComplete);
        Assert.Throws<InvalidOperationException>(() => shard.Apply(Plan(1, 1)));
        shard.Apply(Plan(0, 1));
        Assert.False(Push(0, 0));
        Assert.False(shard.IsComplete);
        Assert.Equal([-1f, -1, -1, -1], shard.Weights.ToArray());

        bool Push(long step, int leaf) => shard.Push(step, new TreeNode(0, leaf), new Lease([1, 1, 1, 1]), new LeafResult(1, []));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Memory_that_somebody_reads_can_be_left_as_it_is(bool keepsPrevious)
    {
        float[] memory = [1, 2, 3, 4], other = new float[4];
        using var shard = new ParameterShard<Lease>(memory, new Sgd(new SgdOptions()), new ReductionTree(1), lease => lease.Memory, keepsPrevious);
        Step(shard);
        if (keepsPrevious) shard.ReplacePrevious(other);
        else shard.MoveTo(other);
        float[] before = shard.Weights.ToArray();
        Step(shard);

        Assert.Equal([.. before.Select(w => w - 1)], shard.Weights.ToArray());
        if (keepsPrevious) Assert.Equal(1, shard.PreviousVersion);
        if (keepsPrevious) Assert.Equal(before, shard.Previous.ToArray());
        Assert.Equal(keepsPrevious ? [1f, 2, 3, 4] : before, memory);
        Assert.Throws<ArgumentException>(() => shard.MoveTo(new float[3]));
        Assert.Throws<ArgumentException>(() => shard.ReplacePrevious(new float[5]));

        static void Step(ParameterShard<Lease> shard)
        {
            shard.Push(shard.Version, new TreeNode(0, 0), new Lease([1, 1, 1, 1]), new LeafResult(1, []));
            shard.Apply(Plan(shard.Version, 1));
        }
    }

    [Fact]
    public void A_batch_without_weight_moves_nothing()
    {
        using var shard = NewShard([1, 2], new Sgd(new SgdOptions()), 1);
        shard.Push(0, new TreeNode(0, 0), new Lease([0, 0]), new LeafResult(0, []));
        shard.Apply(Plan(0, 1));
        Assert.Equal([1f, 2f], shard.Weights.ToArray());
    }

    [Fact]
    public void Every_lease_is_given_back_once()
    {
        var leases = Enumerable.Range(0, 4).Select(_ => new Lease([1, 1])).ToArray();
        using (var shard = NewShard(new float[2], new Sgd(new SgdOptions()), 3))
        {
            for (int i = 0; i < 3; i++) shard.Push(0, new TreeNode(0, i), leases[i], new LeafResult(1, []));
            shard.Apply(Plan(0, 1));
            shard.Push(1, new TreeNode(0, 2), leases[3], new LeafResult(1, []));
        }
        Assert.All(leases, lease => Assert.Equal(1, lease.Disposed));
    }

    [Fact]
    public void Selected_weights_are_a_copy_that_can_be_loaded_back()
    {
        using var shard = NewShard([1, 2], new Sgd(new SgdOptions()), 1);
        Assert.Throws<InvalidOperationException>(() => shard.LoadSelected());
        shard.Keep();
        shard.Push(0, new TreeNode(0, 0), new Lease([1, 1]), new LeafResult(1, []));
        shard.Apply(Plan(0, 1));
        Assert.Equal(0, shard.SelectedVersion);
        Assert.Equal([1f, 2f], shard.Selected.ToArray());
        shard.LoadSelected();
        Assert.Equal([1f, 2f], shard.Weights.ToArray());
    }

    private static float[] Train(string optimizer, int servers, int order)
    {
        var entry = OptimizerCatalog.Default.Entries.Single(e => e.Name == optimizer);
        object options = optimizer == "sgd" ? new SgdOptions { Momentum = 0.9 } : Activator.CreateInstance(entry.OptionsType)!;
        var weights = new float[Count];
        RandomKey.Of(1, RandomPurpose.InitialWeights).FillUniform(weights);
        foreach (var range in KeyRangePartitioner.Cut(Count, servers))
        {
            using var shard = new ParameterShard<Lease>(weights.AsMemory((int)range.Begin, (int)range.Length), entry.Factory(options),
                new ReductionTree(Shards), lease => lease.Memory);
            for (int step = 0; step < 4; step++)
            {
                int[] leaves = [.. Enumerable.Range(0, Shards)];
                if (order > 0) new CounterRandom(order, RandomPurpose.Shuffle, step, range.Begin).Shuffle(leaves.AsSpan());
                foreach (int leaf in leaves)
                {
                    var gradient = new float[range.Length];
                    RandomKey.Of(2, RandomPurpose.Data, step, leaf).FillUniform(gradient, range.Begin);
                    Assert.True(shard.Push(step, new TreeNode(0, leaf), new Lease(gradient), new LeafResult(10 + leaf, [])));
                }
                shard.Apply(Plan(step, 0.01));
            }
        }
        return weights;
    }

    private static ParameterShard<Lease> NewShard(float[] weights, IOptimizer optimizer, int gradientShards) =>
        new(weights, optimizer, new ReductionTree(gradientShards), lease => lease.Memory);

    private static StepPlan Plan(long step, double rate) => new(step, 0, 0, 1, rate);

    private sealed class Lease(float[] values) : IDisposable
    {
        public Memory<float> Memory => values;

        public int Disposed { get; private set; }

        public void Dispose() => Disposed++;
    }
}
