namespace DistOpt.Core.Training;

/// <summary>
/// Looks at every step before it is applied. What it looks at comes to every server with the pushes, so that all of them decide alike and none
/// applies what another one does not, without a word between them. Not thread-safe.
/// </summary>
public sealed class DivergenceWatch
{
    /// <summary>Mean loss of the run's first step; NaN before it. Belongs to the state.</summary>
    public double FirstLoss { get; set; } = double.NaN;

    /// <summary>Why a step must not be applied; null where it may.</summary>
    /// <param name="step">Of the whole batch.</param>
    public DivergedStep? Check(LeafResult step)
    {
        ArgumentNullException.ThrowIfNull(step);
        double? loss = step.Metrics.TryGet(MetricSums.Loss, out var sum) && sum.Weight != 0 ? sum.Value : null;
        if (double.IsNaN(FirstLoss)) FirstLoss = loss ?? double.NaN;
        bool isGood = step.NonFinite is null && (loss is not { } value || !Divergence.Is(value, FirstLoss));
        return isGood ? null : new DivergedStep(loss, step.NonFinite);
    }
}
