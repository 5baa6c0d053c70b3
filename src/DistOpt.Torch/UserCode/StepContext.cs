using DistOpt.Core.Training;

using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>
/// What a step knows beside its batch, and where it logs. Belongs to one thread, is valid during the call, and is reused.
/// </summary>
public sealed class StepContext
{
    internal StepContext(MetricSums metrics) => Metrics = metrics;

    /// <summary>Updates applied to the weights before this step.</summary>
    public long Step { get; internal set; }

    /// <summary>Epoch of the batch, from 0.</summary>
    public int Epoch { get; internal set; }

    /// <summary>True in training steps; false in evaluation.</summary>
    public bool Training { get; internal set; }

    /// <summary>The part of the data that the batch is from.</summary>
    public DataSplit Split { get; internal set; }

    /// <summary>
    /// Position of the batch's first sample in the epoch's order (training) or in the split's fixed order (evaluation); row r has position
    /// <c>FirstPosition + r</c>. Key own randomness by it, never by worker or thread.
    /// </summary>
    public long FirstPosition { get; internal set; }

    /// <summary>Samples in the batch.</summary>
    public int Rows { get; internal set; }

    internal MetricSums Metrics { get; set; }

    /// <summary>Whether the step's module holds bfloat16.</summary>
    internal bool IsBf16 { get; init; }

    /// <summary>Adds to a metric, which is reported as sum / weight over whatever is averaged (a step, a split).</summary>
    /// <param name="name">Metric name as in <c>metrics.jsonl</c>; "loss" is taken.</param>
    /// <param name="sum">Sum over samples or tokens.</param>
    /// <param name="weight">Number of samples or tokens.</param>
    public void Log(string name, double sum, double weight)
    {
        if (name == MetricSums.Loss)
            throw new ArgumentException("the metric name 'loss' is taken by the step's result; choose another name", nameof(name));
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (name[0] == MetricSums.HiddenMark)
            throw new ArgumentException($"the metric name '{name}' begins with '{MetricSums.HiddenMark}', which is taken; choose another name", nameof(name));
        Metrics.Add(name, sum, weight);
    }

    /// <summary>As <see cref="Log(string, double, double)"/>, with a scalar tensor of any element type.</summary>
    public void Log(string name, Tensor sum, double weight)
    {
        ArgumentNullException.ThrowIfNull(sum);
        Log(name, ReadScalar(sum), weight);
    }

    internal static double ReadScalar(Tensor value)
    {
        using var scope = NewDisposeScope();
        return value.dtype == ScalarType.Float64 ? value.item<double>() : value.to(ScalarType.Float64).item<double>();
    }
}
