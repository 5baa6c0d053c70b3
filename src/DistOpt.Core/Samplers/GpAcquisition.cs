using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// What a Gaussian process hopes for at a point: the logarithm of the expected improvement over the best value, averaged over fantasies of what pending
/// trials will give (Snoek et al., "Practical Bayesian Optimization of Machine Learning Algorithms", NIPS 2012, section 3.2; the logarithm of the average as
/// in 2310.20708), plus the logarithm of the probability that each constraint holds (Gardner et al., "Bayesian Optimization with Inequality
/// Constraints", ICML 2014). Values are maximized.
/// </summary>
internal sealed class GpAcquisition
{
    private const double SqrtHalf = 0.70710678118654752440;
    private const double SqrtHalfPi = 1.25331413731550025121;
    private const double LogSqrtTwoPi = 0.91893853320467274178;

    private readonly GaussianProcess _objective;
    private readonly (GaussianProcess Model, double Limit)[] _constraints;
    private readonly double[][] _fantasies;
    private readonly double[] _bests;
    private readonly double[] _logs;
    private readonly int _points;

    /// <param name="objective">Of the standardized values; with the pending points.</param>
    /// <param name="best">The best of those; null = none keeps to the constraints, and only they count.</param>
    /// <param name="fantasies">Standard normal vectors, each with one element for each pending point; a single empty one where there are none.</param>
    /// <param name="constraints">Of each constraint's standardized values, and up to where it holds.</param>
    public GpAcquisition(GaussianProcess objective, double? best, double[][] fantasies, (GaussianProcess Model, double Limit)[] constraints)
    {
        (_objective, _constraints, _fantasies, _logs) = (objective, constraints, fantasies, new double[fantasies.Length]);
        _bests = best is { } value ? new double[fantasies.Length] : [];
        _points = objective.Observed + objective.Pending;
        if (best is not { } least) return;
        var (means, factor) = objective.PendingValues();
        for (int s = 0; s < fantasies.Length; s++)
        {
            _bests[s] = least;
            for (int i = 0; i < means.Length; i++)
            {
                double seen = means[i];
                for (int j = 0; j <= i; j++) seen += factor[i][j] * fantasies[s][j];
                _bests[s] = Math.Max(_bests[s], seen);
            }
        }
    }

    /// <summary>Its value at a point.</summary>
    /// <param name="point">Where.</param>
    /// <param name="gradient">Receives the gradient (0 for choices); may be empty.</param>
    public double At(ReadOnlySpan<double> point, Span<double> gradient)
    {
        gradient.Clear();
        double sum = _bests.Length > 0 ? Improvement(point, gradient) : 0;
        foreach (var (model, limit) in _constraints) sum += Holds(model, limit, point, gradient);
        return sum;
    }

    private double Improvement(ReadOnlySpan<double> point, Span<double> gradient)
    {
        double[] solved = new double[_points];
        var (mean, variance) = _objective.Predict(point, solved);
        double deviation = Math.Sqrt(variance), largest = double.NegativeInfinity;
        var pending = solved.AsSpan(_objective.Observed);
        for (int s = 0; s < _fantasies.Length; s++)
        {
            _logs[s] = LogExpectedImprovement.LogH(Z(s, pending));
            largest = Math.Max(largest, _logs[s]);
        }
        double sum = 0;
        for (int s = 0; s < _fantasies.Length; s++) sum += Math.Exp(_logs[s] - largest);
        double average = largest + Math.Log(sum / _fantasies.Length);
        if (!gradient.IsEmpty)
        {
            double byMean = 0, byDeviation = 0;
            double[] byPending = new double[pending.Length];
            for (int s = 0; s < _fantasies.Length; s++)
            {
                double weight = Math.Exp(_logs[s] - average) / _fantasies.Length;
                var (m, d) = LogExpectedImprovement.Slopes(Z(s, pending), deviation);
                byMean += weight * m;
                byDeviation += weight * d;
                for (int i = 0; i < byPending.Length; i++) byPending[i] += weight * m * _fantasies[s][i];
            }
            _objective.AddGradient(point, solved, byMean, byDeviation / (2 * deviation), byPending, gradient);
        }
        return average + Math.Log(deviation);

        double Z(int s, ReadOnlySpan<double> moved)
        {
            double seen = mean;
            for (int i = 0; i < moved.Length; i++) seen += moved[i] * _fantasies[s][i];
            return (seen - _bests[s]) / deviation;
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
        return u < 0 ? Math.Log(0.5 * NormalDistribution.ScaledErfc(-u * SqrtHalf)) - 0.5 * u * u : Math.Log(NormalDistribution.Cdf(u));
    }
}
