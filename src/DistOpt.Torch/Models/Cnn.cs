using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>Fields of <c>model: { kind: cnn }</c>. The defaults are the sizes of LeNet-5 (LeCun et al. 1998, section II).</summary>
public sealed record CnnOptions
{
    [Description("Output channels of the convolutions, each 1 to 4,096; every convolution is followed by a 2x2 max-pool")]
    [MinLength(1)]
    [MaxLength(8)]
    [Range(1, 4096)]
    public ImmutableArray<int> Channels { get; init; } = [6, 16];

    [Description("Side of the convolution kernels; the picture is padded by half of it, so that a convolution keeps its size")]
    [AllowedValues(1, 3, 5, 7)]
    public int Kernel { get; init; } = 5;

    [Description("Widths of the fully connected hidden layers, each 1 to 65,536; none = straight to the output")]
    [MaxLength(16)]
    [Range(1, 65_536)]
    public ImmutableArray<int> Hidden { get; init; } = [120, 84];

    [Description("Activation after each convolution and each hidden layer")]
    [ActivationName]
    public string Activation { get; init; } = Activations.Relu;

    [Description("Normalization in front of each activation: none, batch (over a gradient shard) or layer (over a sample)")]
    [NormName]
    public string Norm { get; init; } = Norms.None;

    [Description("Share of the fully connected hidden activations that are set to zero in training; 0 = no dropout")]
    [Range(0.0, 0.99)]
    public double Dropout { get; init; }

    public bool Equals(CnnOptions? other) => other is not null && Channels.AsSpan().SequenceEqual(other.Channels.AsSpan())
        && Kernel == other.Kernel && Hidden.AsSpan().SequenceEqual(other.Hidden.AsSpan())
        && Activation == other.Activation && Norm == other.Norm && Dropout.Equals(other.Dropout);

    public override int GetHashCode() => HashCode.Combine(Channels.Length, Kernel, Hidden.Length, Activation, Norm, Dropout);
}

/// <summary>
/// Convolutional network of LeNet's kind: convolution, activation, 2x2 max-pool, as often as there are channels, then a perceptron. Input:
/// (rows, channels, height, width); output: (rows, outputs). Parameters <c>convs.0.weight</c> (out, in, kernel, kernel),
/// <c>convs.0.bias</c> (none in front of batch norm), ..., <c>layers.0.weight</c> (width, features), <c>layers.0.bias</c>, ..., and
/// <c>conv_norms.0.weight</c>, ..., <c>norms.0.weight</c>, ... where there is a norm, with PyTorch's initial values.
/// </summary>
public sealed class Cnn : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<Conv2d> convs = [];
    private readonly ModuleList<torch.nn.Module<torch.Tensor, torch.Tensor>> conv_norms = [];
    private readonly ModuleList<Linear> layers = [];
    private readonly ModuleList<torch.nn.Module<torch.Tensor, torch.Tensor>> norms = [];
    private readonly ModuleList<CounterDropout> dropouts = [];
    private readonly Func<torch.Tensor, torch.Tensor> _activation;
    private readonly long _features;

    /// <param name="channels">Channels of the picture, 1 or more.</param>
    /// <param name="height">Rows of the picture.</param>
    /// <param name="width">Columns of the picture.</param>
    /// <param name="outputs">Values of one output row, 1 or more.</param>
    /// <param name="options">Layers.</param>
    /// <exception cref="SpecException">The picture is too small for the number of pools.</exception>
    public Cnn(long channels, long height, long width, long outputs, CnnOptions options)
        : base(nameof(Cnn))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        long smallest = Math.Min(height, width);
        if (smallest >> options.Channels.Length < 1)
        {
            throw new SpecException("model.channels", $"{options.Channels.Length} convolutions halve a picture of {height} x {width} "
                + $"to nothing; give at most {(smallest < 1 ? 0 : (int)Math.Log2(smallest))}");
        }
        _activation = Activations.Get(options.Activation);
        bool hasBias = !Norms.CancelsBias(options.Norm);
        long depth = channels;
        foreach (int next in options.Channels)
        {
            convs.Add(torch.nn.Conv2d(depth, next, kernel_size: options.Kernel, padding: options.Kernel / 2, bias: hasBias));
            if (Norms.OfPictures(options.Norm, next) is { } norm) conv_norms.Add(norm);
            depth = next;
            height /= 2;
            width /= 2;
        }
        _features = depth * height * width;
        long units = _features;
        foreach (int next in options.Hidden)
        {
            if (options.Dropout > 0) dropouts.Add(new CounterDropout(options.Dropout));
            layers.Add(torch.nn.Linear(units, next, hasBias: hasBias));
            if (Norms.OfRows(options.Norm, next) is { } norm) norms.Add(norm);
            units = next;
        }
        layers.Add(torch.nn.Linear(units, outputs));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        torch.Tensor x = input;
        for (int i = 0; i < convs.Count; i++)
        {
            x = convs[i].forward(x);
            if (conv_norms.Count > 0) x = Norms.Apply(conv_norms[i], x);
            x = torch.nn.functional.max_pool2d(_activation(x), kernel_size: 2, stride: 2);
        }
        x = x.reshape(-1, _features);
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
