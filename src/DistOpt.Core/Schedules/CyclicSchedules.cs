using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Binding;

namespace DistOpt.Core.Schedules;

/// <summary>Form of a phase of <c>one-cycle</c>.</summary>
public enum AnnealStrategy
{
    Cos,
    Linear,
}

/// <summary>Options of <c>one-cycle</c>; the optimizer's learning rate is the highest one (torch's max_lr).</summary>
public sealed record OneCycleScheduleOptions : IHorizonOptions, IValidatableObject
{
    [Description("Share of the cycle in which the rate rises")]
    [Range(0.0, 1.0)]
    public double PctStart { get; init; } = 0.3;

    [Description("Form of the phases")]
    public AnnealStrategy AnnealStrategy { get; init; } = AnnealStrategy.Cos;

    [Description("The first rate is the optimizer's learning rate divided by this")]
    [Range(1.0, 1e12)]
    public double DivFactor { get; init; } = 25;

    [Description("The last rate is the first one divided by this")]
    [Range(1.0, 1e12)]
    public double FinalDivFactor { get; init; } = 1e4;

    [Description("Whether a fall to the first rate, as long as the rise, comes before the last phase")]
    public bool ThreePhase { get; init; }

    [Description("Steps from the run's first one to the end of the cycle; auto = the run's length")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? TotalSteps { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (ThreePhase && PctStart > 0.5)
            yield return new ValidationResult($"is {PctStart}, but must be at most 0.5 with three_phase: the fall is as long as the rise", [nameof(PctStart)]);
    }
}

/// <summary>
/// The rate rises from base / div_factor to base and falls to base / (div_factor * final_div_factor), as
/// <c>torch.optim.lr_scheduler.OneCycleLR</c> (Smith and Topin 2018). Only the rate: torch's also cycles the momentum against it, which a
/// schedule here cannot; set the optimizer's momentum to the value that it is to have throughout.
/// </summary>
public sealed class OneCycleSchedule(OneCycleScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double total = position.HorizonOr(options.TotalSteps);
        double first = baseRate / options.DivFactor, last = first / options.FinalDivFactor;
        double rise = options.PctStart * total - 1, end = total - 1;
        if (position.Time <= rise) return Phase(first, baseRate, position.Time, 0, rise);
        if (!options.ThreePhase) return Phase(baseRate, last, position.Time, rise, end);
        double fall = 2 * options.PctStart * total - 2;
        return position.Time <= fall
            ? Phase(baseRate, first, position.Time, rise, fall)
            : Phase(first, last, position.Time, fall, end);
    }

    private double Phase(double from, double to, double time, double begin, double end)
    {
        double share = end <= begin ? 1 : Math.Clamp((time - begin) / (end - begin), 0, 1);
        return options.AnnealStrategy == AnnealStrategy.Cos ? CosineSchedule.Anneal(from, to, share) : from + (to - from) * share;
    }
}

/// <summary>How the waves of <c>cyclic</c> change: not at all, halved after each, or by gamma^step.</summary>
public enum CyclicMode
{
    Triangular,
    Triangular2,
    ExpRange,
}

/// <summary>Options of <c>cyclic</c>; the optimizer's learning rate is the lowest one (torch's base_lr).</summary>
public sealed record CyclicScheduleOptions : IValidatableObject
{
    [Description("Highest rate; auto = ten times the optimizer's learning rate")]
    [NullName("auto")]
    [Range(0.0, 1000.0, MinimumIsExclusive = true)]
    public double? MaxLearningRate { get; init; }

    [Description("Steps in which the rate rises")]
    [Range(1, long.MaxValue)]
    public long StepSizeUp { get; init; } = 2000;

    [Description("Steps in which it falls; auto = step_size_up")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? StepSizeDown { get; init; }

    [Description("triangular: all waves alike; triangular2: each half as high as the one before; exp-range: times gamma^step")]
    public CyclicMode Mode { get; init; } = CyclicMode.Triangular;

    [Description("Factor of each step with mode exp-range")]
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 1;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Gamma != 1 && Mode != CyclicMode.ExpRange)
        {
            yield return new ValidationResult($"is {FieldRules.Display(Gamma)}, which mode exp-range alone uses; set mode to exp-range, "
                + "or leave gamma away", [nameof(Gamma)]);
        }
    }
}

/// <summary>
/// Triangular waves between the base rate and a highest one, as <c>torch.optim.lr_scheduler.CyclicLR</c> (Smith 2017). Only the rate: the
/// momentum is not cycled.
/// </summary>
public sealed class CyclicSchedule(CyclicScheduleOptions options) : ILearningRateSchedule
{
    private const double UsualHeight = 10;

    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double up = options.StepSizeUp, length = up + (options.StepSizeDown ?? options.StepSizeUp);
        double wave = Math.Floor(position.Time / length);
        double within = position.Time - wave * length;
        double height = within <= up ? within / up : (length - within) / (length - up);
        double scale = options.Mode switch
        {
            CyclicMode.Triangular2 => Math.Pow(2, -wave),
            CyclicMode.ExpRange => Math.Pow(options.Gamma, position.Time),
            _ => 1,
        };
        return baseRate + ((options.MaxLearningRate ?? UsualHeight * baseRate) - baseRate) * height * scale;
    }
}
