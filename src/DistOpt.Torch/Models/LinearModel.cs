using System.ComponentModel;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>Fields of <c>model: { kind: linear }</c>.</summary>
public sealed record LinearOptions
{
    [Description("Whether a constant is added to each output")]
    public bool Bias { get; init; } = true;
}

/// <summary>
/// One linear map: least squares with <c>mse</c>, multinomial logistic regression with <c>cross-entropy</c>. Input: rows of any shape,
/// flattened; output: (rows, outputs). Parameters <c>linear.weight</c> (outputs, inputs) and <c>linear.bias</c> (outputs).
/// </summary>
public sealed class LinearModel : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Linear linear;
    private readonly long _inputs;

    /// <param name="inputs">Values of one input row, 1 or more.</param>
    /// <param name="outputs">Values of one output row, 1 or more.</param>
    /// <param name="options">Whether there is a bias.</param>
    public LinearModel(long inputs, long outputs, LinearOptions options)
        : base(nameof(LinearModel))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        _inputs = inputs;
        linear = torch.nn.Linear(inputs, outputs, hasBias: options.Bias);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input) =>
        linear.forward(input.dim() == 2 ? input : input.reshape(-1, _inputs));
}
