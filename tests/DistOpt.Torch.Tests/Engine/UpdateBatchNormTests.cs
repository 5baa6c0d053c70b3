using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Models;
using TorchSharp;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

/// <summary><c>averaging.update_batch_norm</c>: what a pass over the training part makes of the statistics.</summary>
[Collection(EngineCollection.Name)]
public sealed class UpdateBatchNormTests
{
    private const int Width = 16;

    private static TrainingSpec Spec(int batch) => TestJobs.Spec("norm", new NetOptions { Width = Width }) with
    {
        Evaluate = new EvaluateSection { BatchSize = batch },
        Averaging = new PluginSpec("swa", new StochasticAverageOptions { UpdateBatchNorm = true }),
    };

    /// <summary>
    /// The mean over batches of each batch's mean and unbiased variance, in float64: <c>torch.optim.swa_utils.update_bn</c>. The last batch takes the one
    /// sample that would be left (77 training samples: 19 and 4 * 19 + 1).
    /// </summary>
    [Theory]
    [InlineData(16)]
    [InlineData(19)]
    [InlineData(256)]
    public void Statistics_are_the_mean_over_the_batches_of_the_first_epoch(int batch)
    {
        var spec = Spec(batch);
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        float[] updated = new float[buffers.Length];
        worker.UpdateBatchNorm(buffers, updated);

        var inputs = Inputs(job, spec);
        double[] first = [.. Parameter(job, weights, "first.weight")], bias = [.. Parameter(job, weights, "first.bias")];
        double[] means = new double[Width], variances = new double[Width];
        int count = inputs.Count, batches = 0;
        for (int begin = 0, end; begin < count; begin = end, batches++)
        {
            end = Math.Min(begin + batch, count);
            if (count - end == 1) end = count;
            for (int unit = 0; unit < Width; unit++)
            {
                double[] values = [.. inputs[begin..end].Select(x => bias[unit] + x.Select((v, i) => v * first[unit * ToyData.Features + i]).Sum())];
                double mean = values.Average();
                means[unit] += mean;
                variances[unit] += values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1);
            }
        }
        Near([.. means.Select(m => m / batches)], Buffer(job, updated, "norm.running_mean"));
        Near([.. variances.Select(v => v / batches)], Buffer(job, updated, "norm.running_var"));
    }

    [Fact]
    public void Whatever_the_statistics_were_and_whoever_measures_the_bits_are_the_same()
    {
        using var job = TestJobs.Open(Spec(16));
        var (weights, buffers) = TestJobs.Initial(job);
        using var one = job.CreateWorker(weights);
        using var other = job.CreateWorker(weights);
        float[] expected = new float[buffers.Length], again = new float[buffers.Length], after = new float[buffers.Length];
        one.UpdateBatchNorm(buffers, expected);
        // a training step and an evaluation between, with statistics far away
        float[] changed = [.. buffers];
        var slot = job.Layout.Buffers.Single(b => b.Name == "norm.running_mean");
        changed.AsSpan((int)slot.Offset, (int)slot.Length).Fill(77);
        other.ComputeLeaf(TestJobs.Plan(0, 0, 0, 24), new PositionRange(0, 24), 0, new FlatBuffer(weights.Length), changed, after);
        other.Evaluate(DataSplit.Validation, new PositionRange(0, 5), changed);
        other.UpdateBatchNorm(after, again);
        Assert.Equal(expected, again);
        // and the step afterwards is as it would have been
        float[] plain = new float[buffers.Length], later = new float[buffers.Length];
        using var fresh = job.CreateWorker(weights);
        fresh.ComputeLeaf(TestJobs.Plan(1, 0, 24, 24), new PositionRange(0, 24), 0, new FlatBuffer(weights.Length), buffers, plain);
        other.ComputeLeaf(TestJobs.Plan(1, 0, 24, 24), new PositionRange(0, 24), 0, new FlatBuffer(weights.Length), buffers, later);
        Assert.Equal(plain, later);
    }

    [Fact]
    public void A_model_without_batch_norm_is_refused()
    {
        var spec = TestJobs.Mlp() with { Averaging = new PluginSpec("ema", new ExponentialAverageOptions { UpdateBatchNorm = true }) };
        Assert.Equal("averaging.update_batch_norm: is true, but model 'mlp' has no batch norm with running statistics; leave it away",
            Assert.Single(Assert.Throws<SpecException>(() => TestJobs.Open(spec)).Violations).ToString());
    }

    /// <summary>The training part in the order of its first epoch.</summary>
    private static List<double[]> Inputs(IJobRuntime job, TrainingSpec spec)
    {
        var splits = ((DistOpt.Torch.Engine.TorchJobRuntime)job).Splits;
        using var data = new ToyData(new ToyOptions());
        long[] order = new long[splits.Counts.Train];
        new EpochOrder(spec.Seed, order.Length).CopyTo(0, new PositionRange(0, order.Length), order);
        long[] indices = [.. order.Select(i => splits.Train.Span[(int)i])];
        var batch = data.Load(indices, default!);
        using var input = batch.Input;
        float[] values = input.data<float>().ToArray();
        batch.Target.Dispose();
        return [.. values.Chunk(ToyData.Features).Select(row => row.Select(v => (double)v).ToArray())];
    }

    private static IEnumerable<double> Parameter(IJobRuntime job, FlatBuffer weights, string name)
    {
        var slot = job.Layout.Parameters.Single(p => p.Name == name);
        return [.. weights.Span.Slice((int)slot.Offset, (int)slot.Length).ToArray().Select(v => (double)v)];
    }

    private static float[] Buffer(IJobRuntime job, float[] buffers, string name)
    {
        var slot = job.Layout.Buffers.Single(b => b.Name == name);
        return buffers.AsSpan((int)slot.Offset, (int)slot.Length).ToArray();
    }

    private static void Near(double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5 * Math.Max(1, Math.Abs(expected[i])));
    }
}
