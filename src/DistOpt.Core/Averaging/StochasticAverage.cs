using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using DistOpt.Core.Schedules;

namespace DistOpt.Core.Averaging;

/// <summary>
/// Options of <c>swa</c>. Averaging begins after three quarters of the run and goes by the ends of epochs unless its fields say otherwise.
/// </summary>
public sealed record StochasticAverageOptions : AveragingOptions
{
    private const int UsualAnneal = 10;

    [Description("Learning rate while weights are averaged (torch's swa_lr); null = as the schedule says")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double? LearningRate { get; init; }

    [Description("Epochs in which the rate goes there (where the batch varies: of as many steps as with its nominal size); 0 = at once")]
    [Range(0, 1_000_000)]
    public int AnnealEpochs { get; init; } = UsualAnneal;

    [Description("Whether it goes there along a cosine or a line")]
    public AnnealStrategy AnnealStrategy { get; init; } = AnnealStrategy.Cos;

    public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var result in base.Validate(validationContext)) yield return result;
        if (LearningRate is not null) yield break;
        if (AnnealEpochs != UsualAnneal) yield return Without(AnnealEpochs.ToString(CultureInfo.InvariantCulture), "anneal_epochs", nameof(AnnealEpochs));
        if (AnnealStrategy != AnnealStrategy.Cos) yield return Without("linear", "anneal_strategy", nameof(AnnealStrategy));

        static ValidationResult Without(string value, string field, string member) =>
            new($"is {value}, but averaging's learning_rate is null, so the rate goes nowhere; set learning_rate, or leave {field} away", [member]);
    }
}

/// <summary>
/// Stochastic weight averaging (Izmailov et al., UAI 2018): the plain mean of the weights at the ends of late epochs, as
/// <c>torch.optim.swa_utils.AveragedModel</c>, with the learning rate of <c>SWALR</c>: k whole epochs after the start, with t = min(1, k /
/// anneal_epochs), the rate is alpha * learning_rate + (1 - alpha) * (the schedule's rate at the start), where alpha is t or
/// (1 - cos(pi t)) / 2.
/// </summary>
public sealed class StochasticAverage(StochasticAverageOptions options) : IWeightAveraging
{
    public bool UsesBuffers => options.UseBuffers;

    public long StartOf(in AveragedRun run)
    {
        if (options.Start(run) is { } start) return start;
        long late = run.TotalSteps - run.TotalSteps / 4;
        // at the end of an epoch, so that whole epochs follow
        return run.TotalSteps > run.StepsPerEpoch ? late / run.StepsPerEpoch * run.StepsPerEpoch : 0;
    }

    public long IntervalOf(in AveragedRun run) => options.EverySteps ?? run.StepsPerEpoch;

    public double ShareOf(long number) => 1.0 / (number + 1);

    public double RateAt(double rate, double startRate, long epochs)
    {
        if (options.LearningRate is not { } averaged) return rate;
        double share = options.AnnealEpochs == 0 ? 1 : Math.Min(1, (double)epochs / options.AnnealEpochs);
        double alpha = options.AnnealStrategy == AnnealStrategy.Linear ? share : (1 - Math.Cos(Math.PI * share)) / 2;
        return averaged * alpha + startRate * (1 - alpha);
    }
}
