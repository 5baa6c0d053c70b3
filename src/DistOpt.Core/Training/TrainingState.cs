using System.Text.Json.Serialization;
using DistOpt.Core.Batching;
using DistOpt.Core.Schedules;

namespace DistOpt.Core.Training;

/// <summary>
/// What the server of key 0 must know beside the vectors to go on from version <see cref="Step"/> with the same bits: the planner's state and
/// the metrics of the row under way. Everything random is counter-based and keyed by step, so there is no generator state.
/// </summary>
public sealed record TrainingState
{
    /// <summary>Updates applied: the version of the weights that this state belongs to.</summary>
    public required long Step { get; init; }

    /// <summary>Samples trained on so far.</summary>
    public long Samples { get; init; }

    /// <summary>Version of the selected weights; null while nothing was selected.</summary>
    public long? SelectedStep { get; init; }

    /// <summary>The selecting metric there; NaN while nothing was selected.</summary>
    public double SelectedValue { get; init; } = double.NaN;

    /// <summary>Evaluations in a row that brought no improvement (patience).</summary>
    public int EvaluationsWithoutGain { get; init; }

    /// <summary>Best value that patience has seen; NaN before the first evaluation.</summary>
    public double PatienceBest { get; init; } = double.NaN;

    /// <summary>Version at which it was; null before the first evaluation.</summary>
    public long? PatienceStep { get; init; }

    /// <summary>Whether the evaluation barrier at <see cref="Step"/>, if there is one, has been passed.</summary>
    public bool Evaluated { get; init; }

    /// <summary>Whether the weights of <see cref="Step"/> are to be kept as the selected ones before they are updated.</summary>
    public bool Keep { get; init; }

    /// <summary>What the evaluation at <see cref="Step"/> decided (target, patience); null where it decided to go on.</summary>
    public StopReason? DecidedStop { get; init; }

    /// <summary>What a schedule that learns of evaluations remembers; null for the others, and before the first evaluation.</summary>
    public PlateauState? Plateau { get; init; }

    /// <summary>What the batch strategy remembers, and the batch under way; null in a state of a build before there were strategies.</summary>
    public BatchState? Batch { get; init; }

    /// <summary>Mean loss of the run's first step; NaN before it.</summary>
    public double FirstLoss { get; init; } = double.NaN;

    /// <summary>What the step of <see cref="Step"/> showed, where training has diverged there; null otherwise.</summary>
    public DivergedStep? Divergence { get; init; }

    /// <summary>Epoch of the latest update.</summary>
    public int LastEpoch { get; init; }

    /// <summary>Metrics summed since the last train row.</summary>
    public MetricSums SinceRow { get; init; } = new();

    /// <summary>
    /// The same weights as another spec goes on from them: with nothing selected, and nothing decided by evaluations, for what they were worth was under the
    /// spec before.
    /// </summary>
    public TrainingState UnderAnotherSpec() => this with
    {
        SelectedStep = null,
        SelectedValue = double.NaN,
        Keep = false,
        EvaluationsWithoutGain = 0,
        PatienceBest = double.NaN,
        PatienceStep = null,
        DecidedStop = null,
    };

    /// <summary>Whether vectors of selected weights belong to the state beside the current ones, which may be the selected ones themselves.</summary>
    [JsonIgnore]
    public bool HasSelected => SelectedStep is { } selected && !(Keep && selected == Step);
}
