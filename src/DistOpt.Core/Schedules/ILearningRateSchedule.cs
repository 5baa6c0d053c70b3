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

/// <summary>Options of a schedule with an end of its own.</summary>
public interface IHorizonOptions
{
    /// <summary>Steps from the run's first one to the schedule's end; null = the run's length.</summary>
    long? TotalSteps { get; }
}
