namespace DistOpt.Core.Batching;

/// <summary>How the learning rate follows the batch size, relative to a base size.</summary>
public enum LearningRateScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>size / base (Goyal et al. 2017): for sgd.</summary>
    Linear,

    /// <summary>sqrt(size / base): for Adam and its relatives.</summary>
    SquareRoot,

    /// <summary>The gain of AdaScale (Johnson et al. 2020), from the measured noise; schedule and length of the run go by its sum.</summary>
    Adascale,
}

/// <summary>AdaScale (Johnson et al., ICML 2020).</summary>
public static class AdaScale
{
    /// <summary>
    /// The gain r = (sigma^2 + mu^2) / (sigma^2 / S + mu^2) of a batch that is S times the base size: how many iterations of the base size one step is
    /// worth, between 1 and S (between S and 1 for a smaller batch). Sigma^2 is the variance of the base batch's gradient, mu^2 the squared norm of the
    /// true one. Before anything is known, or where both are 0, the cautious end of the range: min(1, S).
    /// </summary>
    /// <param name="mean">Running means of the noise; null while nothing is known. Negative parts count as 0.</param>
    /// <param name="baseSize">Samples in the base batch.</param>
    /// <param name="size">Samples in the step's batch.</param>
    public static double Gain(NoiseEstimate? mean, double baseSize, double size)
    {
        double scale = size / baseSize;
        if (scale == 1) return 1;
        double variance = Math.Max(0, mean?.Trace ?? 0) / baseSize, squared = Math.Max(0, mean?.SquaredNorm ?? 0);
        double below = variance / scale + squared;
        return below > 0 && double.IsFinite(variance + squared) ? (variance + squared) / below : Math.Min(1, scale);
    }
}
