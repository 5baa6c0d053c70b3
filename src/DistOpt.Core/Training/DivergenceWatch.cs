namespace DistOpt.Core.Training;

/// <summary>
/// Looks at every step before it is applied. What it looks at comes to every server with the pushes, so that all of them decide alike and none
/// applies what another one does not, without a word between them. An update that overflows by itself (a penalty, a rate) under a finite gradient and
/// loss is not seen here but by the loss of the step after it, and where it was the last step by who collects the weights at the end, and by the
/// evaluation there: to look at what an update has written takes another pass or an exchange between servers, and could not take it back. Not
/// thread-safe.
/// </summary>
/// <param name="factor">The spec's <c>stop.divergence_factor</c>.</param>
public sealed class DivergenceWatch(double? factor = Divergence.UsualFactor)
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
        bool isGood = step.NonFinite is null && (loss is not { } value || !Divergence.Is(value, FirstLoss, factor));
        return isGood ? null : new DivergedStep(loss, step.NonFinite);
    }
}
