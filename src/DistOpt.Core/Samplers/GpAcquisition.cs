using DistOpt.Core.Numerics;
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
    /// <summary>Points that are looked at together: what is known of all of them stays in the processor's cache.</summary>
    private const int Block = 4 * Cholesky.Together;

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

    /// <summary>Its values at many points, in a fraction of the time that they take one by one; they differ from those by rounding.</summary>
    /// <param name="points">Where.</param>
    /// <param name="values">Receives a value for each.</param>
    public void AtMany(IReadOnlyList<double[]> points, Span<double> values)
    {
        int dimensions = points.Count == 0 ? 0 : points[0].Length, rows = _constraints.Select(c => c.Model.Observed).Append(_points).Max();
        double[] coordinates = new double[dimensions * Block], solved = new double[rows * Block], means = new double[Block], variances = new double[Block];
        double[] pending = new double[_objective.Pending];
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
            if (_bests.Length > 0)
            {
                _objective.PredictMany(coordinates, Block, solved, means, variances);
                for (int c = 0; c < count; c++)
                {
                    for (int i = 0; i < pending.Length; i++) pending[i] = solved[(_objective.Observed + i) * Block + c];
                    found[c] = Improvement(means[c], Math.Sqrt(variances[c]), pending);
                }
            }
            foreach (var (model, limit) in _constraints)
            {
                model.PredictMany(coordinates, Block, solved, means, variances);
                for (int c = 0; c < count; c++) found[c] += LogCdf((limit - means[c]) / Math.Sqrt(variances[c]));
            }
        }
    }

    private double Improvement(ReadOnlySpan<double> point, Span<double> gradient)
    {
        double[] solved = new double[_points];
        var (mean, variance) = _objective.Predict(point, solved);
        double deviation = Math.Sqrt(variance);
        var pending = solved.AsSpan(_objective.Observed);
        double value = Improvement(mean, deviation, pending), average = value - Math.Log(deviation);
        if (gradient.IsEmpty) return value;
        double byMean = 0, byDeviation = 0;
        double[] byPending = new double[pending.Length];
        for (int s = 0; s < _fantasies.Length; s++)
        {
            double weight = Math.Exp(_logs[s] - average) / _fantasies.Length;
            var (m, d) = LogExpectedImprovement.Slopes(Z(s, mean, deviation, pending), deviation);
            byMean += weight * m;
            byDeviation += weight * d;
            for (int i = 0; i < byPending.Length; i++) byPending[i] += weight * m * _fantasies[s][i];
        }
        _objective.AddGradient(point, solved, byMean, byDeviation / (2 * deviation), byPending, gradient);
        return value;
    }

    /// <summary>The logarithm of the average over the fantasies; leaves that of each one.</summary>
    private double Improvement(double mean, double deviation, ReadOnlySpan<double> pending)
    {
        double largest = double.NegativeInfinity;
        for (int s = 0; s < _fantasies.Length; s++)
        {
            _logs[s] = LogExpectedImprovement.LogH(Z(s, mean, deviation, pending));
            largest = Math.Max(largest, _logs[s]);
        }
        double sum = 0;
        for (int s = 0; s < _fantasies.Length; s++) sum += Math.Exp(_logs[s] - largest);
        return largest + Math.Log(sum / _fantasies.Length) + Math.Log(deviation);
    }

    private double Z(int s, double mean, double deviation, ReadOnlySpan<double> pending)
    {
        double seen = mean;
        for (int i = 0; i < pending.Length; i++) seen += pending[i] * _fantasies[s][i];
        return (seen - _bests[s]) / deviation;
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
