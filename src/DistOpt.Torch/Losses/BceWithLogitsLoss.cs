using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>Fields of <c>loss: { kind: bce-with-logits }</c>.</summary>
public sealed record BceWithLogitsOptions
{
    [Description("Factor of the positive targets' loss: one for all, or one for each value of a target; [] = 1. Above 1 favours recall")]
    [Range(0.0, 1e9)]
    public ImmutableArray<double> PosWeight { get; init; } = [];
}

/// <summary>
/// Binary cross-entropy on scores: sum of -(w t log sigmoid(s) + (1 - t) log sigmoid(-s)), as PyTorch's
/// <c>binary_cross_entropy_with_logits</c>. Targets from 0 to 1, as many as scores; or two classes, for which models give one score. Divided by their
/// number, whatever the weights. Its task metric is "accuracy": the share of scores on the target's side of 1/2.
/// </summary>
public sealed class BceWithLogitsLoss(BceWithLogitsOptions options) : ElementwiseLoss(LossCatalog.BceWithLogits)
{
    private readonly double[] _weights = [.. options.PosWeight];

    public override void Measure(torch.Tensor output, torch.Tensor target, StepContext context) =>
        TaskMetrics.LogBinaryAccuracy(output, Fit(output, target, LossCatalog.BceWithLogits), context);

    public override OutputReading Read(torch.Tensor output, torch.Tensor target) => OutputReading.Binary;

    /// <summary>Probabilities.</summary>
    public override torch.Tensor Values(torch.Tensor output) => output.sigmoid();

    public override bool ReadsSingleScore(DataInfo data) => IsOfTwoClasses(data);

    private static bool IsOfTwoClasses(DataInfo data) => data is { Task: TaskKind.Classification, Classes.Length: 2 };

    public override IEnumerable<SpecViolation> Check(DataInfo data)
    {
        if (IsOfTwoClasses(data) && _weights.Length > 1)
        {
            yield return new("loss.pos_weight", $"has {_weights.Length} weights, but two classes have one score: give the weight of class "
                + $"'{data.Classes[1]}' alone");
        }
        if (data.Task == TaskKind.Regression && _weights.Length > 1 && data.TargetLength != _weights.Length)
        {
            yield return new("loss.pos_weight", $"has {_weights.Length} weights, but data set '{data.Name}' has targets of {data.TargetLength} "
                + "values: give one for each, or one for all");
        }
    }

    protected override torch.Tensor SumOf(torch.Tensor output, torch.Tensor target)
    {
        if (_weights.Length > 1 && (output.dim() < 2 || output.size(-1) != _weights.Length))
        {
            throw new SpecException("loss.pos_weight", $"has {_weights.Length} weights, but the model gives [{string.Join(", ", output.shape)}]: "
                + "give one for each value of the last dimension, or one for all");
        }
        ProbabilityTargets.Check(target, LossCatalog.BceWithLogits);
        using torch.Tensor? weights = _weights.Length == 0 ? null : torch.tensor(_weights, output.dtype);
        return torch.nn.functional.binary_cross_entropy_with_logits(output, target, reduction: torch.nn.Reduction.Sum, pos_weights: weights);
    }
}
