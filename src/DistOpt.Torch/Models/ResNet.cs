using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>Fields of <c>model: { kind: resnet }</c>.</summary>
public sealed record ResNetOptions
{
    [Description("Layers with weights, 6n + 2 for n blocks of two convolutions in each of the three stages: 8, 14, 20, 32, 44, 56, 110, ...")]
    [Range(8, 1202)]
    public int Depth { get; init; } = 20;

    [Description("Channels of the three stages, each 1 to 4,096 and not below the one before; a stage has half the rows and columns of the last")]
    [Length(3, 3)]
    [Range(1, 4096)]
    public ImmutableArray<int> Widths { get; init; } = [16, 32, 64];

    [Description("Activation after each norm and each sum; the paper has relu")]
    [ActivationName]
    public string Activation { get; init; } = Activations.Relu;

    [Description("Share of the pooled values that are set to zero in training; 0 = no dropout, as in the paper")]
    [Range(0.0, 0.99)]
    public double Dropout { get; init; }

    public bool Equals(ResNetOptions? other) => other is not null && Depth == other.Depth
        && Widths.AsSpan().SequenceEqual(other.Widths.AsSpan()) && Activation == other.Activation && Dropout.Equals(other.Dropout);

    public override int GetHashCode() => HashCode.Combine(Depth, Widths.Length, Activation, Dropout);
}

/// <summary>
/// ResNet for small pictures (He et al. 2016, section 4.2): a 3x3 convolution, three stages of n blocks with two 3x3 convolutions each (the
/// second and third stage begin with stride 2), global average, a linear map. Batch norm after each convolution, shortcuts without parameters
/// (option A: every second pixel, zeros for the new channels). Convolutions start as in He et al. 2015 (normal, fan out, no bias), the rest as
/// in PyTorch. Pictures of any size. Parameters under torchvision's names: <c>conv1.weight</c>, <c>bn1.weight</c>, ...,
/// <c>layer1.0.conv1.weight</c>, <c>layer1.0.bn1.weight</c>, ..., <c>fc.weight</c>, <c>fc.bias</c>.
/// </summary>
public sealed class ResNet : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Conv2d conv1;
    private readonly BatchNorm2d bn1;
    private readonly ModuleList<Block> layer1 = [];
    private readonly ModuleList<Block> layer2 = [];
    private readonly ModuleList<Block> layer3 = [];
    private readonly CounterDropout? dropout;
    private readonly Linear fc;
    private readonly Func<torch.Tensor, torch.Tensor> _activation;

    /// <param name="channels">Channels of the picture, 1 or more.</param>
    /// <param name="outputs">Values of one output row, 1 or more.</param>
    /// <param name="options">Depth, widths, activation, dropout.</param>
    /// <exception cref="SpecException">The depth is not 6n + 2, or a stage is narrower than the one before.</exception>
    public ResNet(long channels, long outputs, ResNetOptions options)
        : base(nameof(ResNet))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        Check(options);
        _activation = Activations.Get(options.Activation);
        conv1 = Convolution(channels, options.Widths[0], 1);
        bn1 = torch.nn.BatchNorm2d(options.Widths[0]);
        long width = options.Widths[0];
        foreach (var (stage, next) in new[] { layer1, layer2, layer3 }.Zip(options.Widths))
        {
            for (int i = 0; i < (options.Depth - 2) / 6; i++)
            {
                stage.Add(new Block(width, next, i == 0 && stage != layer1 ? 2 : 1, _activation));
                width = next;
            }
        }
        if (options.Dropout > 0) dropout = new CounterDropout(options.Dropout);
        fc = torch.nn.Linear(width, outputs);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        torch.Tensor x = _activation(Norms.Apply(bn1, conv1.forward(input)));
        foreach (var stage in (ReadOnlySpan<ModuleList<Block>>)[layer1, layer2, layer3])
            for (int i = 0; i < stage.Count; i++) x = stage[i].forward(x);
        x = x.mean([2L, 3L]);
        return fc.forward(dropout is null ? x : dropout.forward(x));
    }

    private static void Check(ResNetOptions options)
    {
        var violations = new List<SpecViolation>();
        if (options.Depth % 6 != 2)
        {
            int below = options.Depth - (options.Depth + 4) % 6;
            violations.Add(new("model.depth", $"is {options.Depth}, but must be 6n + 2; take {below} or {below + 6}"));
        }
        for (int i = 1; i < options.Widths.Length; i++)
        {
            if (options.Widths[i] >= options.Widths[i - 1]) continue;
            violations.Add(new($"model.widths[{i}]", $"is {options.Widths[i]}, but must be at least {options.Widths[i - 1]}, the width before "
                + "it: a shortcut adds channels and cannot take them away"));
        }
        if (violations.Count > 0) throw new SpecException(violations);
    }

    private static Conv2d Convolution(long from, long to, long stride)
    {
        var convolution = torch.nn.Conv2d(from, to, kernel_size: 3, stride: stride, padding: 1, bias: false);
        torch.nn.init.kaiming_normal_(convolution.weight, mode: torch.nn.init.FanInOut.FanOut, nonlinearity: torch.nn.init.NonlinearityType.ReLU);
        return convolution;
    }

    private sealed class Block : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm2d bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm2d bn2;
        private readonly Func<torch.Tensor, torch.Tensor> _activation;
        private readonly long _stride;
        private readonly long _added;

        public Block(long from, long to, long stride, Func<torch.Tensor, torch.Tensor> activation)
            : base(nameof(Block))
        {
            (_activation, _stride, _added) = (activation, stride, to - from);
            conv1 = Convolution(from, to, stride);
            bn1 = torch.nn.BatchNorm2d(to);
            conv2 = Convolution(to, to, 1);
            bn2 = torch.nn.BatchNorm2d(to);
            RegisterComponents();
        }

        public override torch.Tensor forward(torch.Tensor input)
        {
            torch.Tensor x = _activation(Norms.Apply(bn1, conv1.forward(input)));
            x = Norms.Apply(bn2, conv2.forward(x));
            return _activation(x + Shortcut(input));
        }

        private torch.Tensor Shortcut(torch.Tensor input)
        {
            torch.Tensor x = input;
            if (_stride > 1) x = x.slice(2, 0, x.size(2), _stride).slice(3, 0, x.size(3), _stride);
            return _added == 0 ? x : torch.nn.functional.pad(x, (long[])[0, 0, 0, 0, _added / 2, _added - _added / 2]);
        }
    }
}
