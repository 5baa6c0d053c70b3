namespace DistOpt.Core.Checkpoints;

/// <summary>
/// When the next checkpoint is due under <c>checkpoint.auto</c>: from what one costs and from how often the job has failed.
/// </summary>
public static class CheckpointInterval
{
    /// <summary>Mean time between failures that is assumed before any was seen, in seconds.</summary>
    public const double AssumedMeanTimeBetweenFailures = 6 * 3600;

    /// <summary>No checkpoint comes sooner after the one before than this, in seconds.</summary>
    public const double Shortest = 5;

    /// <summary>
    /// Time of work between two checkpoints that loses least (Daly, "A higher order estimate of the optimum checkpoint interval for restart
    /// dumps", FGCS 22, 2006, equation 37; its first term is Young's of 1974): sqrt(2dM) (1 + sqrt(d/2M)/3 + (d/2M)/9) - d for d &lt; 2M, else M.
    /// </summary>
    /// <param name="cost">d: seconds of work that a checkpoint costs, above 0.</param>
    /// <param name="meanTimeBetweenFailures">M, in seconds, above 0.</param>
    public static double Daly(double cost, double meanTimeBetweenFailures)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(cost);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(meanTimeBetweenFailures);
        if (cost >= 2 * meanTimeBetweenFailures) return meanTimeBetweenFailures;
        double ratio = cost / (2 * meanTimeBetweenFailures);
        return Math.Sqrt(2 * cost * meanTimeBetweenFailures) * (1 + Math.Sqrt(ratio) / 3 + ratio / 9) - cost;
    }

    /// <summary>Seconds from one checkpoint to the next.</summary>
    /// <param name="cost">Seconds for which the servers were held up by the latest one.</param>
    /// <param name="writing">Seconds until it was on the disk; writing takes at most a tenth of the time.</param>
    /// <param name="elapsed">Seconds that the job has run.</param>
    /// <param name="failures">Failures of nodes in that time.</param>
    public static double Auto(double cost, double writing, double elapsed, int failures)
    {
        double meanTime = (AssumedMeanTimeBetweenFailures + elapsed) / (1 + failures);
        return Math.Max(Math.Max(Shortest, 10 * writing), Daly(Math.Max(cost, 1e-6), meanTime));
    }
}
