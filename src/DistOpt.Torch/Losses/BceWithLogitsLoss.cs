using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>
/// Binary cross-entropy on scores: sum of max(s, 0) - s t + log(1 + exp(-|s|)), as PyTorch's <c>binary_cross_entropy_with_logits</c>.
/// Targets from 0 to 1, as many as scores. Its task metric is "accuracy": the share of scores on the target's side of 1/2.
/// </summary>
public sealed class BceWithLogitsLoss : ElementwiseLoss
{
    public override void Measure(torch.Tensor output, torch.Tensor target, StepContext context)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor right = output.gt(0).eq(Fit(output, target).gt(0.5));
        context.Log("accuracy", right.sum().item<long>(), right.numel());
    }

    protected override torch.Tensor SumOf(torch.Tensor output, torch.Tensor target) =>
        torch.nn.functional.binary_cross_entropy_with_logits(output, target, reduction: torch.nn.Reduction.Sum);
}
