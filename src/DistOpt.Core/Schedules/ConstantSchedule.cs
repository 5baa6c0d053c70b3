namespace DistOpt.Core.Schedules;

/// <summary><c>constant</c> has no options.</summary>
public sealed record ConstantScheduleOptions;

/// <summary>The base rate at every step.</summary>
public sealed class ConstantSchedule : ILearningRateSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position) => baseRate;
}
