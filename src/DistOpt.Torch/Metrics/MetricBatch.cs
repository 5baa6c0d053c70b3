using System.Runtime.InteropServices;
using DistOpt.Core.Datasets;
using DistOpt.Core.Metrics;
using static TorchSharp.torch;

namespace DistOpt.Torch;

/// <summary>Outputs and targets of a batch as metrics see them; what several metrics need is made once. Valid during the call.</summary>
public sealed class MetricBatch
{
    private readonly ILoss _loss;
    private long[]? _targets;
    private long[]? _predicted;
    private bool _confusionCounted;

    internal MetricBatch(Tensor output, Tensor target, ILoss loss, DataInfo data, long samples)
    {
        (Output, Target, _loss, Data, Samples) = (output, target, loss, data, samples);
        Reading = loss.Read(output, target);
        if (Reading == OutputReading.Classes && output.dim() < 2)
            throw new InvalidOperationException($"metrics of classes need scores [N, C], but the model gives [{string.Join(", ", output.shape)}]");
        Classes = Reading switch { OutputReading.Classes => checked((int)output.size(1)), OutputReading.Binary => 2, _ => 0 };
    }

    /// <summary>The model's output, [N, ...].</summary>
    public Tensor Output { get; }

    /// <summary>The batch's targets.</summary>
    public Tensor Target { get; }

    /// <summary>What they are.</summary>
    public OutputReading Reading { get; }

    /// <summary>Number of classes; 2 for binary scores, 0 for values.</summary>
    public int Classes { get; }

    /// <summary>What the data set says of itself.</summary>
    public DataInfo Data { get; }

    /// <summary>Samples in the largest part of the data that is evaluated.</summary>
    public long Samples { get; }

    /// <summary>Targets of one sample: 1 for a class index; pixels where each has a class.</summary>
    public long TargetsPerSample => Target.dim() == 0 ? 1 : Target.numel() / Math.Max(1, Target.size(0));

    /// <summary>Class of each target; -1 where it does not count.</summary>
    public ReadOnlySpan<long> TargetClasses => _targets ??= ReadTargets();

    /// <summary>The class with the highest score (the first of equals) for each target; with single scores 1 above 0, else 0.</summary>
    public ReadOnlySpan<long> PredictedClasses => _predicted ??= ReadPredicted();

    /// <summary>Class names by index, or numbers where they have none.</summary>
    internal string ClassName(int index) => Reading == OutputReading.Classes || Data.SingleScore
        ? ConfusionMatrix.Name(Data.Classes, index) : ConfusionMatrix.Name([], index);

    /// <summary>Scores [targets, classes] of outputs read as classes.</summary>
    public Tensor ClassScores() => Output.dim() == 2 ? Output : Output.movedim([1], [-1]).reshape(-1, Classes);

    /// <summary>Predictions and targets as float64 [samples, values a sample], of outputs read as values.</summary>
    public (Tensor Predicted, Tensor Target) Values()
    {
        var predicted = _loss.Values(Output).to(ScalarType.Float64);
        var target = _loss.Targets(Target).to(ScalarType.Float64);
        long rows = Target.dim() == 0 ? 1 : Target.size(0);
        return (predicted.reshape(rows, -1), target.reshape(rows, -1));
    }

    /// <summary>Adds the batch to the confusion counts, once for all metrics that are made of them.</summary>
    internal void CountConfusion(StepContext context)
    {
        if (_confusionCounted) return;
        _confusionCounted = true;
        var counts = context.Metrics.CountsFor(HiddenMetrics.ConfusionCounts);
        ReadOnlySpan<long> targets = TargetClasses, predicted = PredictedClasses;
        for (int i = 0; i < targets.Length; i++)
            if (targets[i] >= 0) counts.Add(ConfusionMatrix.Key((int)targets[i], (int)predicted[i], Classes));
    }

    private long[] ReadTargets()
    {
        using var scope = NewDisposeScope();
        if (Reading == OutputReading.Binary) return Read(Target.gt(0.5).to(ScalarType.Int64));
        long[] targets = Read(Target);
        foreach (ref long target in targets.AsSpan())
        {
            if (target == _loss.Ignored) target = -1;
            else if ((ulong)target >= (ulong)Classes)
                throw new InvalidOperationException($"a target is class {target}, but the model gives scores for {Classes} classes");
        }
        return targets;
    }

    private long[] ReadPredicted()
    {
        using var scope = NewDisposeScope();
        return Read(Reading == OutputReading.Binary ? Output.gt(0).to(ScalarType.Int64) : Output.argmax(1));
    }

    private static long[] Read(Tensor tensor) => MemoryMarshal.Cast<byte, long>(tensor.contiguous().bytes).ToArray();
}
