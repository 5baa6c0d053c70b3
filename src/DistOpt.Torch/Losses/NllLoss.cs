using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>Fields of <c>loss: { kind: nll }</c>.</summary>
public sealed record NllOptions
{
    [Description("What the model puts out: log-probabilities (a log_softmax at its end), or scores, to which log_softmax is applied here")]
    public LossInput Input { get; init; } = LossInput.LogProbabilities;

    [Description("A weight for each class; the loss is divided by the sum of the targets' weights; [] = all 1")]
    [Range(0.0, 1e9)]
    public ImmutableArray<double> Weight { get; init; } = [];

    [Description("Targets of this value count nothing")]
    public long IgnoreIndex { get; init; } = -100;
}

/// <summary>
/// Negative log-likelihood: sum of -w[target] output[target], as PyTorch's <c>nll_loss(reduction="sum")</c>. Output [N, C] or [N, C, ...]:
/// log-probabilities unless <see cref="NllOptions.Input"/> says scores. Target [N] or [N, ...] int64 class indices. Divided by the sum of
/// the targets' weights.
/// </summary>
public sealed class NllLoss(NllOptions options) : ILoss
{
    /// <summary>What torch's function ignores.</summary>
    private const long TorchIgnores = -100;

    private readonly ClassTargets _classes = new("nll", options.Weight, options.IgnoreIndex);

    public long? Ignored => options.IgnoreIndex;

    public torch.Tensor Sum(torch.Tensor output, torch.Tensor target)
    {
        _classes.Check(output, target);
        torch.Tensor logs = LogProbabilities.Of(output, options.Input, "nll");
        using torch.Tensor? weights = _classes.Weights(output.dtype);
        if (options.IgnoreIndex == TorchIgnores) return torch.nn.functional.nll_loss(logs, target, weights, torch.nn.Reduction.Sum);
        using torch.Tensor ignored = target.eq(options.IgnoreIndex);
        using torch.Tensor marked = target.masked_fill(ignored, TorchIgnores);
        return torch.nn.functional.nll_loss(logs, marked, weights, torch.nn.Reduction.Sum);
    }

    public double Weight(torch.Tensor target) => _classes.Sum(target);

    public void Measure(torch.Tensor output, torch.Tensor target, StepContext context) =>
        TaskMetrics.LogAccuracy(output, target, context, Ignored);

    public IEnumerable<SpecViolation> Check(DataInfo data) => _classes.Check(data);
}
