using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// The MLP 784-512-256-10 with Adam at batch 64, one worker: forward and backward in bfloat16, with float32 master weights and updates on the server,
/// against float32.
/// </summary>
internal sealed class PrecisionRow : IBenchmarkRow
{
    private static readonly TrainingSection OneWorker = new() { Workers = 1, GradientShards = 1 };

    public string Name => "precision";

    public string Summary => "MLP 784-512-256-10, Adam, one worker: bf16 against float32";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        context.Log("  " + Bf16.Description);
        Environment.SetEnvironmentVariable(Bf16.SlowVariable, "1");
        var (float32, bf16, packed) = (new List<double>(), new List<double>(), new List<double>());
        for (int round = -1; round < Math.Min(context.Rounds, 9); round++)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            double whole = TrainingRow.Ours(OneWorker, 64, context.CancellationToken);
            double half = TrainingRow.Ours(OneWorker with { Precision = TrainingSection.Bf16 }, 64, context.CancellationToken);
            double both = TrainingRow.Ours(OneWorker with { Precision = TrainingSection.Bf16, GradientPrecision = TrainingSection.Bf16 }, 64,
                context.CancellationToken);
            if (round < 0) continue;
            float32.Add(whole);
            bf16.Add(half);
            packed.Add(both);
            context.Log($"  float32 {whole:0}, bf16 {half:0}, with gradients in bf16 {both:0} samples/s");
        }
        double baseline = Timing.Of(float32).Median;
        yield return new BenchmarkLine("bf16, one worker, batch 64, vs float32", Timing.Of(bf16).Median, baseline, "samples/s", 1.7);
        yield return new BenchmarkLine("bf16 with gradients in bf16, vs float32", Timing.Of(packed).Median, baseline, "samples/s", null);
    }
}
