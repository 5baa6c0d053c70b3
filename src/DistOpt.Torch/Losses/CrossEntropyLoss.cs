using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>Fields of <c>loss: { kind: cross-entropy }</c>.</summary>
public sealed record CrossEntropyOptions
{
    [Description("Share of the target's probability that is spread evenly over all classes (Szegedy et al. 2016, section 7); 0 = none")]
    [Range(0.0, 0.999)]
    public double LabelSmoothing { get; init; }
}

/// <summary>
/// Softmax cross-entropy on scores: sum of -log softmax(output)[target], as PyTorch's <c>cross_entropy(reduction="sum")</c>. Output
/// [N, C] or [N, C, ...] float32, target [N] or [N, ...] int64 class indices. Divided by the number of targets.
/// </summary>
public sealed class CrossEntropyLoss(CrossEntropyOptions options) : ILoss
{
    public torch.Tensor Sum(torch.Tensor output, torch.Tensor target)
    {
        if (target.dtype != torch.ScalarType.Int64)
        {
            throw new InvalidOperationException($"cross-entropy needs class indices (Int64) as targets, but they are {target.dtype}: "
                + "for values use loss mse or mae");
        }
        return torch.nn.functional.cross_entropy(output, target, reduction: torch.nn.Reduction.Sum,
            label_smoothing: options.LabelSmoothing);
    }

    public double Weight(torch.Tensor target) => target.numel();
}
