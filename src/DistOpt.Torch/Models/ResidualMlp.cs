using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>Fields of <c>model: { kind: residual-mlp }</c>.</summary>
public sealed record ResidualMlpOptions
{
    [Description("Values that the blocks pass on")]
    [Range(1, 65_536)]
    public int Width { get; init; } = 128;

    [Description("Residual blocks")]
    [Range(1, 1000)]
    public int Blocks { get; init; } = 2;

    [Description("Width of a block's hidden layer as a multiple of width, rounded")]
    [Range(0.01, 64.0)]
    public double Expansion { get; init; } = 2;

    [Description("Activation within each block and in front of the output")]
    [ActivationName]
    public string Activation { get; init; } = Activations.Relu;

    [Description("Normalization at the start of each block and in front of the output: none, batch (over a gradient shard) or layer (over a sample)")]
    [NormName]
    public string Norm { get; init; } = Norms.Layer;

    [Description("Share of the values that are set to zero in training, in a block's hidden layer and at its end; 0 = no dropout")]
    [Range(0.0, 0.99)]
    public double Dropout { get; init; }
}

/// <summary>
/// Perceptron with residual blocks: <c>x + dropout(linear2(dropout(activation(linear1(norm(x))))))</c> between a linear map to the width and
/// <c>head(activation(norm(x)))</c>: the ResNet of Gorishniy et al. 2021 ("Revisiting Deep Learning Models for Tabular Data", section 3.2)
/// with <c>norm: batch</c>. Input: rows of any shape, flattened; output: (rows, outputs). Parameters <c>stem.weight</c>, <c>stem.bias</c>,
/// <c>blocks.0.norm.weight</c>, ..., <c>blocks.0.linear1.weight</c>, ..., <c>norm.weight</c>, ..., <c>head.weight</c>, <c>head.bias</c>, with
/// PyTorch's initial values.
/// </summary>
public sealed class ResidualMlp : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Linear stem;
    private readonly ModuleList<Block> blocks = [];
    private readonly torch.nn.Module<torch.Tensor, torch.Tensor>? norm;
    private readonly Linear head;
    private readonly Func<torch.Tensor, torch.Tensor> _activation;
    private readonly long _inputs;

    /// <param name="inputs">Values of one input row, 1 or more.</param>
    /// <param name="outputs">Values of one output row, 1 or more.</param>
    /// <param name="options">Width, blocks and what is in them.</param>
    public ResidualMlp(long inputs, long outputs, ResidualMlpOptions options)
        : base(nameof(ResidualMlp))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        _inputs = inputs;
        _activation = Activations.Get(options.Activation);
        stem = torch.nn.Linear(inputs, options.Width);
        for (int i = 0; i < options.Blocks; i++) blocks.Add(new Block(options));
        norm = Norms.OfRows(options.Norm, options.Width);
        head = torch.nn.Linear(options.Width, outputs);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        torch.Tensor x = stem.forward(input.dim() == 2 ? input : input.reshape(-1, _inputs));
        for (int i = 0; i < blocks.Count; i++) x = blocks[i].forward(x);
        if (norm is not null) x = Norms.Apply(norm, x);
        return head.forward(_activation(x));
    }

    private sealed class Block : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly torch.nn.Module<torch.Tensor, torch.Tensor>? norm;
        private readonly Linear linear1;
        private readonly CounterDropout? dropout1;
        private readonly Linear linear2;
        private readonly CounterDropout? dropout2;
        private readonly Func<torch.Tensor, torch.Tensor> _activation;

        public Block(ResidualMlpOptions options)
            : base(nameof(Block))
        {
            _activation = Activations.Get(options.Activation);
            long hidden = Math.Max(1, (long)Math.Round(options.Width * options.Expansion, MidpointRounding.AwayFromZero));
            norm = Norms.OfRows(options.Norm, options.Width);
            linear1 = torch.nn.Linear(options.Width, hidden);
            linear2 = torch.nn.Linear(hidden, options.Width);
            if (options.Dropout > 0) (dropout1, dropout2) = (new CounterDropout(options.Dropout), new CounterDropout(options.Dropout));
            RegisterComponents();
        }

        public override torch.Tensor forward(torch.Tensor input)
        {
            torch.Tensor x = norm is null ? input : Norms.Apply(norm, input);
            x = _activation(linear1.forward(x));
            if (dropout1 is not null) x = dropout1.forward(x);
            x = linear2.forward(x);
            if (dropout2 is not null) x = dropout2.forward(x);
            return input + x;
        }
    }
}
