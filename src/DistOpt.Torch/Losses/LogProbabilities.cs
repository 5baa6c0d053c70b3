using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Losses;

/// <summary>What a loss takes the model's output to be.</summary>
public enum LossInput
{
    /// <summary>Logarithms of probabilities along dimension 1, as PyTorch's nll_loss and kl_div take them: a log_softmax at the model's end.</summary>
    LogProbabilities,

    /// <summary>Any numbers along dimension 1: the loss applies log_softmax first.</summary>
    Scores,
}

/// <summary>Targets that are said to be probabilities.</summary>
internal static class ProbabilityTargets
{
    /// <summary>Refuses what is below 0 or above 1, by which a loss has no least value; NaN is told of as a divergence.</summary>
    /// <exception cref="SpecException">A target is none.</exception>
    public static void Check(torch.Tensor target, string loss)
    {
        if (target.numel() == 0) return;
        using var scope = torch.NewDisposeScope();
        var values = target.detach().to(torch.ScalarType.Float64);
        double low = values.min().item<double>(), high = values.max().item<double>();
        if (low < 0 || high > 1)
        {
            throw new SpecException("loss.kind", FormattableString.Invariant($"is {loss}, whose targets are probabilities from 0 to 1, but a target of the data is ")
                + FormattableString.Invariant($"{(low < 0 ? low : high)}; scale the targets, or use mse or huber"));
        }
    }
}

internal static class LogProbabilities
{
    /// <summary>How far the sum of probabilities may be from 1.</summary>
    private const double Tolerance = 0.01;

    /// <summary>The output as log-probabilities.</summary>
    /// <exception cref="SpecException">The output is said to be log-probabilities, but is not.</exception>
    public static torch.Tensor Of(torch.Tensor output, LossInput input, string loss)
    {
        if (output.dim() < 2)
            throw new InvalidOperationException($"{loss} needs values for each class, [N, C], but the model gives [{string.Join(", ", output.shape)}]");
        if (input == LossInput.Scores) return torch.nn.functional.log_softmax(output, 1);
        using (var scope = torch.NewDisposeScope())
        using (torch.no_grad())
        {
            double off = (output.detach().to(torch.ScalarType.Float64).exp().sum([1L], false) - 1).abs().max().item<double>();
            // a run that diverges has NaN here, and is told of elsewhere
            if (off > Tolerance)
            {
                throw new SpecException("loss.input", $"is log-probabilities, but the probabilities of an output of the model sum up to "
                    + FormattableString.Invariant($"1 ± {off:0.###}: set it to scores, or end the model with log_softmax"));
            }
        }
        return output;
    }
}
