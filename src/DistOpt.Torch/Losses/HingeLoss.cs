using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>Fields of <c>loss: { kind: hinge }</c>.</summary>
public sealed record HingeOptions
{
    [Description("Distance by which the target's score must exceed the others (by which a single score must be on its side of 0)")]
    [Range(1e-9, 1e9)]
    public double Margin { get; init; } = 1;

    [Description("1 = the hinge, 2 = its square")]
    [AllowedValues(1, 2)]
    public int P { get; init; } = 1;

    [Description("Two classes by one score, above 0 for the second: the hinge of support vector machines (Cortes and Vapnik 1995); false = a score for each")]
    public bool SingleScore { get; init; }

    [Description("A weight for each class, by which its samples' losses are multiplied; [] = all 1")]
    [Range(0.0, 1e9)]
    public ImmutableArray<double> Weight { get; init; } = [];
}

/// <summary>
/// Hinge loss. With class indices [N] and scores [N, C]: sum over samples of w[t] sum over j != t of max(0, margin - s[t] + s[j])^p / C, as
/// PyTorch's <c>multi_margin_loss</c>, divided by N (weights do not change the divisor, as there). With one score for each target (output
/// [N] or [N, 1] and class indices 0 and 1, or as many values as targets): sum of w[c] max(0, margin - y s)^p, where y is 1 for targets
/// above 1/2 (c = 1) and -1 for others (c = 0), divided by the number of targets.
/// </summary>
public sealed class HingeLoss(HingeOptions options) : ILoss
{
    private readonly ClassTargets _classes = new("hinge", options.Weight, null);

    public torch.Tensor Sum(torch.Tensor output, torch.Tensor target)
    {
        if (Read(output, target) == OutputReading.Binary) return Binary(output, target);
        _classes.Check(output, target);
        if (output.dim() != 2 || target.dim() != 1)
        {
            throw new InvalidOperationException($"hinge needs scores [N, C] and class indices [N], but the model gives [{string.Join(", ", output.shape)}] "
                + $"and the targets are [{string.Join(", ", target.shape)}]");
        }
        using torch.Tensor? weights = _classes.Weights(output.dtype);
        return torch.nn.functional.multi_margin_loss(output, target, options.P, options.Margin, weights, torch.nn.Reduction.Sum);
    }

    public double Weight(torch.Tensor target) => target.numel();

    public bool ReadsSingleScore(DataInfo data) => options.SingleScore;

    public OutputReading Read(torch.Tensor output, torch.Tensor target) =>
        target.dtype == torch.ScalarType.Int64 && output.numel() != target.numel() ? OutputReading.Classes : OutputReading.Binary;

    public void Measure(torch.Tensor output, torch.Tensor target, StepContext context)
    {
        if (Read(output, target) == OutputReading.Binary) TaskMetrics.LogBinaryAccuracy(output, ElementwiseLoss.Fit(output, target, "hinge"), context);
        else TaskMetrics.LogAccuracy(output, target, context);
    }

    public IEnumerable<SpecViolation> Check(DataInfo data)
    {
        if (options.SingleScore && data is not { Task: TaskKind.Classification, Classes.Length: 2 })
        {
            string has = data.Task == TaskKind.Classification ? $"{data.Classes.Length} classes" : "no classes";
            return [new("loss.single_score", $"is true, which is for two classes, but data set '{data.Name}' has {has}; leave it away")];
        }
        if (data.Task == TaskKind.Classification) return _classes.Check(data);
        return options.Weight.Length is 0 or 2 ? []
            : [new("loss.weight", $"has {options.Weight.Length} weights, but single scores have two classes: give the weight of class 0 and that of class 1")];
    }

    private torch.Tensor Binary(torch.Tensor output, torch.Tensor target)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor one = ElementwiseLoss.Fit(output, target, "hinge").gt(0.5);
        torch.Tensor side = one.to(output.dtype) * 2 - 1;
        torch.Tensor loss = (options.Margin - side * output).clamp_min(0);
        if (options.P == 2) loss = loss.square();
        if (options.Weight is [var zero, var first]) loss *= torch.where(one, torch.tensor(first, output.dtype), torch.tensor(zero, output.dtype));
        return loss.sum().MoveToOuterDisposeScope();
    }
}
