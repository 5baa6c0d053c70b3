using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Schedules;

/// <summary>Options of <c>step</c>.</summary>
public sealed record StepScheduleOptions
{
    [Description("Units between two drops")]
    [Range(1, long.MaxValue)]
    public long StepSize { get; init; } = 30;

    [Description("What step_size counts")]
    public ScheduleUnit Unit { get; init; } = ScheduleUnit.Epochs;

    [Description("Factor of each drop")]
    [Range(0.0, 1000.0, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 0.1;
}

/// <summary>base * gamma^floor(n / step_size) at unit n, as <c>torch.optim.lr_scheduler.StepLR</c>.</summary>
public sealed class StepSchedule(StepScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position) =>
        baseRate * Math.Pow(options.Gamma, Math.Floor(position.Whole(options.Unit) / options.StepSize));
}

/// <summary>Options of <c>multi-step</c>.</summary>
public sealed record MultiStepScheduleOptions : IValidatableObject
{
    [Description("Units after which the rate drops, ascending")]
    [Range(1, long.MaxValue)]
    [MinLength(1)]
    public ImmutableArray<long> Milestones { get; init; } = [30, 60, 90];

    [Description("What milestones count")]
    public ScheduleUnit Unit { get; init; } = ScheduleUnit.Epochs;

    [Description("Factor of each drop")]
    [Range(0.0, 1000.0, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 0.1;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!Milestones.IsDefault && Milestones.Zip(Milestones.Skip(1)).Any(p => p.Second <= p.First))
            yield return new ValidationResult($"is [{string.Join(", ", Milestones)}], but must ascend", [nameof(Milestones)]);
    }
}

/// <summary>base * gamma^(milestones at or before unit n), as <c>torch.optim.lr_scheduler.MultiStepLR</c>.</summary>
public sealed class MultiStepSchedule(MultiStepScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double now = position.Whole(options.Unit);
        int passed = 0;
        while (passed < options.Milestones.Length && options.Milestones[passed] <= now) passed++;
        return baseRate * Math.Pow(options.Gamma, passed);
    }
}

/// <summary>Options of <c>exponential</c>.</summary>
public sealed record ExponentialScheduleOptions
{
    [Description("Factor of each unit")]
    [Range(0.0, 1000.0, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 0.95;

    [Description("After what the rate is multiplied by gamma; with epochs it stays the same within one")]
    public ScheduleUnit Unit { get; init; } = ScheduleUnit.Epochs;
}

/// <summary>base * gamma^n at unit n, as <c>torch.optim.lr_scheduler.ExponentialLR</c>.</summary>
public sealed class ExponentialSchedule(ExponentialScheduleOptions options) : ILearningRateSchedule
{
    // a gamma above 1 in a long run: the optimizer is told the largest number, not infinity, which is no rate
    public double RateAt(double baseRate, in SchedulePosition position) =>
        Math.Min(double.MaxValue, baseRate * Math.Pow(options.Gamma, position.Whole(options.Unit)));
}

/// <summary>Options of <c>inverse-time</c>.</summary>
public sealed record InverseTimeScheduleOptions
{
    [Description("How much is added to the divisor every decay_steps")]
    [Range(0.0, 1e9)]
    public double DecayRate { get; init; } = 1;

    [Description("Steps in which the divisor grows by decay_rate")]
    [Range(1, long.MaxValue)]
    public long DecaySteps { get; init; } = 1000;

    [Description("Whether the divisor grows only after every whole decay_steps")]
    public bool Staircase { get; init; }
}

/// <summary>base / (1 + decay_rate * t / decay_steps), as <c>keras.optimizers.schedules.InverseTimeDecay</c>.</summary>
public sealed class InverseTimeSchedule(InverseTimeScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double periods = position.Time / options.DecaySteps;
        return baseRate / (1 + options.DecayRate * (options.Staircase ? Math.Floor(periods) : periods));
    }
}

/// <summary>Options of <c>inverse-sqrt</c>.</summary>
public sealed record InverseSqrtScheduleOptions
{
    [Description("Steps in which the rate falls to base / sqrt(2); auto = the steps of the warm-up, or 10,000 without one")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? Timescale { get; init; }
}

/// <summary>
/// base / sqrt(1 + t / timescale), t counted from the end of the warm-up (Vaswani et al. 2017; as <c>get_inverse_sqrt_schedule</c> of
/// transformers).
/// </summary>
public sealed class InverseSqrtSchedule(InverseSqrtScheduleOptions options) : ILearningRateSchedule
{
    private const double UsualTimescale = 10_000;

    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double timescale = options.Timescale ?? (position.WarmUp > 0 ? position.WarmUp : UsualTimescale);
        return baseRate / Math.Sqrt((position.Time + timescale) / timescale);
    }
}
