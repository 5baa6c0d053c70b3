using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Schedules;

/// <summary>Options of <c>polynomial</c>.</summary>
public sealed record PolynomialScheduleOptions : IHorizonOptions
{
    [Description("Power of the share that is left; 1 = linear decay")]
    [Range(0.0, 100.0, MinimumIsExclusive = true)]
    public double Power { get; init; } = 1;

    [Description("Rate at the end and after it")]
    [Range(0.0, 1000.0)]
    public double EndLearningRate { get; init; }

    [Description("Steps from the run's first one to the end of the decay; auto = the run's length")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? TotalSteps { get; init; }
}

/// <summary>
/// end + (base - end) * (1 - t/T)^power, as <c>torch.optim.lr_scheduler.PolynomialLR</c> (which has end 0 and calls T total_iters). Power 1 is
/// the linear decay of transformers.
/// </summary>
public sealed class PolynomialSchedule(PolynomialScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double left = 1 - position.ShareOf(position.HorizonOr(options.TotalSteps));
        return options.EndLearningRate + (baseRate - options.EndLearningRate) * Math.Pow(left, options.Power);
    }
}

/// <summary>Options of <c>cosine</c>.</summary>
public sealed record CosineScheduleOptions : IHorizonOptions
{
    [Description("Rate at the end and after it")]
    [Range(0.0, 1000.0)]
    public double EtaMin { get; init; }

    [Description("Steps from the run's first one to the end of the half wave (torch's T_max); auto = the run's length")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? TotalSteps { get; init; }
}

/// <summary>
/// eta_min + (base - eta_min) * (1 + cos(pi * t/T)) / 2, as <c>torch.optim.lr_scheduler.CosineAnnealingLR</c> (Loshchilov and Hutter 2017,
/// without restarts). After the end it stays at eta_min, where torch's goes up again.
/// </summary>
public sealed class CosineSchedule(CosineScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position) =>
        Anneal(baseRate, options.EtaMin, position.ShareOf(position.HorizonOr(options.TotalSteps)));

    /// <summary>Half a cosine wave from <paramref name="from"/> at share 0 to <paramref name="to"/> at share 1.</summary>
    internal static double Anneal(double from, double to, double share) => to + (from - to) * (1 + Math.Cos(Math.PI * share)) / 2;
}

/// <summary>Options of <c>cosine-restarts</c>.</summary>
public sealed record CosineRestartsScheduleOptions
{
    [Description("Units until the first restart")]
    [Range(1, long.MaxValue)]
    public long T_0 { get; init; } = 10;

    [Description("Factor by which each period is longer than the one before")]
    [Range(1, 1000)]
    public int T_mult { get; init; } = 1;

    [Description("Rate that each period ends near")]
    [Range(0.0, 1000.0)]
    public double EtaMin { get; init; }

    [Description("What t_0 counts; the rate changes at every step either way")]
    public ScheduleUnit Unit { get; init; } = ScheduleUnit.Epochs;
}

/// <summary>
/// Half a cosine wave that begins again after t_0, t_0 * t_mult, t_0 * t_mult^2 ... units, as
/// <c>torch.optim.lr_scheduler.CosineAnnealingWarmRestarts</c> (Loshchilov and Hutter 2017).
/// </summary>
public sealed class CosineRestartsSchedule(CosineRestartsScheduleOptions options) : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double period = position.Length(options.T_0, options.Unit);
        double time = position.Time;
        if (options.T_mult == 1) time -= SchedulePosition.Wholes(time / period) * period;
        for (; SchedulePosition.Wholes(time / period) >= 1; period *= options.T_mult) time -= period;
        time = Math.Max(0, time);
        return CosineSchedule.Anneal(baseRate, options.EtaMin, time / period);
    }
}
