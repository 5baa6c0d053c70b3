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
public sealed record OneCycleScheduleOptions : IHorizonOptions, IMomentumScheduleOptions, IValidatableObject
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

    [Description("Whether the momentum (beta1 of adam, adamw, radam, lamb) goes the other way as the rate, as torch's does by default; sgd, lars and rmsprop need "
        + "momentum above 0")]
    public bool CycleMomentum { get; init; }

    [Description("With cycle_momentum: the momentum where the rate is highest")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double BaseMomentum { get; init; } = MomentumCycle.OneCycleBase;

    [Description("With cycle_momentum: the momentum where the rate is lowest")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double MaxMomentum { get; init; } = MomentumCycle.OneCycleMax;

    [Description("Steps from the run's first one to the end of the cycle; auto = the run's length")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? TotalSteps { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (ThreePhase && PctStart > 0.5)
            yield return new ValidationResult($"is {PctStart}, but must be at most 0.5 with three_phase: the fall is as long as the rise", [nameof(PctStart)]);
        foreach (var result in MomentumCycle.Validate(CycleMomentum, (BaseMomentum, MomentumCycle.OneCycleBase), (MaxMomentum, MomentumCycle.OneCycleMax)))
            yield return result;
    }
}

/// <summary>
/// The rate rises from base / div_factor to base and falls to base / (div_factor * final_div_factor), as
/// <c>torch.optim.lr_scheduler.OneCycleLR</c> (Smith and Topin 2018). With <see cref="OneCycleScheduleOptions.CycleMomentum"/>, which is off here and on
/// with torch, the momentum falls from max_momentum to base_momentum while the rate rises, rises while it falls, and stays in the last of three phases.
/// </summary>
public sealed class OneCycleSchedule(OneCycleScheduleOptions options) : IMomentumSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double first = baseRate / options.DivFactor;
        return At(position, first, baseRate, first / options.FinalDivFactor);
    }

    public double? MomentumAt(in SchedulePosition position) =>
        options.CycleMomentum ? At(position, options.MaxMomentum, options.BaseMomentum, options.MaxMomentum) : null;

    /// <param name="first">Value at the begin, and at the end of the second of three phases.</param>
    /// <param name="top">Where the rate is highest.</param>
    /// <param name="last">At the end.</param>
    private double At(in SchedulePosition position, double first, double top, double last)
    {
        double total = position.HorizonOr(options.TotalSteps);
        double rise = options.PctStart * total - 1, end = total - 1;
        if (position.Time <= rise) return Phase(first, top, position.Time, 0, rise);
        if (!options.ThreePhase) return Phase(top, last, position.Time, rise, end);
        double fall = 2 * options.PctStart * total - 2;
        return position.Time <= fall
            ? Phase(top, first, position.Time, rise, fall)
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
public sealed record CyclicScheduleOptions : IMomentumScheduleOptions, IValidatableObject
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

    [Description("Whether the momentum (beta1 of adam, adamw, radam, lamb) goes the other way as the rate, as torch's does by default; sgd, lars and rmsprop need "
        + "momentum above 0")]
    public bool CycleMomentum { get; init; }

    [Description("With cycle_momentum: the momentum where the rate is highest")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double BaseMomentum { get; init; } = MomentumCycle.CyclicBase;

    [Description("With cycle_momentum: the momentum where the rate is lowest")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double MaxMomentum { get; init; } = MomentumCycle.CyclicMax;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Gamma != 1 && Mode != CyclicMode.ExpRange)
        {
            yield return new ValidationResult($"is {FieldRules.Display(Gamma)}, which mode exp-range alone uses; set mode to exp-range, "
                + "or leave gamma away", [nameof(Gamma)]);
        }
        foreach (var result in MomentumCycle.Validate(CycleMomentum, (BaseMomentum, MomentumCycle.CyclicBase), (MaxMomentum, MomentumCycle.CyclicMax)))
            yield return result;
    }
}

/// <summary>
/// Triangular waves between the base rate and a highest one, as <c>torch.optim.lr_scheduler.CyclicLR</c> (Smith 2017). With
/// <see cref="CyclicScheduleOptions.CycleMomentum"/>, which is off here and on with torch, the momentum is max_momentum less the same wave of the height
/// max_momentum - base_momentum.
/// </summary>
public sealed class CyclicSchedule(CyclicScheduleOptions options) : IMomentumSchedule
{
    private const double UsualHeight = 10;

    public double RateAt(double baseRate, in SchedulePosition position)
    {
        var (height, scale) = WaveAt(position);
        return baseRate + ((options.MaxLearningRate ?? UsualHeight * baseRate) - baseRate) * height * scale;
    }

    public double? MomentumAt(in SchedulePosition position)
    {
        if (!options.CycleMomentum) return null;
        var (height, scale) = WaveAt(position);
        return options.MaxMomentum - (options.MaxMomentum - options.BaseMomentum) * height * scale;
    }

    private (double Height, double Scale) WaveAt(in SchedulePosition position)
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
        return (height, scale);
    }
}
