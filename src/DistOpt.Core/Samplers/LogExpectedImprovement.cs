using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// The logarithm of expected improvement, which neither vanishes nor loses its gradient where improvement is all but impossible (Ament et al.,
/// "Unexpected Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023, arXiv:2310.20708).
/// </summary>
internal static class LogExpectedImprovement
{
    private const double LogSqrtTwoPi = 0.91893853320467274178;
    private const double SqrtHalfPi = 1.25331413731550025121;
    private const double SqrtHalf = 0.70710678118654752440;

    /// <summary>log h(z), h(z) = phi(z) + z Phi(z): improvement of z + a standard normal value over 0.</summary>
    public static double LogH(double z)
    {
        if (z > -1) return Math.Log(Density(z) + z * NormalDistribution.Cdf(z));
        return -0.5 * z * z - LogSqrtTwoPi + Math.Log(Shortfall(z));
    }

    /// <summary>The derivatives of log E[max(0, N(mean, deviation^2) - best)] by mean and by deviation: Phi / (deviation h) and phi / (deviation h).</summary>
    public static (double ByMean, double ByDeviation) Slopes(double z, double deviation)
    {
        if (z > -1)
        {
            double h = Density(z) + z * NormalDistribution.Cdf(z);
            return (NormalDistribution.Cdf(z) / (deviation * h), Density(z) / (deviation * h));
        }
        double rest = Shortfall(z) * deviation;
        return (SqrtHalfPi * NormalDistribution.ScaledErfc(-z * SqrtHalf) / rest, 1 / rest);
    }

    /// <summary>h / phi = 1 + z Phi / phi below 0, where both parts all but cancel.</summary>
    private static double Shortfall(double z)
    {
        if (z > -200) return 1 + z * SqrtHalfPi * NormalDistribution.ScaledErfc(-z * SqrtHalf);
        double inverse = 1 / (z * z);
        return inverse * (1 - 3 * inverse * (1 - 5 * inverse));
    }

    private static double Density(double z) => Math.Exp(-0.5 * z * z - LogSqrtTwoPi);
}
