using System.ComponentModel;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>What a sum over samples and classes is divided by.</summary>
public enum KlReduction
{
    /// <summary>The number of elements, as PyTorch's default.</summary>
    Mean,

    /// <summary>The number of samples, which gives the mean divergence.</summary>
    Batchmean,
}

/// <summary>Fields of <c>loss: { kind: kl }</c>.</summary>
public sealed record KlOptions
{
    [Description("What the model puts out: log-probabilities (a log_softmax at its end), or scores, to which log_softmax is applied here")]
    public LossInput Input { get; init; } = LossInput.LogProbabilities;

    [Description("Whether targets are logarithms of probabilities; otherwise they are probabilities")]
    public bool LogTarget { get; init; }

    [Description("mean = divided by the number of elements, PyTorch's default; batchmean = by the number of samples, which is the divergence itself")]
    public KlReduction Reduction { get; init; } = KlReduction.Mean;
}

/// <summary>
/// Kullback-Leibler divergence of the model's distribution from the target's: sum of t (log t - output), as PyTorch's
/// <c>kl_div(reduction="sum")</c>. Output [N, C]: log-probabilities unless <see cref="KlOptions.Input"/> says scores. Target [N, C]:
/// probabilities, or their logarithms. Metrics on values compare probabilities.
/// </summary>
public sealed class KlLoss(KlOptions options) : ILoss
{
    public torch.Tensor Sum(torch.Tensor output, torch.Tensor target)
    {
        torch.Tensor fitted = ElementwiseLoss.Fit(output, target, "kl");
        if (!options.LogTarget) ProbabilityTargets.Check(fitted, "kl");
        torch.Tensor logs = LogProbabilities.Of(output, options.Input, "kl");
        return torch.nn.functional.kl_div(logs, fitted, options.LogTarget, torch.nn.Reduction.Sum);
    }

    public double Weight(torch.Tensor target) => options.Reduction == KlReduction.Mean ? target.numel() : target.size(0);

    public OutputReading Read(torch.Tensor output, torch.Tensor target) => OutputReading.Values;

    public torch.Tensor Values(torch.Tensor output) =>
        options.Input == LossInput.Scores ? torch.nn.functional.softmax(output, 1) : output.exp();

    public void Measure(torch.Tensor output, torch.Tensor target, StepContext context)
    {
        using var scope = torch.NewDisposeScope();
        TaskMetrics.LogErrors(Values(output), Targets(target), context);
    }

    public torch.Tensor Targets(torch.Tensor target) => options.LogTarget ? target.exp() : target;
}
