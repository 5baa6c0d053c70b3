using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Schedules;

/// <summary>What <c>reduce-on-plateau</c> remembers between evaluations.</summary>
public sealed record PlateauState
{
    /// <summary>Factor on the rate: 1 before the first reduction.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>Best value so far; NaN before the first.</summary>
    public double Best { get; init; } = double.NaN;

    /// <summary>Evaluations in a row that were no improvement.</summary>
    public int BadEvaluations { get; init; }

    /// <summary>Evaluations that are still passed over after the latest reduction.</summary>
    public int CooldownLeft { get; init; }
}

/// <summary>How <c>reduce-on-plateau</c> takes its threshold.</summary>
public enum ThresholdMode
{
    Rel,
    Abs,
}

/// <summary>Options of <c>reduce-on-plateau</c>.</summary>
public sealed record ReduceOnPlateauOptions : IValidatableObject
{
    [Description("Metric that has to improve, as validation.name")]
    public string Metric { get; init; } = "validation.loss";

    [Description("Whether smaller or larger is better (torch's mode); null = by the metric's name")]
    public Direction? Direction { get; init; }

    [Description("Factor of each reduction")]
    [Range(0.0, 1.0, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double Factor { get; init; } = 0.1;

    [Description("Evaluations in a row without an improvement that are let pass; the next one reduces the rate")]
    [Range(0, 1_000_000)]
    public int Patience { get; init; } = 10;

    [Description("Least improvement that counts")]
    [Range(0.0, 1e9)]
    public double Threshold { get; init; } = 1e-4;

    [Description("Whether the threshold is a share of the best value (rel) or an amount (abs)")]
    public ThresholdMode ThresholdMode { get; init; } = ThresholdMode.Rel;

    [Description("Evaluations after a reduction in which nothing is counted")]
    [Range(0, 1_000_000)]
    public int Cooldown { get; init; }

    [Description("The rate is not reduced below this")]
    [Range(0.0, 1000.0)]
    public double MinLearningRate { get; init; }

    [Description("A reduction by no more than this is left out")]
    [Range(0.0, 1000.0)]
    public double Epsilon { get; init; } = 1e-8;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!Metric.StartsWith("validation.", StringComparison.Ordinal) || Metric.Length == "validation.".Length)
            yield return new ValidationResult($"is '{Metric}', but must be validation.name, such as validation.loss: evaluations decide", [nameof(Metric)]);
        else if (Direction is null && TrainingSpecRules.UsualDirection(Metric) is null)
            yield return new ValidationResult($"is null, but the name '{Metric}' does not tell it; set minimize or maximize", [nameof(Direction)]);
        if (ThresholdMode == ThresholdMode.Rel && Threshold >= 1 && (Direction ?? TrainingSpecRules.UsualDirection(Metric)) == Specs.Direction.Minimize)
        {
            yield return new ValidationResult($"is {Threshold}, but must be below 1 with threshold_mode rel where the metric is minimized: nothing is better than the "
                + "best value by all of it", [nameof(Threshold)]);
        }
    }
}

/// <summary>
/// The rate is multiplied by factor when the metric has not improved for more than patience evaluations, as
/// <c>torch.optim.lr_scheduler.ReduceLROnPlateau</c> called after every evaluation.
/// </summary>
public sealed class ReduceOnPlateauSchedule(ReduceOnPlateauOptions options) : IEvaluatedSchedule
{
    private readonly bool _minimizes =
        (options.Direction ?? TrainingSpecRules.UsualDirection(options.Metric) ?? Direction.Maximize) == Direction.Minimize;

    public string Metric => options.Metric;

    public double RateAt(double baseRate, in SchedulePosition position) => baseRate;

    public PlateauState Observe(PlateauState state, double value, double baseRate)
    {
        ArgumentNullException.ThrowIfNull(state);
        bool better = IsBetter(value, state.Best);
        int bad = better ? 0 : state.BadEvaluations + 1;
        int cooldown = state.CooldownLeft;
        if (cooldown > 0) (cooldown, bad) = (cooldown - 1, 0);
        double scale = state.Scale;
        if (bad > options.Patience)
        {
            (cooldown, bad) = (options.Cooldown, 0);
            double rate = Math.Max(scale * baseRate * options.Factor, options.MinLearningRate);
            if (scale * baseRate - rate > options.Epsilon) scale = rate / baseRate;
        }
        return new PlateauState { Scale = scale, Best = better ? value : state.Best, BadEvaluations = bad, CooldownLeft = cooldown };
    }

    private bool IsBetter(double value, double best)
    {
        if (double.IsNaN(best)) best = _minimizes ? double.PositiveInfinity : double.NegativeInfinity;
        return (options.ThresholdMode, _minimizes) switch
        {
            (ThresholdMode.Rel, true) => value < best * (1 - options.Threshold),
            (ThresholdMode.Rel, false) => value > best * (1 + options.Threshold),
            (_, true) => value < best - options.Threshold,
            _ => value > best + options.Threshold,
        };
    }
}
