using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Models;
using TorchSharp;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

/// <summary>What batch norm sees of a batch: one gradient shard, or one micro-batch of it.</summary>
[Collection(EngineCollection.Name)]
public sealed class BatchNormRowsTests
{
    private static TrainingSpec Spec(string norm, int shards = 1, int? micro = null, BatchSpec? batch = null) =>
        TestJobs.Spec("mlp", new MlpOptions { Hidden = [8], Norm = norm }) with
        {
            Batch = batch ?? new BatchSpec("fixed", new FixedBatchOptions { Size = 8 }),
            Training = new TrainingSection { GradientShards = shards, MicroBatch = micro },
        };

    /// <summary>PyTorch ends such a run with "Expected more than 1 value per channel when training".</summary>
    [Theory]
    [InlineData(8, null, "model.norm: is batch, but batches of at most 8 samples on 8 gradient shards have one in each")]
    [InlineData(1, 1, "training.micro_batch: is 1, but model.norm is batch")]
    public void A_layer_that_never_sees_two_rows_is_refused(int shards, int? micro, string expected)
    {
        Assert.Contains(expected, Assert.Throws<SpecException>(() => TestJobs.Open(Spec(Norms.Batch, shards, micro))).Message, StringComparison.Ordinal);
        TestJobs.Open(Spec(Norms.Layer, shards, micro)).Dispose();
        TestJobs.Open(Spec(Norms.None, shards, micro)).Dispose();
    }

    [Fact]
    public void Batches_that_may_become_that_small_are_a_warning()
    {
        var noise = new BatchSpec("noise-scale", new NoiseScaleBatchOptions { Size = 32, MinSize = 4 });
        using var warned = TestJobs.Open(Spec(Norms.Batch, shards: 4, batch: noise));
        Assert.Contains(warned.Warnings, w => w.StartsWith("of batches of 4 samples on 4 gradient shards some passes have one row", StringComparison.Ordinal));
        // 2, 1, 1, 1, 1, 1, 1 and 1
        using var uneven = TestJobs.Open(Spec(Norms.Batch, shards: 8, batch: new BatchSpec("fixed", new FixedBatchOptions { Size = 9 })));
        Assert.Contains(uneven.Warnings, w => w.Contains("some passes have one row", StringComparison.Ordinal));
        using var roomy = TestJobs.Open(Spec(Norms.Batch, shards: 2, batch: noise));
        Assert.DoesNotContain(roomy.Warnings, w => w.Contains("batch norm", StringComparison.Ordinal));
    }

    /// <summary>As PyTorch's loop that accumulates gradients: each forward pass normalizes its own rows and moves the running statistics.</summary>
    [Fact]
    public void A_micro_batch_is_normalized_by_itself_and_moves_the_running_statistics_each_time()
    {
        using var cut = TestJobs.Open(Spec(Norms.Batch, micro: 4));
        using var whole = TestJobs.Open(Spec(Norms.Batch));
        var (weights, buffers) = TestJobs.Initial(cut);
        var (gradient, after) = Leaf(cut, TestJobs.Plan(0, 0, 0, 8), buffers);
        float[] sum = new float[weights.Length], running = buffers;
        for (int half = 0; half < 2; half++)
        {
            (float[] part, running) = Leaf(whole, TestJobs.Plan(0, 0, 4 * half, 4), running);
            for (int i = 0; i < sum.Length; i++) sum[i] += part[i];
        }
        Assert.Equal(running, after);
        for (int i = 0; i < sum.Length; i++) Assert.Equal(sum[i], gradient[i], 1e-5f);
        // of all eight rows it would be another gradient
        Assert.Contains(Leaf(whole, TestJobs.Plan(0, 0, 0, 8), buffers).Gradient.Zip(gradient), p => Math.Abs(p.First - p.Second) > 1e-3);
    }

    private static (float[] Gradient, float[] Buffers) Leaf(IJobRuntime job, StepPlan plan, float[] buffers)
    {
        var (weights, _) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        float[] after = new float[buffers.Length];
        worker.ComputeLeaf(plan, new PositionRange(0, plan.BatchSize), 0, gradient, buffers, after);
        return (gradient.Span.ToArray(), after);
    }
}
