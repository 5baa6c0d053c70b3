namespace DistOpt.Core.Optimizers;

/// <summary>Options of an optimizer whose rate a <see cref="Schedules.ILearningRateSchedule"/> governs.</summary>
public interface ILearningRateOptions
{
    /// <summary>The schedule's base rate.</summary>
    double LearningRate { get; }

    /// <summary>
    /// Whether steps are the learning rate times a direction, with no further factor by tensor or time: what the proximal step of an L1 penalty,
    /// rate times penalty, takes them to be.
    /// </summary>
    bool StepsByLearningRate => true;
}
