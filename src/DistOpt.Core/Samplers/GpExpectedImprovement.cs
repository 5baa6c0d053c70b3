namespace DistOpt.Core.Samplers;

/// <summary>
/// The logarithm of the expected improvement over the best value, averaged over fantasies of what pending trials will give (Snoek et al., "Practical Bayesian
/// Optimization of Machine Learning Algorithms", NIPS 2012, section 3.2; the logarithm of the average as in 2310.20708). Values are maximized.
/// </summary>
internal sealed class GpExpectedImprovement : IGpImprovement
{
    private readonly GaussianProcess _objective;
    private readonly double[][] _fantasies;
    private readonly double[] _bests;
    private readonly double[] _logs;
    private readonly int _points;
    private readonly double[] _pending;
    private double[] _solved = [];
    private double[] _means = [];
    private double[] _variances = [];

    /// <param name="objective">Of the standardized values; with the pending points.</param>
    /// <param name="best">The best of those.</param>
    /// <param name="fantasies">Standard normal vectors, each with one element for each pending point; a single empty one where there are none.</param>
    public GpExpectedImprovement(GaussianProcess objective, double best, double[][] fantasies)
    {
        (_objective, _fantasies, _logs) = (objective, fantasies, new double[fantasies.Length]);
        _bests = new double[fantasies.Length];
        _points = objective.Observed + objective.Pending;
        _pending = new double[objective.Pending];
        var (means, factor) = objective.PendingValues();
        for (int s = 0; s < fantasies.Length; s++)
        {
            _bests[s] = best;
            for (int i = 0; i < means.Length; i++)
            {
                double seen = means[i];
                for (int j = 0; j <= i; j++) seen += factor[i][j] * fantasies[s][j];
                _bests[s] = Math.Max(_bests[s], seen);
            }
        }
    }

    /// <inheritdoc/>
    public double At(ReadOnlySpan<double> point, Span<double> gradient)
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

    /// <inheritdoc/>
    public void AtMany(ReadOnlySpan<double> coordinates, int count, Span<double> values)
    {
        if (_means.Length < count) (_solved, _means, _variances) = (new double[_points * count], new double[count], new double[count]);
        _objective.PredictMany(coordinates, count, _solved, _means, _variances);
        for (int c = 0; c < values.Length; c++)
        {
            for (int i = 0; i < _pending.Length; i++) _pending[i] = _solved[(_objective.Observed + i) * count + c];
            values[c] = Improvement(_means[c], Math.Sqrt(_variances[c]), _pending);
        }
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
}
