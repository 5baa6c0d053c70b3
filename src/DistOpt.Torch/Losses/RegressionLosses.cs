using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>A loss without fields.</summary>
public sealed record NoLossOptions;

/// <summary>Squared error: sum of (output - target)^2, as PyTorch's <c>mse_loss</c>.</summary>
public sealed class MseLoss() : ElementwiseLoss("mse")
{
    protected override torch.Tensor SumOf(torch.Tensor output, torch.Tensor target) =>
        torch.nn.functional.mse_loss(output, target, torch.nn.Reduction.Sum);
}

/// <summary>Absolute error: sum of |output - target|, as PyTorch's <c>l1_loss</c>; the gradient at 0 is 0.</summary>
public sealed class MaeLoss() : ElementwiseLoss("mae")
{
    protected override torch.Tensor SumOf(torch.Tensor output, torch.Tensor target) =>
        torch.nn.functional.l1_loss(output, target, torch.nn.Reduction.Sum);
}

/// <summary>Fields of <c>loss: { kind: huber }</c>.</summary>
public sealed record HuberOptions
{
    [Description("Error up to which the loss is quadratic, in units of the target; above it is linear")]
    [Range(1e-9, 1e9)]
    public double Delta { get; init; } = 1;
}

/// <summary>
/// Huber's loss (1964), as PyTorch's <c>huber_loss</c>: e^2 / 2 where |e| is at most delta, else delta (|e| - delta / 2).
/// </summary>
public sealed class HuberLoss(HuberOptions options) : ElementwiseLoss("huber")
{
    protected override torch.Tensor SumOf(torch.Tensor output, torch.Tensor target) =>
        torch.nn.functional.huber_loss(output, target, options.Delta, torch.nn.Reduction.Sum);
}
