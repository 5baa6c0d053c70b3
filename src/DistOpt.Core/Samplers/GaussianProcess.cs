using System.Runtime.Intrinsics;
using DistOpt.Core.Numerics;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Gaussian process regression with the Matern kernel of order 5/2 and a length scale for each dimension: k(a, b) = s (1 + sqrt(5) r + 5/3 r^2)
/// exp(-sqrt(5) r), r^2 = sum_j i_j (a_j - b_j)^2, where i_j is an inverse squared length scale; for choices the difference is 0 or 1. The noise's
/// variance is added on the diagonal. Hyperparameters maximize the posterior density under Optuna's priors (<c>_gp/gp.py</c>, <c>_gp/prior.py</c>).
/// Values are expected to have mean 0 and deviation 1.
/// </summary>
internal sealed class GaussianProcess
{
    private const double LeastNoise = 1e-6;
    private const double Sqrt5 = 2.2360679774997896964;
    private const double HalfLogTwoPi = 0.91893853320467274178;

    private readonly double[][] _points;
    private readonly bool[] _isChoice;
    private readonly int _observed;
    private readonly double[] _factor;
    private readonly double[] _weights;
    private readonly int _stride;

    private GaussianProcess(double[][] points, int observed, bool[] isChoice, Hyperparameters hyperparameters, double[] factor, double[] weights) =>
        (_points, _observed, _isChoice, Hyper, _factor, _weights, _stride) = (points, observed, isChoice, hyperparameters, factor, weights, points.Length);

    /// <summary>What the kernel depends on.</summary>
    /// <param name="Inverse">Inverse squared length scale of each dimension.</param>
    /// <param name="Scale">The kernel's variance.</param>
    /// <param name="Noise">The noise's variance.</param>
    public sealed record Hyperparameters(double[] Inverse, double Scale, double Noise)
    {
        public static Hyperparameters Default(int dimensions) => new([.. Enumerable.Repeat(1.0, dimensions)], 1, 1);
    }

    public Hyperparameters Hyper { get; }

    /// <summary>Points without a value that further points are seen in the light of.</summary>
    public int Pending => _points.Length - _observed;

    /// <summary>Number of points with a value.</summary>
    public int Observed => _observed;

