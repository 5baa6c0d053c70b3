namespace DistOpt.Core.Optimizers;

/// <summary>Options of an optimizer whose rate a <see cref="Schedules.ILearningRateSchedule"/> governs.</summary>
public interface ILearningRateOptions
{
    /// <summary>The schedule's base rate.</summary>
    double LearningRate { get; }

    /// <summary>
    /// Whether the length of an update hardly depends on the gradient's, as with Adam and its relatives: of a larger batch's gain such an optimizer takes
    /// the root.
    /// </summary>
    bool IsAdaptive => false;

    /// <summary>
    /// Whether steps are the learning rate times a direction, with no further factor by tensor or time: what the proximal step of an L1 penalty,
    /// rate times penalty, takes them to be.
    /// </summary>
    bool StepsByLearningRate => true;
}
