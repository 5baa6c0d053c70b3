using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using TorchSharp;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

/// <summary>These tests watch libtorch's process-wide generator, threads and memory, so nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class EngineCollection
{
    public const string Name = "engine";
}

public sealed record NoOptions;

public sealed record NetOptions
{
    public double Dropout { get; init; } = 0.5;

    public int Width { get; init; } = 16;
}

public sealed record ToyOptions
{
    public int Count { get; init; } = 101;

    public long Seed { get; init; } = 7;

    public long FailAt { get; init; } = -1;

    public bool Draw { get; init; }
}

/// <summary>Six features in three classes, by counters.</summary>
internal sealed class ToyData(ToyOptions options) : Dataset<SupervisedBatch>
{
    public const int Features = 6;

    private readonly int[] _labels = [.. Enumerable.Range(0, options.Count).Select(i => i % 3)];

    public int Loads;

    public override long Count => options.Count;

    public override ReadOnlySpan<int> Labels => _labels;

    public override DataInfo Info => new()
    {
        Name = "toy",
        Task = TaskKind.Classification,
        InputShape = [Features],
        Classes = ["a", "b", "c"],
    };

    public override SupervisedBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        Interlocked.Increment(ref Loads);
        if (indices.Contains(options.FailAt)) throw new InvalidDataException($"sample {options.FailAt} is damaged");
        var inputs = new float[indices.Length, Features];
        var targets = new long[indices.Length];
        for (int row = 0; row < indices.Length; row++)
        {
            var random = new CounterRandom(options.Seed, RandomPurpose.Data, indices[row]);
            for (int i = 0; i < Features; i++) inputs[row, i] = (float)random.NextGaussian();
            targets[row] = _labels[indices[row]];
        }
        var input = tensor(inputs);
        return new SupervisedBatch(options.Draw && context.Training ? input + rand_like(input) : input, tensor(targets));
    }
}

internal sealed class NormNet : nn.Module<Tensor, Tensor>
{
    private readonly Linear first;
    private readonly BatchNorm1d norm;
    private readonly Linear last;

    public NormNet(int width) : base(nameof(NormNet))
    {
        first = nn.Linear(ToyData.Features, width);
        norm = nn.BatchNorm1d(width);
        last = nn.Linear(width, 3);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => last.forward(norm.forward(first.forward(input)).tanh());
}

internal sealed class DropNet : nn.Module<Tensor, Tensor>
{
    private readonly Linear first;
    private readonly Dropout drop;
    private readonly Linear last;

    public DropNet(NetOptions options) : base(nameof(DropNet))
    {
        first = nn.Linear(ToyData.Features, options.Width);
        drop = nn.Dropout(options.Dropout);
        last = nn.Linear(options.Width, 3);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => last.forward(drop.forward(first.forward(input).relu()));
}

internal static class TestJobs
{
    public static TorchCatalog Catalog() => TorchCatalog.Default()
        .AddDataset<ToyOptions, SupervisedBatch>("toy", (options, _) => new ToyData(options))
        .AddModel<NetOptions>("norm", (options, _) => new NormNet(options.Width))
        .AddModel<NetOptions>("drop", (options, _) => new DropNet(options));

    public static TrainingSpec Spec(string model, object options, ToyOptions? data = null) => new()
    {
        Name = "test",
        Seed = 11,
        Data = new DataSpec { Kind = "toy", Options = data ?? new ToyOptions(), Prefetch = 0 },
        Model = new ModelSpec { Kind = model, Options = options },
        Loss = new PluginSpec("cross-entropy", new DistOpt.Torch.Losses.CrossEntropyOptions()),
    };

    public static TrainingSpec Mlp(ToyOptions? data = null) =>
        Spec("mlp", new DistOpt.Torch.Models.MlpOptions { Hidden = [16, 8], Activation = DistOpt.Torch.Models.Activations.Tanh }, data);

    public static IJobRuntime Open(TrainingSpec spec, TorchCatalog? catalog = null) =>
        new TorchRuntimeFactory(catalog ?? Catalog(), new DataEnvironment { Root = Path.GetTempPath() }).Open(spec);

    /// <summary>Initial weights of the job in a buffer of their own.</summary>
    public static (FlatBuffer Weights, float[] Buffers) Initial(IJobRuntime job)
    {
        var weights = new FlatBuffer(job.Layout.ParameterCount);
        var buffers = new float[job.Layout.BufferCount];
        job.WriteInitialWeights(weights.Span, buffers);
        return (weights, buffers);
    }

    public static StepPlan Plan(long step, int epoch, long start, int size) => new(step, epoch, start, size, 0.1);
}
