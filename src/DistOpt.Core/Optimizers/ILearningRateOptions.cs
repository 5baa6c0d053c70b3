namespace DistOpt.Core.Optimizers;

/// <summary>Options of an optimizer whose rate a <see cref="Schedules.ILearningRateSchedule"/> governs.</summary>
public interface ILearningRateOptions
{
    /// <summary>The schedule's base rate.</summary>
    double LearningRate { get; }
}
