namespace DistOpt.Core.Training;

/// <summary>Why a job ended. Names as they stand in <c>summary.json</c> (snake case).</summary>
public enum StopReason
{
    Epochs,
    MaxSteps,
    MaxSeconds,
    MaxSamples,
    Target,
    Patience,
    Observer,
    Interrupted,
    Cancelled,
    Failed,

    /// <summary>The loss of a step was NaN, infinite or beyond reason (<see cref="Divergence"/>).</summary>
    Diverged,

    /// <summary>The run has come to its <see cref="RunPause"/>.</summary>
    Paused,
}

public static class StopReasons
{
    /// <summary>Whether the run can go on from where it has stopped as if it had not.</summary>
    public static bool LeavesOff(this StopReason reason) => reason is StopReason.Interrupted or StopReason.Cancelled or StopReason.Paused;
}

/// <summary>
/// Everything about step <see cref="Step"/> that could change bits, decided by the server that holds key 0 and sent with its answer
/// to the step before: every process takes it from here and none decides by itself.
/// </summary>
/// <param name="Step">Number of updates applied before this step; also the version of the weights it starts from.</param>
/// <param name="Epoch">Epoch of the step's batch, from 0.</param>
/// <param name="BatchStart">First position of the global batch in the epoch's order.</param>
/// <param name="BatchSize">Samples in the global batch.</param>
/// <param name="LearningRate">Learning rate of this step's update.</param>
/// <param name="Evaluate">Whether weights of version <see cref="Step"/> are evaluated before anything else: a barrier.</param>
/// <param name="Keep">Whether weights of version <see cref="Step"/> are the selected ones: servers copy them before updating.</param>
/// <param name="Stop">Set when training ends with weights of version <see cref="Step"/>: no gradient work belongs to this plan.</param>
public sealed record StepPlan(
    long Step,
    int Epoch,
    long BatchStart,
    int BatchSize,
    double LearningRate,
    bool Evaluate = false,
    StopReason? Stop = null,
    bool Keep = false)
{
    /// <summary>
    /// Whether every server copies its state once this step is applied, for a checkpoint of version <c>Step + 1</c>. Bits do not depend on it.
    /// </summary>
    public bool Checkpoint { get; init; }

    /// <summary>Momentum, or beta1, of this step's update where the schedule cycles it; null: the optimizer's own.</summary>
    public double? Momentum { get; init; }

    /// <summary>Whether every leaf carries the squared norm of its gradient (<see cref="Batching.LeafNorms"/>).</summary>
    public bool MeasuresLeaves { get; init; }

    /// <summary>
    /// Whether every leaf is pushed by itself, none added to another before, because servers measure each
    /// (<see cref="Batching.NoiseSource.PreconditionedLeaves"/>).
    /// </summary>
    public bool PushesLeaves { get; init; }

    /// <summary>Share with which the weights that this step's update makes enter the running average; 0: they do not.</summary>
    public double AverageShare { get; init; }

    /// <summary>
    /// Whether the running average stands for the weights of version <see cref="Step"/> where they are evaluated or kept; otherwise there is none, or
    /// nothing has entered it.
    /// </summary>
    public bool UsesAverage { get; init; }

    /// <summary>Version of the assignment by which this step's gradient shards are shared among the workers. Bits do not depend on it.</summary>
    public int Assignment { get; init; }
}
