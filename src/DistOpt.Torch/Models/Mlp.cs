using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>Fields of <c>model: { kind: mlp }</c>.</summary>
public sealed record MlpOptions
{
    [Description("Widths of the hidden layers, input side first, each 1 to 65,536; at most 64 layers, none = a linear model")]
    [MaxLength(64)]
    [Range(1, 65_536)]
    public ImmutableArray<int> Hidden { get; init; } = [64];

    [Description("Activation after each hidden layer")]
    [ActivationName]
    public string Activation { get; init; } = Activations.Relu;

    [Description("Normalization between each hidden layer and its activation: none, batch (over a gradient shard) or layer (over a sample)")]
    [NormName]
    public string Norm { get; init; } = Norms.None;

    [Description("Share of the hidden activations that are set to zero in training; 0 = no dropout")]
    [Range(0.0, 0.99)]
    public double Dropout { get; init; }

    public bool Equals(MlpOptions? other) => other is not null && Hidden.AsSpan().SequenceEqual(other.Hidden.AsSpan())
        && Activation == other.Activation && Norm == other.Norm && Dropout.Equals(other.Dropout);

    public override int GetHashCode() => HashCode.Combine(Hidden.Length, Activation, Norm, Dropout);
}

/// <summary>
/// Multi-layer perceptron. Input: rows of any shape, flattened to <c>inputs</c> values each; output: (rows, outputs), without activation on
/// the last layer. Parameters <c>layers.0.weight</c> (width, inputs), <c>layers.0.bias</c> (width; none in front of batch norm),
/// <c>layers.1.weight</c>, ..., and <c>norms.0.weight</c>, ... where there is a norm, with PyTorch's initial values.
/// </summary>
public sealed class Mlp : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<Linear> layers = [];
    private readonly ModuleList<torch.nn.Module<torch.Tensor, torch.Tensor>> norms = [];
    private readonly ModuleList<CounterDropout> dropouts = [];
    private readonly Func<torch.Tensor, torch.Tensor> _activation;
    private readonly long _inputs;

    /// <param name="inputs">Values of one input row, 1 or more.</param>
    /// <param name="outputs">Values of one output row (classes, or targets), 1 or more.</param>
    /// <param name="options">Hidden layers, activation, norm, dropout.</param>
    public Mlp(long inputs, long outputs, MlpOptions options)
        : base(nameof(Mlp))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        _inputs = inputs;
        _activation = Activations.Get(options.Activation);
        long width = inputs;
        foreach (int next in options.Hidden)
        {
            if (options.Dropout > 0) dropouts.Add(new CounterDropout(options.Dropout));
            layers.Add(torch.nn.Linear(width, next, hasBias: !Norms.CancelsBias(options.Norm)));
            if (Norms.OfRows(options.Norm, next) is { } norm) norms.Add(norm);
            width = next;
        }
        layers.Add(torch.nn.Linear(width, outputs));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        torch.Tensor x = input.dim() == 2 ? input : input.reshape(-1, _inputs);
        int last = layers.Count - 1;
        for (int i = 0; i < last; i++)
        {
            x = layers[i].forward(x);
            if (norms.Count > 0) x = Norms.Apply(norms[i], x);
            x = _activation(x);
            if (dropouts.Count > 0) x = dropouts[i].forward(x);
        }
        return layers[last].forward(x);
    }
}
