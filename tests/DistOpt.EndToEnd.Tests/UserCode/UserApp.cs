using System.ComponentModel.DataAnnotations;
using DistOpt.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.EndToEnd.Tests.UserCode;

/// <summary>A user's program: models that make it hard to be exact, and that write to the console.</summary>
internal static class UserApp
{
    public static void Configure(DistOptAppBuilder app) => app
        .AddModel<NormNetOptions>("norm-net", (options, data) => new NormNet(options, data.Classes.Length))
        .AddModel<TalkerOptions, Talker, SupervisedBatch>("talker", (_, data) => new Talker(data.InputLength, data.Classes.Length), Talker.Step);
}

/// <summary>Options of <see cref="NormNet"/>.</summary>
public sealed record NormNetOptions
{
    [Range(1, 64)]
    public int Channels { get; init; } = 4;

    [Range(0.0, 0.9)]
    public double Dropout { get; init; } = 0.3;
}

/// <summary>Pictures to classes, with torch's own batch norm (buffers) and dropout (libtorch's process-wide generator).</summary>
public sealed class NormNet : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor> layers;

    public NormNet(NormNetOptions options, int classes) : base(nameof(NormNet))
    {
        layers = nn.Sequential(
            nn.Conv2d(1, options.Channels, 3, padding: 1), nn.BatchNorm2d(options.Channels), nn.ReLU(), nn.Dropout(options.Dropout),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16 * options.Channels, 40), nn.ReLU(), nn.Dropout(options.Dropout), nn.Linear(40, classes));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => layers.forward(input);
}

/// <summary>Options of <see cref="Talker"/>: none.</summary>
public sealed record TalkerOptions;

/// <summary>A linear model with a training step of its own that writes to the console and logs a metric.</summary>
public sealed class Talker : nn.Module<Tensor, Tensor>
{
    private readonly TorchSharp.Modules.Linear linear;

    public Talker(int inputs, int classes) : base(nameof(Talker))
    {
        linear = nn.Linear(inputs, classes);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => linear.forward(input.flatten(1));

    public static StepResult Step(Talker module, SupervisedBatch batch, StepContext context)
    {
        if (context is { Training: true, Epoch: 0, Step: 0, Rows: > 0 })
            Console.WriteLine($"step {context.Step} position {context.FirstPosition} in process {Environment.ProcessId}");
        var output = module.forward(batch.Input);
        context.Log("correct", output.argmax(1).eq(batch.Target).sum(), context.Rows);
        return new StepResult(nn.functional.cross_entropy(output, batch.Target, reduction: nn.Reduction.Sum), context.Rows);
    }
}
