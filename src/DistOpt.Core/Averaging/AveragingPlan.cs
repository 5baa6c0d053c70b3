namespace DistOpt.Core.Averaging;

/// <summary>An averaging over the steps of one run.</summary>
/// <param name="run">Lengths of the run.</param>
public sealed class AveragingPlan(IWeightAveraging averaging, AveragedRun run)
{
    private readonly long _interval = averaging.IntervalOf(run);

    /// <summary>Updates applied before averaging begins.</summary>
    public long Start { get; } = averaging.StartOf(run);

    /// <summary>Whether the average has any weights in it once so many updates are applied: from then on it stands for the weights.</summary>
    public bool HasBegun(long step) => CountAt(step) > 0;

    /// <summary>Weights that have entered once so many updates are applied.</summary>
    public long CountAt(long step) => step <= Start ? 0 : (step - Start) / _interval;

    /// <summary>Share with which the weights of this version enter; 0: they do not.</summary>
    /// <param name="step">Updates applied, at least 1.</param>
    public double ShareOf(long step)
    {
        if (step <= Start || (step - Start) % _interval != 0) return 0;
        long before = (step - Start) / _interval - 1;
        return before == 0 ? 1 : averaging.ShareOf(before);
    }

    /// <summary>The learning rate of a step.</summary>
    /// <param name="step">Updates applied before.</param>
    /// <param name="rate">What the schedule says of a step.</param>
    public double RateAt(long step, Func<long, double> rate) =>
        step < Start ? rate(step) : averaging.RateAt(rate(step), rate(Start), (step - Start) / run.StepsPerEpoch);
}
