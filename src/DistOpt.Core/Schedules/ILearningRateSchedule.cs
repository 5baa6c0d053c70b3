namespace DistOpt.Core.Schedules;

/// <summary>The learning rate as a function of the position in the run. Pure: nothing is remembered from step to step.</summary>
public interface ILearningRateSchedule
{
    /// <param name="baseRate">The optimizer's <c>learning_rate</c>.</param>
    /// <param name="position">Counted from the end of the warm-up, if there is one.</param>
    /// <returns>The rate of the step's update; finite and not negative.</returns>
    double RateAt(double baseRate, in SchedulePosition position);
}

/// <summary>
/// A schedule that learns of evaluations. It stays pure: its state is handed in and out, and the step planner keeps it, so that it is in every
/// checkpoint and with every backup.
/// </summary>
public interface IEvaluatedSchedule : ILearningRateSchedule
{
    /// <summary>The metric that it follows, as <c>validation.name</c>.</summary>
    string Metric { get; }

    /// <summary>The state after an evaluation. <see cref="PlateauState.Scale"/> times <see cref="ILearningRateSchedule.RateAt"/> is the rate.</summary>
    /// <param name="state">The state before; the default one before the first evaluation.</param>
    /// <param name="value">The metric's value, which may be NaN.</param>
    /// <param name="baseRate">The optimizer's <c>learning_rate</c>.</param>
    PlateauState Observe(PlateauState state, double value, double baseRate);
}

/// <summary>A schedule that cycles the momentum against the learning rate (Smith and Topin 2018, section 4.1; Smith 2018, section 4.3).</summary>
public interface IMomentumSchedule : ILearningRateSchedule
{
    /// <summary>The momentum (beta1, with Adam and its relatives) of the step's update, from 0 to below 1; null: the optimizer's own.</summary>
    /// <param name="position">As for <see cref="ILearningRateSchedule.RateAt"/>: before the end of a warm-up, the first moment after it.</param>
    double? MomentumAt(in SchedulePosition position);
}

/// <summary>Options of a schedule that can cycle the momentum.</summary>
public interface IMomentumScheduleOptions
{
    /// <summary>Whether it does.</summary>
    bool CycleMomentum { get; }
}

/// <summary>Options of a schedule with an end of its own.</summary>
public interface IHorizonOptions
{
    /// <summary>Steps from the run's first one to the schedule's end; null = the run's length.</summary>
    long? TotalSteps { get; }
}
