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

    /// <summary>What the sum is divided by: the number of samples, or of elements where the loss is a mean over elements.</summary>
    double Weight(Tensor target) => target.dim() == 0 ? 1 : target.size(0);

    /// <summary>
    /// Logs the task metrics of an evaluation. Default: "accuracy" where the target holds class indices, "mse" and "mae" where it holds
    /// values.
    /// </summary>
    void Measure(Tensor output, Tensor target, StepContext context) => TaskMetrics.Log(output, target, context);
}
