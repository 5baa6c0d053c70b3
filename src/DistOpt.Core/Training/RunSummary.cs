namespace DistOpt.Core.Training;

public enum RunStatus
{
    Completed,
    Failed,
    Interrupted,
    Cancelled,
}

/// <summary>The weights that were selected: at which step, by which metric, and its value there.</summary>
public sealed record SelectedWeights(long Step, string Metric, double Value);

/// <summary>What <c>summary.json</c> holds (DESIGN section 7), under the same names in snake case.</summary>
public sealed record RunSummary
{
    public required string Job { get; init; }

    public required RunStatus Status { get; init; }

    public StopReason? StopReason { get; init; }

    /// <summary>Type, message and stack of what made the run fail; null otherwise.</summary>
    public string? Error { get; init; }

    public long Steps { get; init; }

    public int Epochs { get; init; }

    public long Samples { get; init; }

    public SelectedWeights? Selected { get; init; }

    /// <summary>Metrics of the last train row.</summary>
    public IReadOnlyDictionary<string, double> Train { get; init; } = new Dictionary<string, double>();

    /// <summary>Metrics of the selected weights; empty where there is no validation part.</summary>
    public IReadOnlyDictionary<string, double> Validation { get; init; } = new Dictionary<string, double>();

    /// <summary>Metrics of the selected weights, measured once at the end; empty where there is no test part.</summary>
    public IReadOnlyDictionary<string, double> Test { get; init; } = new Dictionary<string, double>();

    public double WallSeconds { get; init; }

    public double SamplesPerSecond { get; init; }

    public int Workers { get; init; }

    public int Servers { get; init; }

    public int Processes { get; init; } = 1;

    public int GradientShards { get; init; }

    public int WorkerFailures { get; init; }

    public int ServerFailures { get; init; }

    public int CoordinatorRestarts { get; init; }

    public int Rollbacks { get; init; }

    /// <summary>
    /// Steps whose gradients were computed, those that were computed again after a loss included; gradient shards that others computed in the place
    /// of lost workers add up to steps. A lower bound: what came after the checkpoint counts once where nobody is left who could tell how far it
    /// went, and of a worker that is lost with the coordinator counts what that one had stored.
    /// </summary>
    public long StepsComputed { get; init; }

    /// <summary>The latest losses of nodes and exceptions of user code, oldest first.</summary>
    public IReadOnlyList<NodeFailure> Failures { get; init; } = [];

    /// <summary>SHA-256 (lower-case hex) of the last weights: flat little-endian float32 in layout order.</summary>
    public string? WeightsSha256 { get; init; }
}
