using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>
/// A loss between values of the same number of elements, summed over all of them and divided by their number (PyTorch's "mean"). A
/// target [N] fits an output [N, 1]; nothing else is broadcast.
/// </summary>
/// <param name="name">Its name in the catalogue, for errors.</param>
public abstract class ElementwiseLoss(string name) : ILoss
{
    public torch.Tensor Sum(torch.Tensor output, torch.Tensor target)
    {
        torch.Tensor fitted = Fit(output, target, name);
        torch.Tensor sum = SumOf(output, fitted);
        if (!ReferenceEquals(fitted, target)) fitted.Dispose();
        return sum;
    }

    public double Weight(torch.Tensor target) => target.numel();

    public virtual void Measure(torch.Tensor output, torch.Tensor target, StepContext context) =>
        TaskMetrics.LogErrors(output, target, context);

    public virtual OutputReading Read(torch.Tensor output, torch.Tensor target) => OutputReading.Values;

    public virtual torch.Tensor Values(torch.Tensor output) => output;

    public virtual bool ReadsSingleScore(DataInfo data) => false;

    public virtual IEnumerable<SpecViolation> Check(DataInfo data) => [];

    /// <param name="output">Values of any shape.</param>
    /// <param name="target">Values of the same shape and element type.</param>
    protected abstract torch.Tensor SumOf(torch.Tensor output, torch.Tensor target);

    /// <summary>The target in the output's shape and type; the same object where it has them already.</summary>
    /// <param name="loss">Name of the loss, for errors.</param>
    /// <exception cref="SpecException">Targets are class indices, but the model gives several scores for each.</exception>
    /// <exception cref="InvalidOperationException">The numbers of elements or of rows differ.</exception>
    protected internal static torch.Tensor Fit(torch.Tensor output, torch.Tensor target, string loss)
    {
        long[] have = output.shape, want = target.shape;
        bool same = have.AsSpan().SequenceEqual(want);
        if (!same && (output.numel() != target.numel() || have.Length == 0 || want.Length == 0 || have[0] != want[0]))
        {
            if (target.dtype == torch.ScalarType.Int64)
            {
                throw new SpecException("loss.kind", $"is {loss}, which compares values one by one, but the targets are class indices, "
                    + $"[{string.Join(", ", want)}], and the model gives [{string.Join(", ", have)}]; use cross-entropy or hinge, or a model with one "
                    + "score for each sample");
            }
            throw new InvalidOperationException($"the model gives [{string.Join(", ", have)}], but the targets are "
                + $"[{string.Join(", ", want)}]: both must hold as many values for each sample");
        }
        if (same && output.dtype == target.dtype) return target;
        using torch.Tensor typed = target.to(output.dtype);
        return typed.reshape(have);
    }
}
