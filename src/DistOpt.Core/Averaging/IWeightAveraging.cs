namespace DistOpt.Core.Averaging;

/// <summary>
/// Which weights of a run enter a running average a, and with what share: a += share * (w - a), which the first ones begin. Pure: the number of
/// weights that have entered follows from the step, so that nothing is remembered beside the average itself.
/// </summary>
public interface IWeightAveraging
{
    /// <summary>
    /// Whether float32 buffers (batch-norm statistics) are averaged like the weights. Otherwise, and integers always, they are those of the weights
    /// that entered last.
    /// </summary>
    bool UsesBuffers { get; }

    /// <summary>Updates applied before averaging begins, at least 0.</summary>
    long StartOf(in AveragedRun run);

    /// <summary>Updates between one entry and the next, at least 1. The first weights to enter are those so many updates after the start.</summary>
    long IntervalOf(in AveragedRun run);

    /// <summary>Share of the weights that enter after <paramref name="number"/> others: above 0 and at most 1.</summary>
    /// <param name="number">At least 1; the very first ones are copied.</param>
    double ShareOf(long number);

    /// <summary>The learning rate while weights are averaged.</summary>
    /// <param name="rate">What the schedule says.</param>
    /// <param name="startRate">What it says at the start of averaging.</param>
    /// <param name="epochs">Whole epochs since then, at least 0.</param>
    double RateAt(double rate, double startRate, long epochs) => rate;
}

/// <summary>Lengths of a run.</summary>
/// <param name="TotalSteps">Steps if nothing ends it earlier, at least 1.</param>
/// <param name="StepsPerEpoch">At least 1.</param>
public readonly record struct AveragedRun(long TotalSteps, long StepsPerEpoch);
