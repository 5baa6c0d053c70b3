using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>Fields of <c>loss: { kind: cross-entropy }</c>.</summary>
public sealed record CrossEntropyOptions
{
    [Description("Share of the target's probability that is spread evenly over all classes (Szegedy et al. 2016, section 7); 0 = none, 1 = the target counts no more than others")]
    [Range(0.0, 1.0)]
    public double LabelSmoothing { get; init; }

    [Description("A weight for each class; the loss is divided by the sum of the targets' weights; [] = all 1")]
    [Range(0.0, 1e9)]
    public ImmutableArray<double> Weight { get; init; } = [];

    [Description("Targets of this value count nothing")]
    public long IgnoreIndex { get; init; } = -100;
}

/// <summary>
/// Softmax cross-entropy on scores: sum of -w[target] log softmax(output)[target], as PyTorch's <c>cross_entropy(reduction="sum")</c>.
/// Output [N, C] or [N, C, ...] float32, target [N] or [N, ...] int64 class indices. Divided by the sum of the targets' weights.
/// </summary>
public sealed class CrossEntropyLoss(CrossEntropyOptions options) : ILoss
{
    private readonly ClassTargets _classes = new("cross-entropy", options.Weight, options.IgnoreIndex);

    public long? Ignored => options.IgnoreIndex;

    public torch.Tensor Sum(torch.Tensor output, torch.Tensor target)
    {
        _classes.Check(output, target);
        using torch.Tensor? weights = _classes.Weights(output.dtype);
        return torch.nn.functional.cross_entropy(output, target, weights, options.IgnoreIndex, torch.nn.Reduction.Sum, options.LabelSmoothing);
    }

    public double Weight(torch.Tensor target) => _classes.Sum(target);

    public void Measure(torch.Tensor output, torch.Tensor target, StepContext context) =>
        TaskMetrics.LogAccuracy(output, target, context, Ignored);

    public IEnumerable<SpecViolation> Check(DataInfo data) => _classes.Check(data);
}
