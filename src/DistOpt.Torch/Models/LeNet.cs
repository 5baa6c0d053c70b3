using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;

namespace DistOpt.Torch.Models;

/// <summary>Fields of <c>model: { kind: lenet }</c>.</summary>
public sealed record LeNetOptions
{
    public const string Max = "max";
    public const string Average = "average";

    [Description("Activation after each layer but the last; the paper has a scaled tanh")]
    [ActivationName]
    public string Activation { get; init; } = Activations.Relu;

    [Description("What a 2x2 window becomes: max, or average as in the paper")]
    [AllowedValues(Max, Average)]
    public string Pooling { get; init; } = Max;

    [Description("Share of the fully connected hidden activations that are set to zero in training; 0 = no dropout")]
    [Range(0.0, 0.99)]
    public double Dropout { get; init; }
}

/// <summary>
/// LeNet-5 (LeCun et al. 1998, section II.B): 6 and 16 convolutions of 5x5 with 2x2 pools, then 120, 84 and the outputs; 61,706 parameters
/// for one channel and 10 classes. With the choices that are usual now: relu and max-pool by default, every map of the third layer sees all
/// six of the second (the paper leaves some out), pools have no coefficients, the output is a linear map instead of radial basis functions.
/// As in the paper the picture lies in the middle of a larger one: zeros bring it to 32x32 (28x28 gets two on each side); larger ones stay
/// as they are. Parameters <c>conv1.weight</c>, <c>conv1.bias</c>, <c>conv2...</c>, <c>fc1...</c> (120), <c>fc2...</c> (84), <c>fc3...</c>, with
/// PyTorch's initial values.
/// </summary>
public sealed class LeNet : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private const int Side = 32;

    private readonly Conv2d conv1;
    private readonly Conv2d conv2;
    private readonly Linear fc1;
    private readonly Linear fc2;
    private readonly Linear fc3;
    private readonly CounterDropout? dropout1;
    private readonly CounterDropout? dropout2;
    private readonly Func<torch.Tensor, torch.Tensor> _activation;
    private readonly bool _averages;
    private readonly long[] _padding;
    private readonly long _features;

    /// <param name="channels">Channels of the picture, 1 or more.</param>
    /// <param name="height">Rows of the picture.</param>
    /// <param name="width">Columns of the picture.</param>
    /// <param name="outputs">Values of one output row, 1 or more.</param>
    /// <param name="options">Activation, pooling, dropout.</param>
    public LeNet(long channels, long height, long width, long outputs, LeNetOptions options)
        : base(nameof(LeNet))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        _activation = Activations.Get(options.Activation);
        _averages = options.Pooling == LeNetOptions.Average;
        long rows = Math.Max(0, Side - height), columns = Math.Max(0, Side - width);
        _padding = [columns / 2, columns - columns / 2, rows / 2, rows - rows / 2];
        _features = 16 * Left(height + rows) * Left(width + columns);
        conv1 = torch.nn.Conv2d(channels, 6, kernel_size: 5);
        conv2 = torch.nn.Conv2d(6, 16, kernel_size: 5);
        fc1 = torch.nn.Linear(_features, 120);
        fc2 = torch.nn.Linear(120, 84);
        fc3 = torch.nn.Linear(84, outputs);
        if (options.Dropout > 0) (dropout1, dropout2) = (new CounterDropout(options.Dropout), new CounterDropout(options.Dropout));
        RegisterComponents();

        static long Left(long size) => ((size - 4) / 2 - 4) / 2;
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        torch.Tensor x = _padding is [0, 0, 0, 0] ? input : torch.nn.functional.pad(input, _padding);
        x = Pool(_activation(conv1.forward(x)));
        x = Pool(_activation(conv2.forward(x)));
        x = _activation(fc1.forward(x.reshape(-1, _features)));
        if (dropout1 is not null) x = dropout1.forward(x);
        x = _activation(fc2.forward(x));
        if (dropout2 is not null) x = dropout2.forward(x);
        return fc3.forward(x);
    }

    private torch.Tensor Pool(torch.Tensor x) => _averages
        ? torch.nn.functional.avg_pool2d(x, kernel_size: 2, stride: 2)
        : torch.nn.functional.max_pool2d(x, kernel_size: 2, stride: 2);
}