    /// <summary>A process that has seen values at points, and will see some at pending ones.</summary>
    /// <param name="points">The observed points, then the pending ones.</param>
    /// <param name="values">Of the observed points.</param>
    /// <param name="isChoice">For each dimension whether it is one of choices.</param>
    /// <param name="hyper">The kernel's.</param>
    /// <returns>Null where the kernel's matrix has no Cholesky factor.</returns>
    public static GaussianProcess? Condition(double[][] points, double[] values, bool[] isChoice, Hyperparameters hyper)
    {
        int n = points.Length;
        double[] matrix = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < i; j++) matrix[i * n + j] = hyper.Scale * Matern(Distance(points[i], points[j], hyper.Inverse, isChoice));
            matrix[i * n + i] = hyper.Scale + (i < values.Length ? hyper.Noise : LeastNoise);
        }
        if (!Cholesky.Factor(matrix, n)) return null;
        double[] weights = [.. values];
        for (int i = 0; i < values.Length; i++) weights[i] = (weights[i] - Vectors.Dot(matrix.AsSpan(i * n, i), weights.AsSpan(0, i))) / matrix[i * n + i];
        return new GaussianProcess(points, values.Length, isChoice, hyper, matrix, weights);
    }

    /// <summary>The process under the hyperparameters of greatest posterior density, from all ones; under all ones where that fails.</summary>
    /// <exception cref="InvalidOperationException">Even those give no Cholesky factor: values or points are not finite.</exception>
    public static Hyperparameters Fit(double[][] points, double[] values, bool[] isChoice)
    {
        int d = isChoice.Length;
        var likelihood = new Posterior(points, values, isChoice);
        double[] logs = new double[d + 2], low = new double[d + 2], high = new double[d + 2];
        // beyond e^+-15 nothing changes any more
        Array.Fill(low, -15);
        Array.Fill(high, 15);
        double found = BoxMinimizer.Minimize(likelihood.Negative, logs, low, high, tolerance: 1e-2, iterations: 200);
        return double.IsFinite(found) ? likelihood.FromLogs(logs) : Hyperparameters.Default(d);
    }

    /// <summary>What is known of the value at a point.</summary>
    /// <param name="point">Where.</param>
    /// <param name="solved">
    /// Receives L^-1 k, one for each observed and pending point: its part of the pending ones says how the mean moves with what is seen there.
    /// </param>
    /// <returns>Mean by the observed values, and variance once the pending ones are known too.</returns>
    public (double Mean, double Variance) Predict(ReadOnlySpan<double> point, Span<double> solved)
    {
        for (int i = 0; i < _points.Length; i++) solved[i] = Hyper.Scale * Matern(Distance(point, _points[i], Hyper.Inverse, _isChoice));
        Cholesky.SolveLower(_factor, _stride, solved);
        double mean = Vectors.Dot(solved[.._observed], _weights);
        return (mean, Math.Max(1e-12, Hyper.Scale - Vectors.Dot(solved, solved)));
    }

    /// <summary><see cref="Predict"/> of many points at once.</summary>
    /// <param name="coordinates">Of all points, one dimension after the other.</param>
    /// <param name="count">Points, a multiple of <see cref="Cholesky.Together"/>.</param>
    /// <param name="solved">Receives L^-1 k of each, row after row, each of one element for each point.</param>
    /// <param name="means">Receives a mean for each point.</param>
    /// <param name="variances">Receives a variance for each point.</param>
    public void PredictMany(ReadOnlySpan<double> coordinates, int count, Span<double> solved, Span<double> means, Span<double> variances)
    {
        for (int i = 0; i < _points.Length; i++)
        {
            var row = solved.Slice(i * count, count);
            row.Clear();
            for (int j = 0; j < _isChoice.Length; j++) AddDistances(coordinates.Slice(j * count, count), _points[i][j], Hyper.Inverse[j], _isChoice[j], row);
            for (int c = 0; c < count; c++) row[c] = Hyper.Scale * Matern(row[c]);
        }
        Cholesky.SolveLowerMany(_factor, _stride, solved, count);
        means.Clear();
        variances.Clear();
        for (int i = 0; i < _points.Length; i++)
        {
            var row = solved.Slice(i * count, count);
            if (i < _observed) Vectors.Add(_weights[i], row, means);
            for (int c = 0; c < count; c++) variances[c] += row[c] * row[c];
        }
        for (int c = 0; c < count; c++) variances[c] = Math.Max(1e-12, Hyper.Scale - variances[c]);
    }

    /// <summary>Mean and factor of the covariance of the values at the pending points; row i has i + 1 elements.</summary>
    public (double[] Means, double[][] Factor) PendingValues()
    {
        double[] means = new double[Pending];
        double[][] factor = new double[Pending][];
        for (int i = 0; i < Pending; i++)
        {
            var row = _factor.AsSpan((_observed + i) * _stride, _stride);
            means[i] = Vectors.Dot(row[.._observed], _weights);
            factor[i] = row.Slice(_observed, i + 1).ToArray();
        }
        return (means, factor);
    }

    /// <summary>Adds the gradient, by the point, of byMean * mean + byVariance * variance + byPending * (the pending part of L^-1 k).</summary>
    /// <param name="point">Where.</param>
    /// <param name="solved">What <see cref="Predict"/> wrote for the point.</param>
    /// <param name="byMean">Factor of the mean.</param>
    /// <param name="byVariance">Factor of the variance.</param>
    /// <param name="byPending">Factor of each pending element.</param>
    /// <param name="gradient">Added to; nothing for choices.</param>
    public void AddGradient(ReadOnlySpan<double> point, ReadOnlySpan<double> solved, double byMean, double byVariance, ReadOnlySpan<double> byPending,
        Span<double> gradient)
    {
        double[] back = new double[_points.Length];
        for (int i = 0; i < back.Length; i++)
            back[i] = -2 * byVariance * solved[i] + (i < _observed ? byMean * _weights[i] : byPending.IsEmpty ? 0 : byPending[i - _observed]);
        Cholesky.SolveUpper(_factor, _stride, back);
        for (int i = 0; i < _points.Length; i++)
        {
            double slope = back[i] * Hyper.Scale * MaternSlope(Distance(point, _points[i], Hyper.Inverse, _isChoice));
            for (int j = 0; j < gradient.Length; j++)
                if (!_isChoice[j]) gradient[j] += slope * 2 * Hyper.Inverse[j] * (point[j] - _points[i][j]);
        }
    }

    internal static double Matern(double squared)
    {
        double r = Sqrt5 * Math.Sqrt(squared);
        return (1 + r + 5.0 / 3 * squared) * Math.Exp(-r);
    }

    /// <summary>Derivative by the squared distance.</summary>
    internal static double MaternSlope(double squared)
    {
        double r = Sqrt5 * Math.Sqrt(squared);
        return -5.0 / 6 * (1 + r) * Math.Exp(-r);
    }

    private static double Distance(ReadOnlySpan<double> a, ReadOnlySpan<double> b, double[] inverse, bool[] isChoice)
    {
        double sum = 0;
        for (int j = 0; j < inverse.Length; j++) sum += inverse[j] * Difference(a[j], b[j], isChoice[j]);
        return sum;
    }

    private static void AddDistances(ReadOnlySpan<double> from, double to, double inverse, bool isChoice, Span<double> sums)
    {
        if (isChoice)
        {
            for (int c = 0; c < from.Length; c++)
                if (from[c] != to) sums[c] += inverse;
            return;
        }
        var (all, factor) = (Vector256.Create(to), Vector256.Create(inverse));
        int i = 0;
        for (; i <= from.Length - 4; i += 4)
        {
            var difference = Vector256.Create(from[i..]) - all;
            (Vector256.Create<double>(sums[i..]) + factor * (difference * difference)).CopyTo(sums[i..]);
        }
        for (; i < from.Length; i++) sums[i] += inverse * ((from[i] - to) * (from[i] - to));
    }

    private static double Difference(double a, double b, bool isChoice) => isChoice ? a == b ? 0 : 1 : (a - b) * (a - b);

    /// <summary>
    /// Log likelihood of the values plus the logarithms of the priors: -(0.1 / i + 0.1 i) for each dimension, Gamma(2, 1) of the scale, Gamma(1.1, 30) of
    /// the noise. By the logarithms of the hyperparameters; the noise's above its least value.
    /// </summary>
    internal sealed class Posterior
    {
        private readonly double[] _values;
        private readonly int _n;
        private readonly int _d;

        // squared differences of each pair i > j, one dimension after the other
        private readonly double[][] _differences;
        private readonly double[] _kernel;
        private readonly double[] _factor;
        private readonly double[] _inverse;
        private readonly double[] _slopes;

        public Posterior(double[][] points, double[] values, bool[] isChoice)
        {
            (_values, _n, _d) = (values, values.Length, isChoice.Length);
            _differences = new double[_d][];
            for (int k = 0; k < _d; k++)
            {
                double[] all = _differences[k] = new double[_n * (_n - 1) / 2];
                for (int i = 0, pair = 0; i < _n; i++)
                    for (int j = 0; j < i; j++) all[pair++] = Difference(points[i][k], points[j][k], isChoice[k]);
            }
            (_kernel, _slopes) = (new double[_n * (_n - 1) / 2], new double[_n * (_n - 1) / 2]);
            (_factor, _inverse) = (new double[_n * _n], new double[_n * _n]);
        }

        public Hyperparameters FromLogs(ReadOnlySpan<double> logs)
        {
            double[] inverse = new double[_d];
            for (int k = 0; k < _d; k++) inverse[k] = Math.Exp(logs[k]);
            return new Hyperparameters(inverse, Math.Exp(logs[_d]), LeastNoise + Math.Exp(logs[_d + 1]));
        }

        /// <summary>The negative log density, and its gradient; infinite where the kernel's matrix has no Cholesky factor.</summary>
        public double Negative(ReadOnlySpan<double> logs, Span<double> gradient)
        {
            var hyper = FromLogs(logs);
            var distances = _slopes.AsSpan();
            distances.Clear();
            for (int k = 0; k < _d; k++) Vectors.Add(hyper.Inverse[k], _differences[k], distances);
            for (int i = 0, pair = 0; i < _n; i++)
            {
                for (int j = 0; j < i; j++, pair++)
                {
                    double r = Sqrt5 * Math.Sqrt(distances[pair]), decay = hyper.Scale * Math.Exp(-r);
                    _factor[i * _n + j] = _kernel[pair] = (1 + r + 5.0 / 3 * distances[pair]) * decay;
                    _slopes[pair] = -5.0 / 6 * (1 + r) * decay;
                }
                _factor[i * _n + i] = hyper.Scale + hyper.Noise;
            }
            if (!Cholesky.Factor(_factor, _n)) return double.PositiveInfinity;
            double[] alpha = [.. _values];
            Cholesky.SolveLower(_factor, _n, alpha);
            double density = -0.5 * Vectors.Dot(alpha, alpha) - 0.5 * Cholesky.LogDeterminant(_factor, _n) - _n * HalfLogTwoPi;
            Cholesky.SolveUpper(_factor, _n, alpha);
            Cholesky.Inverse(_factor, _n, _inverse);

            // d density / d K = (alpha alpha^T - K^-1) / 2; each pair stands there twice
            double byScale = 0, byNoise = 0;
            double[] byInverse = new double[_d];
            for (int i = 0, pair = 0; i < _n; i++)
            {
                double own = (alpha[i] * alpha[i] - _inverse[i * _n + i]) / 2;
                byNoise += own;
                byScale += own;
                for (int j = 0; j < i; j++, pair++)
                {
                    double weight = alpha[i] * alpha[j] - _inverse[i * _n + j];
                    byScale += weight * _kernel[pair] / hyper.Scale;
                    _slopes[pair] *= weight;
                }
            }
            for (int k = 0; k < _d; k++) byInverse[k] = Vectors.Dot(_slopes, _differences[k]);

            for (int k = 0; k < _d; k++)
            {
                double i = hyper.Inverse[k];
                density -= 0.1 / i + 0.1 * i;
                gradient[k] = -(byInverse[k] + 0.1 / (i * i) - 0.1) * i;
            }
            density += Math.Log(hyper.Scale) - hyper.Scale + 0.1 * Math.Log(hyper.Noise) - 30 * hyper.Noise;
            gradient[_d] = -(byScale + 1 / hyper.Scale - 1) * hyper.Scale;
            gradient[_d + 1] = -(byNoise + 0.1 / hyper.Noise - 30) * (hyper.Noise - LeastNoise);
            return -density;
        }
    }
}
