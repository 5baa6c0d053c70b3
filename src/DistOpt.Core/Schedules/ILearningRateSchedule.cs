namespace DistOpt.Core.Schedules;

/// <summary>The learning rate as a function of the step. Pure.</summary>
public interface ILearningRateSchedule
{
    /// <param name="baseRate">The optimizer's <c>learning_rate</c>.</param>
    /// <param name="step">Updates applied before, from 0.</param>
    double RateAt(double baseRate, long step);
}
