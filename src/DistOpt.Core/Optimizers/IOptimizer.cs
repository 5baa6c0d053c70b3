namespace DistOpt.Core.Optimizers;

/// <summary>What an update depends on beside its arrays.</summary>
/// <param name="Number">Number of this update from 1 (Adam's t).</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="GradientScale">Factor on the gradient before use: 1 / weight of the global batch, so that the division costs no pass of its own.</param>
public readonly record struct OptimizerStep(long Number, double LearningRate, float GradientScale);

/// <summary>
/// A server-side update rule over one key range: element-wise, so that ranges may be cut anywhere at multiples of 1,024. Stateless;
/// slots hold the state. Vector body and scalar tail of a kernel give the same bits, and nothing is allocated.
/// </summary>
public interface IOptimizer
{
    /// <summary>Names of the state vectors (each as long as the parameters), as they stand in a checkpoint: "momentum_buffer", "exp_avg", ...</summary>
    IReadOnlyList<string> Slots { get; }

    /// <summary>Updates <paramref name="parameters"/> and <paramref name="slots"/> in place.</summary>
    /// <param name="step">Update number, rate and scale.</param>
    /// <param name="parameters">Parameters of the range.</param>
    /// <param name="gradient">Gradient sum of the same length.</param>
    /// <param name="slots">One memory per name in <see cref="Slots"/>, each of the same length; zero before the first step.</param>
    void Apply(in OptimizerStep step, Span<float> parameters, ReadOnlySpan<float> gradient, IReadOnlyList<Memory<float>> slots);
}
