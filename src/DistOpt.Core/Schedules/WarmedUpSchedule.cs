using DistOpt.Core.Specs;

namespace DistOpt.Core.Schedules;

/// <summary>
/// A linear warm-up of W steps in front of a schedule, which begins when it ends, as torch's <c>SequentialLR([LinearLR, ...])</c> and the
/// schedules of transformers do it: at step t of the warm-up the rate is factor * (the rate at which the schedule begins), factor being
/// (t + 1) / W, or start + (1 - start) * t / W where <c>warmup_start_factor</c> gives a start (torch's LinearLR). Everything that the schedule
/// counts (milestones, periods) counts from the end of the warm-up, and <c>total_steps</c> is the whole of both. Where the warm-up leaves nothing of
/// them to the schedule, the rate still rises to that at which it would begin.
/// </summary>
public sealed class WarmedUpSchedule(ILearningRateSchedule inner, ScheduleSpec spec) : IMomentumSchedule
{
    public double RateAt(double baseRate, in SchedulePosition position)
    {
        double length = LengthOf(spec, position.EpochLength);
        if (length == 0) return inner.RateAt(baseRate, position);
        double rate = inner.RateAt(baseRate, position.After(length));
        if (position.Time >= length) return rate;
        return rate * (spec.WarmupStartFactor is { } start
            ? start + (1 - start) * (position.Time / length)
            : Math.Min(1, (position.Time + 1) / length));
    }

    /// <summary>During the warm-up, that with which the schedule begins.</summary>
    public double? MomentumAt(in SchedulePosition position) =>
        (inner as IMomentumSchedule)?.MomentumAt(position.After(LengthOf(spec, position.EpochLength)));

    /// <summary>Steps of the warm-up; 0 without one.</summary>
    /// <param name="epochLength">Steps in an epoch.</param>
    public static double LengthOf(ScheduleSpec spec, double epochLength)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec.WarmupEpochs is not { } epochs) return spec.WarmupSteps;
        // 1.1 epochs of 100 steps are 110.00000000000001
        double steps = epochs * epochLength;
        return Math.Ceiling(steps - 1e-12 * Math.Max(1, steps));
    }
}
