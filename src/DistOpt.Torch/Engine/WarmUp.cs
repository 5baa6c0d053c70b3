using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>What the steps at opening told.</summary>
/// <param name="GradientHash">SHA-256 of the probe gradient.</param>
/// <param name="Warnings">For the user.</param>
internal sealed record WarmUpResult(string GradientHash, IReadOnlyList<string> Warnings);

/// <summary>
/// One training and one evaluation step on the first training samples, at opening, with a replica of its own: finds out who draws from
/// libtorch's generator, whether user code keeps to the rules, and the probe gradient by which nodes compare their arithmetic.
/// </summary>
internal static class WarmUp
{
    /// <summary>Largest distance of the probe gradient in bf16, as a share of the one in float32; a few roundings of 2^-8 are 1 to 5 %.</summary>
    private const double Bf16DistanceMax = 0.15;

    public static WarmUpResult Run(TorchModel model, FlatModule initial, BatchLoader loader, TrainingSpec spec, long samples,
        FlatBuffer weights, float[] buffers)
    {
        var warnings = new List<string>();
        if (!MatrixArithmetic.IsIndependentOfAlignment)
        {
            warnings.Add("matrix products of this process depend on where their operands lie in memory, so runs may differ in the last "
                + $"bits: libtorch had been used before DistOpt was loaded. Set {MatrixArithmetic.Variable}=AUTO in the environment");
        }
        var key = RandomKey.Of(spec.Seed, RandomPurpose.Engine, -3);
        var positions = new PositionRange(0, samples);
        try
        {
            loader.SeedGenerator = TorchGenerator.Draws(key, () => loader.LoadTraining(0, positions).Dispose());
        }
        catch (Exception e) when (e is not SpecException)
        {
            throw new InvalidOperationException($"data set '{spec.Data.Kind}' failed to load its first training samples: {e.Message}", e);
        }
        if (loader.SeedGenerator)
        {
            warnings.Add($"data set '{spec.Data.Kind}' draws from libtorch's generator, which the process shares: it is seeded for every "
                + "batch, and batches are loaded one at a time. Faster: draw from context.Random(index)");
        }

        var gradient = new FlatBuffer(weights.Length);
        var flat = model.Create();
        flat.ShareConstants(initial);
        flat.Bind(weights);
        using var worker = new TorchGradientWorker(model, flat, model.CreateBf16(initial), loader, 0);
        var plan = new StepPlan(0, 0, 0, checked((int)samples), 0);
        var fixedBefore = Hashes(flat);
        try
        {
            MetricSums trained = new();
            model.TrainingDraws = TorchGenerator.Draws(key, () => trained = worker.ComputeLeaf(plan, positions, 0, gradient, buffers, []).Metrics);
            if (model.TrainingDraws) worker.ComputeLeaf(plan, positions, 0, gradient, buffers, []); // now seeded as in training
            MetricSums measured = new();
            model.EvaluationDraws = TorchGenerator.Draws(key, () => measured = worker.Evaluate(DataSplit.Train, positions, buffers));
            warnings.AddRange(new MeasuredMetrics(spec, measured, trained, model.MeasuresItself).Check());
        }
        catch (Exception e) when (e is not SpecException)
        {
            throw new InvalidOperationException(
                $"model '{spec.Model.Kind}' failed on the first training samples of data set '{spec.Data.Kind}': {e.Message}", e);
        }
        worker.CheckViews();
        if (model.IsBf16) CheckBf16(model, initial, loader, plan, positions, gradient, weights, buffers);
        CheckUnchanged(flat, fixedBefore);
        if (model.TrainingDraws)
        {
            warnings.Add($"{DrawingModules(flat.Module)} draws from libtorch's generator, which the process shares: it is seeded for every "
                + "gradient shard, and the workers of a process take turns. Faster: --processes, or dropout "
                + "that draws from counters (CounterDropout)");
        }
        return new WarmUpResult(Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(gradient.Span))), warnings);
    }

    /// <summary>
    /// libtorch's bfloat16 kernels are not right everywhere: with 2.10 and AVX512-BF16 convolutions to other than multiples of 16 channels gave
    /// numbers that have little to do with the float32 ones. So the probe gradient is compared before a job trusts them.
    /// </summary>
    private static void CheckBf16(TorchModel model, FlatModule initial, BatchLoader loader, StepPlan plan, PositionRange positions,
        FlatBuffer rounded, FlatBuffer weights, float[] buffers)
    {
        var flat = model.Create();
        flat.ShareConstants(initial);
        flat.Bind(weights);
        using var worker = new TorchGradientWorker(model, flat, null, loader, 0);
        var exact = new FlatBuffer(weights.Length);
        worker.ComputeLeaf(plan, positions, 0, exact, buffers, []);
        double size = 0, difference = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            size += (double)exact.Span[i] * exact.Span[i];
            difference += Math.Pow(exact.Span[i] - (double)rounded.Span[i], 2);
        }
        double distance = Math.Sqrt(difference / size);
        if (distance <= Bf16DistanceMax || size == 0) return;
        string off = string.Create(CultureInfo.InvariantCulture, $"{100 * distance:0} % away from that in float32 (at most {100 * Bf16DistanceMax:0} %");
        throw new SpecException("training.precision", $"is bf16, but the gradient of model '{model.Name}' in bfloat16 is {off} are rounding): this "
            + "libtorch computes some of its layers wrongly, as convolutions to other than multiples of 16 channels; use float32");
    }

    /// <summary>Modules of torch that are known to draw in training, by name and type; else the model itself.</summary>
    private static string DrawingModules(nn.Module module)
    {
        var drawing = module.named_modules()
            .Where(m => m.module.GetType().Namespace == "TorchSharp.Modules" && IsKnownToDraw(m.module.GetType().Name))
            .Select(m => $"{m.name} ({m.module.GetType().Name})")
            .ToList();
        if (drawing.Count == 0) return $"model {module.GetType().Name}";
        return $"module {string.Join(", ", drawing.Take(5))}{(drawing.Count > 5 ? ", ..." : "")}";
    }

    private static bool IsKnownToDraw(string type) => type.Contains("Dropout", StringComparison.Ordinal)
        || type is "RReLU" or "MultiheadAttention" or "LSTM" or "GRU" or "RNN" or "Transformer"
            or "TransformerEncoderLayer" or "TransformerDecoderLayer";

    private static Dictionary<string, string> Hashes(FlatModule flat) =>
        flat.Inventory.Constants.Concat(flat.Inventory.Transient)
            .ToDictionary(t => t.Name, t => TensorHash.Of(t.Tensor), StringComparer.Ordinal);

    private static void CheckUnchanged(FlatModule flat, Dictionary<string, string> before)
    {
        var violations = new List<SpecViolation>();
        var after = Hashes(flat);
        foreach (var tensor in flat.Inventory.Constants.Concat(flat.Inventory.Transient))
        {
            if (after[tensor.Name] == before[tensor.Name]) continue;
            violations.Add(new("model.kind", flat.Inventory.Transient.Contains(tensor)
                ? $"buffer '{tensor.Name}' changes in training but is not in the state_dict, so it would be lost: register it as persistent"
                : $"'{tensor.Name}' ({tensor.Tensor.dtype}) changes in training, but only Float32 and Int64 buffers can: convert it"));
        }
        if (violations.Count > 0) throw new SpecException(violations);
    }
}
