using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// What Gaussian processes hope for at a point: the logarithm of an improvement of the objectives, plus the logarithm of the probability that each constraint
/// holds (Gardner et al., "Bayesian Optimization with Inequality Constraints", ICML 2014).
/// </summary>
/// <param name="improvement">Of the objectives; null = no trial keeps to the constraints, and only they count.</param>
/// <param name="constraints">Of each constraint's standardized values, and up to where it holds.</param>
internal sealed class GpAcquisition(IGpImprovement? improvement, (GaussianProcess Model, double Limit)[] constraints)
{
    /// <summary>Points that are looked at together: what is known of all of them stays in the processor's cache.</summary>
    private const int Block = 4 * Cholesky.Together;

    private const double SqrtHalf = 0.70710678118654752440;
    private const double SqrtHalfPi = 1.25331413731550025121;
    private const double LogSqrtTwoPi = 0.91893853320467274178;

    /// <summary>Its value at a point.</summary>
    /// <param name="point">Where.</param>
    /// <param name="gradient">Receives the gradient (0 for choices); may be empty.</param>
    public double At(ReadOnlySpan<double> point, Span<double> gradient)
    {
        gradient.Clear();
        double sum = improvement?.At(point, gradient) ?? 0;
        foreach (var (model, limit) in constraints) sum += Holds(model, limit, point, gradient);
        return sum;
    }

    /// <summary>Its values at many points, in a fraction of the time that they take one by one; they differ from those by rounding.</summary>
    /// <param name="points">Where.</param>
    /// <param name="values">Receives a value for each.</param>
    public void AtMany(IReadOnlyList<double[]> points, Span<double> values)
    {
        int dimensions = points.Count == 0 ? 0 : points[0].Length, rows = constraints.Select(c => c.Model.Observed).DefaultIfEmpty().Max();
        double[] coordinates = new double[dimensions * Block], solved = new double[rows * Block], means = new double[Block], variances = new double[Block];
        for (int from = 0; from < points.Count; from += Block)
        {
            int count = Math.Min(Block, points.Count - from);
            for (int c = 0; c < Block; c++)
            {
                // a last block that is not full is filled up with its last point
                double[] point = points[from + Math.Min(c, count - 1)];
                for (int j = 0; j < dimensions; j++) coordinates[j * Block + c] = point[j];
            }
            var found = values.Slice(from, count);
            found.Clear();
            improvement?.AtMany(coordinates, Block, found);
            foreach (var (model, limit) in constraints)
            {
                model.PredictMany(coordinates, Block, solved, means, variances);
                for (int c = 0; c < count; c++) found[c] += LogCdf((limit - means[c]) / Math.Sqrt(variances[c]));
            }
        }
    }

    private static double Holds(GaussianProcess model, double limit, ReadOnlySpan<double> point, Span<double> gradient)
    {
        double[] solved = new double[model.Observed];
        var (mean, variance) = model.Predict(point, solved);
        double deviation = Math.Sqrt(variance), u = (limit - mean) / deviation;
        if (!gradient.IsEmpty)
        {
            // phi / Phi
            double ratio = u < 0 ? 1 / (SqrtHalfPi * NormalDistribution.ScaledErfc(-u * SqrtHalf))
                : Math.Exp(-0.5 * u * u - LogSqrtTwoPi) / NormalDistribution.Cdf(u);
            model.AddGradient(point, solved, -ratio / deviation, -u * ratio / deviation / (2 * deviation), [], gradient);
        }
        return LogCdf(u);
    }

    private static double LogCdf(double u) =>
        u < 0 ? Math.Log(0.5 * NormalDistribution.ScaledErfc(-u * SqrtHalf)) - 0.5 * u * u : Math.Log(NormalDistribution.Cdf(u));
}
