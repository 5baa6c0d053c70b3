namespace DistOpt.Core.Training;

/// <summary>One line of <c>metrics.jsonl</c>.</summary>
/// <param name="Step">Updates applied so far.</param>
/// <param name="Epoch">Epoch the step belongs to, from 0.</param>
/// <param name="Split">What was measured on. A train row averages the steps since the train row before it.</param>
/// <param name="Metrics">"loss" first, then task metrics, then user metrics. NaN and infinities are written as null.</param>
/// <param name="LearningRate">Rate of the last step; only in train rows.</param>
/// <param name="BatchSize">Global batch of the last step; where sizes or rates vary with the batch, of the latest step whose batch the end of no epoch
/// has cut, and so are learning rate, noise scale and gain; only in train rows.</param>
/// <param name="SamplesPerSecond">Samples trained a second since the train row before; only in train rows.</param>
/// <param name="WallSeconds">Seconds since the job started.</param>
public sealed record MetricRow(
    long Step,
    int Epoch,
    DataSplit Split,
    IReadOnlyList<KeyValuePair<string, double>> Metrics,
    double? LearningRate,
    int? BatchSize,
    double? SamplesPerSecond,
    double WallSeconds)
{
    /// <summary>Why the batch had that size (snake case); only in train rows, and only where sizes vary.</summary>
    public string? BatchReason { get; init; }

    /// <summary>Estimate of the gradient noise scale in samples by which the last step was planned; only in train rows, and only where it is known.</summary>
    public double? NoiseScale { get; init; }

    /// <summary>AdaScale's gain at the last step; only in train rows, and only with AdaScale.</summary>
    public double? AdascaleGain { get; init; }

    /// <summary>A metric of this row, or null if it has none of that name.</summary>
    public double? Get(string name)
    {
        foreach (var (key, value) in Metrics)
            if (key == name) return value;
        return null;
    }
}

/// <summary>A line that user code wrote (console, logger) or that the job logged, on any node.</summary>
/// <param name="Source">"stdout", "stderr", or a logger category.</param>
/// <param name="Level">"information", "warning", "error" ... in lower case.</param>
/// <param name="Seconds">Seconds since the job started.</param>
public sealed record LogLine(string Node, string Source, string Level, string Text, double Seconds);
