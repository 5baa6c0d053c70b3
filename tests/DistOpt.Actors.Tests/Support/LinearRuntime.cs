using System.Collections.Concurrent;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Support;

/// <summary>
/// Least squares in plain C#, so that the actors are tested without a tensor engine: y = w.x on made-up data, loss (w.x - y)^2 / 2 summed
/// over samples. Optionally with a buffer that counts samples seen by shard 0.
/// </summary>
internal sealed class LinearRuntime : IJobRuntime, IJobRuntimeFactory
{
    private readonly float[][] _inputs;
    private readonly float[] _targets;
    private readonly EpochOrder _order;

    public LinearRuntime(int features = 3000, int samples = 103, int validation = 20, int test = 10, bool buffers = false, long seed = 7,
        ParameterLayout? layout = null)
    {
        Layout = layout ?? new ParameterLayout([new TensorSlot("w", [features], 0, features)],
            buffers ? [new TensorSlot("seen", [2], 0, 2)] : []);
        Data = new DataCounts(samples, validation, test);
        int all = samples + validation + test;
        _inputs = [.. Enumerable.Range(0, all).Select(i => Enumerable.Range(0, features).Select(f => MathF.Sin((i * 31) + (f * 0.7f))).ToArray())];
        _targets = [.. _inputs.Select(x => (x[0] * 2) - x[^1])];
        _order = new EpochOrder(seed, samples);
    }

    /// <summary>Every (epoch, sample) whose gradient was computed, to count visits.</summary>
    public ConcurrentBag<(long Step, long Sample)> Visits { get; } = [];

    /// <summary>Called before each leaf; may throw as user code may.</summary>
    public Action<StepPlan, int>? BeforeLeaf { get; set; }

    /// <summary>Called before each leaf with the weights that it is computed with.</summary>
    public Action<StepPlan, FlatBuffer>? Uses { get; set; }

    /// <summary>Called after each leaf, its buffers written, with its gradient, which it may change.</summary>
    public Action<StepPlan, int, FlatBuffer>? AfterLeaf { get; set; }

    /// <summary>Called before each slice of an evaluation.</summary>
    public Action? BeforeEvaluation { get; set; }

    /// <summary>Called before each slice of an evaluation with what is evaluated; may throw as user code may.</summary>
    public Action<DataSplit, PositionRange>? BeforeSlice { get; set; }

    /// <summary>Called when a job opens it; may throw as user code may.</summary>
    public Action? BeforeOpen { get; set; }

    /// <summary>Called before each worker is built; may throw as user code may.</summary>
    public Action? BeforeWorker { get; set; }

    /// <summary>Whether each visit is logged as a metric, which then travels with the gradient: what is applied can be counted.</summary>
    public bool LogsSamples { get; init; }

    public ParameterLayout Layout { get; }

    public DataCounts Data { get; }

    public JobFingerprint Fingerprint { get; init; } = new(new Dictionary<string, string> { ["user code"] = "a1" }, new Dictionary<string, string> { ["CPU"] = "x" });

    public IReadOnlyList<string> Warnings => [];

    public int Opened { get; private set; }

    public int Disposed { get; private set; }

    public IJobRuntime Open(TrainingSpec spec)
    {
        BeforeOpen?.Invoke();
        Opened++;
        return this;
    }

    public void Dispose() => Disposed++;

    public void WriteInitialWeights(Span<float> parameters, Span<float> buffers)
    {
        for (int i = 0; i < parameters.Length; i++) parameters[i] = MathF.Cos(i) * 0.01f;
        buffers.Clear();
    }

    public IGradientWorker CreateWorker(FlatBuffer weights)
    {
        BeforeWorker?.Invoke();
        return new Worker(this, weights);
    }

    public void SaveModel(string path, ReadOnlyMemory<float> parameters, ReadOnlyMemory<float> buffers) =>
        File.WriteAllBytes(path, System.Runtime.InteropServices.MemoryMarshal.AsBytes(parameters.Span));

    public void SaveInference(string path) => File.WriteAllText(path, "{}");

    private float Predict(ReadOnlySpan<float> weights, long sample)
    {
        float sum = 0;
        var x = _inputs[sample];
        for (int i = 0; i < x.Length; i++) sum += weights[i] * x[i];
        return sum;
    }

    /// <summary>What the second buffer holds where statistics were measured anew; the first is then <see cref="StatisticOf"/> the weights.</summary>
    public const float Updated = -1000;

    /// <summary>Name of the metric with the first buffer, where an evaluation sees statistics that were measured anew.</summary>
    public const string Statistic = "statistic";

    /// <summary>A number that tells weights apart, in place of batch-norm statistics.</summary>
    public static float StatisticOf(ReadOnlySpan<float> weights)
    {
        float sum = 0;
        foreach (float w in weights) sum += w;
        return sum;
    }

    private sealed class Worker(LinearRuntime runtime, FlatBuffer weights) : IGradientWorker
    {
        private bool LogsSamples => runtime.LogsSamples;

        public LeafResult ComputeLeaf(StepPlan plan, PositionRange shard, int shardIndex, FlatBuffer gradient,
            ReadOnlySpan<float> buffersIn, Span<float> buffersOut)
        {
            runtime.BeforeLeaf?.Invoke(plan, shardIndex);
            runtime.Uses?.Invoke(plan, weights);
            gradient.Span.Clear();
            var metrics = new MetricSums();
            double loss = 0;
            var order = runtime._order.Order(plan.Epoch);
            for (long p = shard.Begin; p < shard.End; p++)
            {
                long sample = order.Span[(int)(plan.BatchStart + p)];
                runtime.Visits.Add((plan.Step, sample));
                float error = runtime.Predict(weights.Span, sample) - runtime._targets[sample];
                loss += error * error / 2;
                if (LogsSamples) metrics.Add($"sample-{sample}", 1, 1);
                var x = runtime._inputs[sample];
                for (int i = 0; i < x.Length; i++) gradient.Span[i] += error * x[i];
            }
            metrics.Add(MetricSums.Loss, loss, shard.Length);
            if (buffersOut.Length > 0) (buffersOut[0], buffersOut[1]) = (buffersIn[0] + shard.Length, plan.Step);
            runtime.AfterLeaf?.Invoke(plan, shardIndex, gradient);
            return new LeafResult(shard.Length, metrics);
        }

        public MetricSums Evaluate(DataSplit split, PositionRange slice, ReadOnlySpan<float> buffers)
        {
            runtime.BeforeEvaluation?.Invoke();
            runtime.BeforeSlice?.Invoke(split, slice);
            var metrics = new MetricSums();
            if (buffers.Length > 1 && buffers[1] == Updated) metrics.Add(Statistic, (double)buffers[0] * slice.Length, slice.Length);
            long offset = split switch { DataSplit.Train => 0, DataSplit.Validation => runtime.Data.Train, _ => runtime.Data.Train + runtime.Data.Validation };
            for (long i = slice.Begin; i < slice.End; i++)
            {
                float error = runtime.Predict(weights.Span, offset + i) - runtime._targets[offset + i];
                metrics.Add(MetricSums.Loss, error * error / 2, 1);
            }
            return metrics;
        }

        public void UpdateBatchNorm(ReadOnlySpan<float> buffersIn, Span<float> buffersOut) =>
            (buffersOut[0], buffersOut[1]) = (StatisticOf(weights.Span), Updated);

        public void Prefetch(StepPlan plan, PositionRange shard, int shardIndex) { }

        public void Dispose() { }
    }
}
