using DistOpt.Core.Numerics;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// A Gaussian process whose function changes with time (Bogunovic et al., "Time-Varying Gaussian Process Bandit Optimization", AISTATS 2016), as PB2
/// uses it: covariance <c>s2 * exp(-|x - x'|^2 / l) * (1 - eps)^(|t - t'| / 2)</c>, of a point whose first coordinate is the time t and whose others are
/// x, with noise of variance <c>s2 * noise</c>.
/// </summary>
internal sealed class TimeVaryingProcess
{
    internal const double Epsilon = 0.1;

    private static readonly double[] s_lengths = [0.01, 0.03, 0.1, 0.3, 1];
    private static readonly double[] s_noises = [1e-3, 1e-2, 1e-1, 1];

    private readonly double[][] _points;
    private readonly double[] _factor;
    private readonly double[] _weights;
    private readonly double _length;
    private readonly double[] _covariances;

    /// <param name="points">At least one; time first.</param>
    /// <param name="values">One for each point.</param>
    /// <param name="length">l, above 0.</param>
    /// <param name="noise">Relative to s2, above 0.</param>
    /// <param name="variance">s2; null = the most likely one.</param>
    public TimeVaryingProcess(double[][] points, ReadOnlySpan<double> values, double length, double noise, double? variance = null)
    {
        (_points, _length, Noise) = (points, length, noise);
        _covariances = new double[points.Length];
        int n = points.Length;
        _factor = new double[n * n];
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++) _factor[i * n + j] = Covariance(points[i], points[j]) + (i == j ? noise : 0);
        if (!Cholesky.Factor(_factor, n)) throw new ArgumentException($"noise {noise} is too little for {n} points", nameof(noise));
        _weights = values.ToArray();
        Cholesky.SolveLower(_factor, n, _weights);
        double square = Vectors.Dot(_weights, _weights);
        Variance = variance ?? (square > 0 ? square / n : 1);
        LogLikelihood = -0.5 * (square / Variance + n * Math.Log(2 * Math.PI * Variance) + Cholesky.LogDeterminant(_factor, n));
        Cholesky.SolveUpper(_factor, n, _weights);
    }

    /// <summary>s2.</summary>
    public double Variance { get; }

    /// <summary>Of an observation, relative to s2.</summary>
    public double Noise { get; }

    public double Length => _length;

    /// <summary>Of the values, by the points.</summary>
    public double LogLikelihood { get; }

    /// <summary>The one with the most likely s2, l and noise, of a grid of the latter two; l at most 1.</summary>
    public static TimeVaryingProcess Fit(double[][] points, ReadOnlySpan<double> values)
    {
        TimeVaryingProcess? best = null;
        foreach (double length in s_lengths)
        {
            foreach (double noise in s_noises)
            {
                var process = new TimeVaryingProcess(points, values, length, noise);
                if (best is null || process.LogLikelihood > best.LogLikelihood) best = process;
            }
        }
        return best!;
    }

    /// <summary>Mean and variance of the function, without noise, at a point.</summary>
    public (double Mean, double Variance) At(double[] point)
    {
        for (int i = 0; i < _points.Length; i++) _covariances[i] = Covariance(_points[i], point);
        double mean = Vectors.Dot(_covariances, _weights);
        Cholesky.SolveLower(_factor, _points.Length, _covariances);
        return (mean, Variance * Math.Max(0, 1 - Vectors.Dot(_covariances, _covariances)));
    }

    private double Covariance(double[] a, double[] b)
    {
        double square = 0;
        for (int d = 1; d < a.Length; d++) square += (a[d] - b[d]) * (a[d] - b[d]);
        return Math.Exp(-square / _length) * Math.Pow(1 - Epsilon, 0.5 * Math.Abs(a[0] - b[0]));
    }
}
