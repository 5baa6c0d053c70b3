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

    public LinearRuntime(int features = 3000, int samples = 103, int validation = 20, int test = 10, bool buffers = false, long seed = 7)
    {
        Layout = new ParameterLayout([new TensorSlot("w", [features], 0, features)],
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

            runtime.BeforeSlice?.Invoke(split, slice);
            var metrics = new MetricSums();
            long offset = split switch { DataSplit.Train => 0, DataSplit.Validation => runtime.Data.Train, _ => runtime.Data.Train + runtime.Data.Validation };
            for (long i = slice.Begin; i < slice.End; i++)
            {
                float error = runtime.Predict(weights.Span, offset + i) - runtime._targets[offset + i];
                metrics.Add(MetricSums.Loss, error * error / 2, 1);
            }
            return metrics;
        }

        public void Prefetch(StepPlan plan, PositionRange shard, int shardIndex) { }

        public void Dispose() { }
    }
}
