using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// What it costs to look at every gradient shard for NaN and infinity before it is pushed: against computing that shard, right after it as a worker
/// does, and by itself against reading memory.
/// </summary>
internal sealed class ScanRow : IBenchmarkRow
{
    private const int Large = 10_000_000;

    public string Name => "scan";

    public string Summary => "looking for NaN and infinity in a gradient: MLP 784-512-256-10 at 64 samples, and 10 M parameters";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        var app = DistOptApp.Define(builder =>
            builder.AddDataset<ImagesInMemory.NoOptions, SupervisedBatch>("images-in-memory", (_, _) => new ImagesInMemory(640)));
        var spec = SpecFiles.Binder(app).Check(new TrainingSpec
        {
            Data = new DataSpec { Kind = "images-in-memory", ValidationFraction = 0, TestFraction = 0, Prefetch = 0 },
            Model = new ModelSpec { Kind = "mlp", Options = new Torch.Models.MlpOptions { Hidden = [512, 256] } },
            Training = new TrainingSection { Workers = 1, GradientShards = 1 },
            Select = new SelectSection { Metric = "train.loss" },
        }).Resolve();
        using var runtime = Hosts.Runtimes(app, Hosts.Data()).Open(spec);
        FlatBuffer weights = new(runtime.Layout.ParameterCount), gradient = new(runtime.Layout.ParameterCount);
        runtime.WriteInitialWeights(weights.Span, []);
        using var worker = runtime.CreateWorker(weights);
        var plan = new StepPlan(0, 0, 0, 64, 0);

        FlatBuffer large = new(Large), other = new(Large);
        RandomKey.Of(1, RandomPurpose.Data).FillUniform(large.Span);
        long found = 0;

        var times = context.Interleave(
            ("gradient of 64 samples", () => worker.ComputeLeaf(plan, new PositionRange(0, 64), 0, gradient, [], [])),
            ("scan of it", () => found += Divergence.FirstNonFinite(gradient.Span, 4) ?? 0),
            ("scan of 10 M", () => found += Divergence.FirstNonFinite(large.Span, 4) ?? 0),
            ("copy of 10 M", () => large.Span.CopyTo(other.Span)));
        if (found != 0) throw new InvalidOperationException("a gradient is not finite");
        yield return new BenchmarkLine("scan of a gradient, MLP 784-512-256-10, vs computing it for 64 samples",
            times[1].Median * 1e3, times[0].Median * 1e3, "ms", 0.05, LessIsBetter: true);
        yield return new BenchmarkLine("scan of 10 M floats vs memory copy, by bytes touched",
            4.0 * Large / times[2].Median / 1e9, 8.0 * Large / times[3].Median / 1e9, "GB/s", null);
    }
}
