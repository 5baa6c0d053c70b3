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
    /// Whether the optimizer takes the proximal step of an L1 penalty (<see cref="OptimizerStep.L1"/>), in the lengths of its own steps, so that a weight
    /// rests where its gradient is l1. One whose steps are no length times a mean of gradients has no such step.
    /// </summary>
    bool TakesProximalStep => false;

    /// <summary>
    /// Whether the optimizer takes its momentum (beta1, with Adam and its relatives) from the step, so that a schedule can cycle it
    /// (<see cref="OptimizerStep.Momentum"/>).
    /// </summary>
    bool TakesMomentum => false;

    /// <summary>
    /// Whether the optimizer keeps a mean of squared gradients for every parameter, by whose root it divides the gradient: it is an
    /// <see cref="IMeanSquareOptimizer"/>, and the gradient's noise is measured in that norm (<see cref="Batching.NoiseNorm"/>).
    /// </summary>
    bool KeepsMeanSquares => false;
}
