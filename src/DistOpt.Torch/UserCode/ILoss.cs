using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>
/// A training loss on (output, target), additive over samples: the gradient of a step is the gradient of the sum of <see cref="Sum"/> over
/// the whole global batch, divided by the sum of <see cref="Weight"/>. Thread-safe (holds no tensors, or read-only ones).
/// </summary>
public interface ILoss
{
    /// <summary>Sum of the loss over the samples of the batch.</summary>
    /// <param name="output">The module's output, [N, ...].</param>
    /// <param name="target">The batch's target, [N] class indices (int64) or [N, ...] values (float32).</param>
    /// <returns>A scalar, differentiable with respect to <paramref name="output"/>.</returns>
    Tensor Sum(Tensor output, Tensor target);

    /// <summary>
    /// What the sum is divided by: the number of samples, or of elements where the loss is a mean over elements, or the sum of the
    /// targets' weights where classes have weights.
    /// </summary>
    double Weight(Tensor target) => target.dim() == 0 ? 1 : target.size(0);

    /// <summary>
    /// Logs the task metrics of an evaluation where the spec names none. Default: "accuracy" where the target holds class indices, "mse"
    /// and "mae" where it holds values.
    /// </summary>
    void Measure(Tensor output, Tensor target, StepContext context) => TaskMetrics.Log(output, target, context);

    /// <summary>What is wrong with the loss's options for this data; seen before training begins.</summary>
    IEnumerable<SpecViolation> Check(DataInfo data) => [];

    /// <summary>How the metrics that a spec names read the output. Default: int64 targets are class indices, others are values.</summary>
    OutputReading Read(Tensor output, Tensor target) =>
        target.dtype == ScalarType.Int64 ? OutputReading.Classes : OutputReading.Values;

    /// <summary>
    /// Whether the loss reads one score for two classes, above 0 for the second: models then give one output for data with two classes. Asked before the
    /// model is made.
    /// </summary>
    bool ReadsSingleScore(DataInfo data) => false;

    /// <summary>What metrics on values compare with the targets: the output itself, or what it stands for (a probability for its
    /// logarithm). May be <paramref name="output"/>.</summary>
    Tensor Values(Tensor output) => output;

    /// <summary>The targets beside <see cref="Values"/>. May be <paramref name="target"/>.</summary>
    Tensor Targets(Tensor target) => target;

    /// <summary>Targets that do not count: class indices of this value; null = none.</summary>
    long? Ignored => null;
}
