using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using TorchSharp;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public class GradientTests
{
    [Theory]
    [InlineData("mlp", 1, 17)]
    [InlineData("mlp", 3, 17)]
    [InlineData("mlp", 4, 17)]
    [InlineData("mlp", 4, 3)]
    [InlineData("linear", 3, 64)]
    public void Sum_of_leaf_gradients_over_weight_is_the_gradient_of_the_whole_batch(string model, int shards, int size)
    {
        var spec = model == "mlp" ? TestJobs.Mlp() : TestJobs.Spec("linear", new DistOpt.Torch.Models.LinearOptions());
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var plan = TestJobs.Plan(5, 2, 9, size);
        var gradient = new FlatBuffer(weights.Length);
        var sum = new double[weights.Length];
        double weight = 0, loss = 0;
        for (int shard = 0; shard < shards; shard++)
        {
            var leaf = worker.ComputeLeaf(plan, GradientShards.Part(size, shards, shard), shard, gradient, buffers, []);
            for (int i = 0; i < sum.Length; i++) sum[i] += gradient.Span[i];
            weight += leaf.Weight;
            loss += leaf.Metrics[MetricSums.Loss].Sum;
        }
        var (expected, expectedLoss) = Ordinary(job, spec, plan);
        Assert.Equal(size, weight);
        Assert.Equal(expectedLoss, loss / weight, 1e-5);
        for (int i = 0; i < sum.Length; i++)
        {
            double error = Math.Abs(sum[i] / weight - expected[i]);
            Assert.True(error <= 1e-7 + 1e-5 * Math.Abs(expected[i]), $"element {i}: {sum[i] / weight} instead of {expected[i]}");
        }
    }

    [Fact]
    public void A_gradient_shard_in_micro_batches_is_the_sum_in_order_and_close_to_the_whole()
    {
        var spec = TestJobs.Mlp();
        using var whole = TestJobs.Open(spec);
        using var cut = TestJobs.Open(spec with { Training = spec.Training with { MicroBatch = 5 } });
        var plan = TestJobs.Plan(0, 0, 0, 23);
        float[] expected = Leaf(whole, plan, new PositionRange(2, 23)).Gradient;
        var (gradient, leaf) = Leaf(cut, plan, new PositionRange(2, 23));
        Assert.Equal(21, leaf.Weight);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], gradient[i], 1e-5f);
    }

    [Fact]
    public void An_empty_shard_has_a_zero_gradient_and_no_weight_and_hands_its_buffers_on()
    {
        using var job = TestJobs.Open(TestJobs.Spec("norm", new NetOptions()));
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        gradient.Span.Fill(3);
        buffers.AsSpan().Fill(2);
        var after = new float[buffers.Length];
        var leaf = worker.ComputeLeaf(TestJobs.Plan(1, 0, 60, 2), new PositionRange(0, 0), 0, gradient, buffers, after);
        Assert.Equal(0, leaf.Weight);
        Assert.All(gradient.Span.ToArray(), v => Assert.Equal(0, v));
        Assert.Equal(buffers, after);
    }

    [Theory]
    [InlineData("mlp")]
    [InlineData("norm")]
    [InlineData("drop")]
    public void A_shard_has_the_same_bits_on_every_thread_and_in_every_order(string model)
    {
        var spec = model == "mlp" ? TestJobs.Mlp() : TestJobs.Spec(model, new NetOptions());
        using var job = TestJobs.Open(spec);
        var plans = Enumerable.Range(0, 12).Select(i => TestJobs.Plan(i, i / 4, i % 4 * 17, 17)).ToArray();
        string[] expected = Hashes(job, plans, [0, 1, 2]);
        Assert.Equal(expected.Length, expected.Distinct().Count());
        var threads = new List<Thread>();
        var results = new string[4][];
        var errors = new Exception?[4];
        for (int t = 0; t < results.Length; t++)
        {
            int me = t;
            var thread = new Thread(() =>
            {
                try
                {
                    results[me] = Hashes(job, plans, me % 2 == 0 ? [0, 1, 2] : [2, 0, 1]);
                }
                catch (Exception e) // shown by the test's thread
                {
                    errors[me] = e;
                }
            });
            threads.Add(thread);
            thread.Start();
        }
        foreach (var thread in threads) thread.Join();
        Assert.All(errors, Assert.Null);
        Assert.All(results, r => Assert.Equal(expected, r));
    }

    [Fact]
    public void Two_openings_have_the_same_initial_weights_and_leave_the_generator_as_it_was()
    {
        manual_seed(99);
        using var before = get_rng_state();
        using var first = TestJobs.Open(TestJobs.Spec("drop", new NetOptions()));
        using var second = TestJobs.Open(TestJobs.Spec("drop", new NetOptions()));
        using var after = get_rng_state();
        Assert.Equal(TestJobs.Initial(first).Weights.Span.ToArray(), TestJobs.Initial(second).Weights.Span.ToArray());
        Assert.True(before.bytes.SequenceEqual(after.bytes));
        using var other = TestJobs.Open(TestJobs.Spec("drop", new NetOptions()) with { Seed = 12 });
        Assert.NotEqual(TestJobs.Initial(first).Weights.Span.ToArray(), TestJobs.Initial(other).Weights.Span.ToArray());
    }

    [Fact]
    public void A_gradient_buffer_is_filled_in_place_and_buffers_can_alternate()
    {
        using var job = TestJobs.Open(TestJobs.Mlp());
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = (TorchGradientWorker)job.CreateWorker(weights);
        var a = new FlatBuffer(weights.Length);
        var b = new FlatBuffer(weights.Length);
        var plan = TestJobs.Plan(0, 0, 0, 8);
        for (int i = 0; i < 3; i++)
        {
            worker.ComputeLeaf(plan, new PositionRange(0, 8), 0, a, buffers, []);
            worker.CheckViews();
            worker.ComputeLeaf(plan, new PositionRange(0, 8), 0, b, buffers, []);
            worker.CheckViews();
            Assert.Equal(a.Span.ToArray(), b.Span.ToArray());
            Assert.Contains(a.Span.ToArray(), v => v != 0);
        }
        weights.Span.Clear();
        var loss = worker.ComputeLeaf(plan, new PositionRange(0, 8), 0, b, buffers, []).Metrics[MetricSums.Loss];
        Assert.Equal(Math.Log(3), loss.Value, 1e-6); // all scores 0: the workers' views see what is written into the buffer
    }

    internal static (float[] Gradient, LeafResult Leaf) Leaf(IJobRuntime job, StepPlan plan, PositionRange shard)
    {
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var leaf = worker.ComputeLeaf(plan, shard, 0, gradient, buffers, []);
        return (gradient.Span.ToArray(), leaf);
    }

    private static string[] Hashes(IJobRuntime job, StepPlan[] plans, int[] order)
    {
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var hashes = new string[plans.Length * order.Length];
        for (int p = 0; p < plans.Length; p++)
        {
            foreach (int shard in order)
            {
                worker.ComputeLeaf(plans[p], GradientShards.Part(plans[p].BatchSize, order.Length, shard), shard, gradient, buffers, []);
                hashes[p * order.Length + shard] = Convert.ToHexString(
                    System.Security.Cryptography.SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(gradient.Span)));
            }
        }
        return hashes;
    }

    /// <summary>The same step as one writes it in TorchSharp: mean loss over the whole batch.</summary>
    private static (float[] Gradient, double Loss) Ordinary(IJobRuntime job, Core.Specs.TrainingSpec spec, StepPlan plan)
    {
        var data = new ToyData((ToyOptions)spec.Data.Options!);
        var splits = ((TorchJobRuntime)job).Splits;
        var order = new EpochOrder(spec.Seed, splits.Counts.Train).Order(plan.Epoch).Span;
        var indices = new long[plan.BatchSize];
        for (int i = 0; i < indices.Length; i++) indices[i] = splits.Train.Span[order[(int)plan.BatchStart + i]];
        var batch = data.Load(indices, new DataContext(DataSplit.Train, true, 0, 0, 0));
        using var module = (nn.Module<Tensor, Tensor>)TestJobs.Catalog().Models.Get(spec.Model.Kind).Create(spec.Model.Options!, data.Info);
        var (weights, _) = TestJobs.Initial(job);
        var state = new Dictionary<string, Tensor>();
        foreach (var slot in job.Layout.Parameters)
            state.Add(slot.Name, tensor(weights.Span.Slice((int)slot.Offset, (int)slot.Length).ToArray()).reshape([.. slot.Shape]));
        module.load_state_dict(state);
        var loss = nn.functional.cross_entropy(module.forward(batch.Input), batch.Target);
        loss.backward();
        var parameters = module.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        var gradient = new float[weights.Length];
        foreach (var slot in job.Layout.Parameters)
            parameters[slot.Name].grad!.data<float>().ToArray().CopyTo(gradient, slot.Offset);
        return (gradient, loss.item<float>());
    }
}
