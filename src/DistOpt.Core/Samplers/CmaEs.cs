using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// The covariance matrix adaptation evolution strategy (Hansen, arXiv:1604.00772) with active covariance update, and with margin where coordinates are
/// discrete (Hamano et al., "CMA-ES with Margin", GECCO 2022, arXiv:2205.13482): points x come from N(m, sigma^2 C), what is rounded and tried is
/// m + A (x - m), and m and A are mended after every generation so that the neighbours of the mean's own cell keep at least the probability 1/(d lambda) of
/// being tried. As in the library cmaes.
/// </summary>
internal sealed class CmaEs
{
    private const double Epsilon = 1e-8;
    private const double LargestSigma = 1e32;

    private readonly Func<double, (double Low, double High)>?[] _cells;
    private readonly double _firstSigma;
    private readonly double[] _c;
    private readonly double[] _pathSigma;
    private readonly double[] _pathC;
    private readonly double[] _vectors;
    private readonly double[] _roots;
    private readonly List<(double Least, double Most)> _values = [];

    /// <param name="mean">Where it begins.</param>
    /// <param name="sigma">Deviation of the first points.</param>
    /// <param name="population">Points of a generation, at least 3.</param>
    /// <param name="cells">
    /// For each discrete coordinate the thresholds to the neighbours of the cell in which a place lies; in the outermost cells both are the one that there
    /// is. Null for the others.
    /// </param>
    /// <param name="covariance">Of the first points, over sigma^2; null = the unit matrix.</param>
    public CmaEs(ReadOnlySpan<double> mean, double sigma, int population, Func<double, (double Low, double High)>?[] cells, double[]? covariance = null)
    {
        int n = mean.Length;
        Constants = new CmaEsConstants(n, population);
        (Mean, Sigma, _firstSigma, _cells) = (mean.ToArray(), sigma, sigma, cells);
        (_pathSigma, _pathC, _vectors, _roots) = (new double[n], new double[n], new double[n * n], new double[n]);
        Scales = new double[n];
        Array.Fill(Scales, 1);
        _c = covariance is null ? new double[n * n] : [.. covariance];
        for (int i = 0; covariance is null && i < n; i++) _c[i * n + i] = 1;
        Decompose();
    }

    public CmaEsConstants Constants { get; }

    /// <summary>m.</summary>
    public double[] Mean { get; }

    /// <summary>The step size.</summary>
    public double Sigma { get; private set; }

    /// <summary>C, row after row.</summary>
    public ReadOnlySpan<double> Covariance => _c;

    /// <summary>The diagonal of A, which the margin sets.</summary>
    public double[] Scales { get; }

    /// <summary>Generations so far.</summary>
    public int Generation { get; private set; }

    /// <summary>The least probability of leaving a cell: alpha.</summary>
    public double Margin => 1.0 / (Constants.Dimensions * Constants.Population);

    /// <summary>Longest step in standard deviations that a point which was not drawn here counts with (Hansen, "Injecting External Solutions", 2011).</summary>
    private double LongestForeign => Math.Sqrt(Constants.Dimensions) + 2.0 * Constants.Dimensions / (Constants.Dimensions + 2);

    /// <summary>Draws a point x.</summary>
    public void Sample(ref CounterRandom random, Span<double> point)
    {
        int n = Mean.Length;
        Span<double> z = n <= 128 ? stackalloc double[n] : new double[n];
        for (int i = 0; i < n; i++) z[i] = _roots[i] * random.NextGaussian();
        for (int i = 0; i < n; i++)
        {
            double y = 0;
            for (int j = 0; j < n; j++) y += _vectors[i * n + j] * z[j];
            point[i] = Mean[i] + Sigma * y;
        }
    }

    /// <summary>The coordinate of m + A (x - m), which is rounded where it is discrete.</summary>
    public double Tried(int coordinate, double x) => Mean[coordinate] + Scales[coordinate] * (x - Mean[coordinate]);

    /// <summary>The x that belongs to such a coordinate.</summary>
    public double Told(int coordinate, double tried) => Mean[coordinate] + (tried - Mean[coordinate]) / Scales[coordinate];

    /// <summary>The deviation of a coordinate that is tried.</summary>
    public double Deviation(int coordinate) => Sigma * Scales[coordinate] * Math.Sqrt(_c[coordinate * Mean.Length + coordinate]);

    /// <summary>Goes on by a generation.</summary>
    /// <param name="points">As many as the population, the best first; as they were drawn, neither widened by A nor rounded.</param>
    /// <param name="values">Least and greatest value among them; NaN where some have none.</param>
    public void Tell(IReadOnlyList<(double[] Point, bool IsForeign)> points, (double Least, double Most) values)
    {
        var k = Constants;
        int n = k.Dimensions;
        Generation++;
        _values.Add(values);
        double[][] steps = new double[k.Population][], white = new double[k.Population][];
        for (int i = 0; i < k.Population; i++)
        {
            double[] y = steps[i] = new double[n];
            for (int j = 0; j < n; j++) y[j] = (points[i].Point[j] - Mean[j]) / Sigma;
            white[i] = Whiten(y);
            double length = Length(white[i]);
            if (!points[i].IsForeign || length <= LongestForeign) continue;
            for (int j = 0; j < n; j++) (y[j], white[i][j]) = (y[j] * LongestForeign / length, white[i][j] * LongestForeign / length);
        }
        double[] step = new double[n];
        for (int j = 0; j < n; j++)
        {
            for (int i = 0; i < k.Parents; i++) step[j] += k.Weights[i] * steps[i][j];
            Mean[j] += Sigma * step[j];
        }
        double[] whiteStep = Whiten(step);
        double rate = Math.Sqrt(k.CSigma * (2 - k.CSigma) * k.MuEff);
        for (int j = 0; j < n; j++) _pathSigma[j] = (1 - k.CSigma) * _pathSigma[j] + rate * whiteStep[j];
        double path = Length(_pathSigma);
        Sigma = Math.Min(LargestSigma, Sigma * Math.Exp(k.CSigma / k.DSigma * (path / k.ChiN - 1)));

        bool isShort = path / Math.Sqrt(1 - Math.Pow(1 - k.CSigma, 2 * (Generation + 1))) < (1.4 + 2.0 / (n + 1)) * k.ChiN;
        rate = isShort ? Math.Sqrt(k.CC * (2 - k.CC) * k.MuEff) : 0;
        for (int j = 0; j < n; j++) _pathC[j] = (1 - k.CC) * _pathC[j] + rate * step[j];
        AdaptCovariance(steps, white, isShort);
        Decompose();
        for (int j = 0; j < n; j++)
            if (_cells[j] is { } cells) KeepMargin(j, cells);
    }

    /// <summary>Whether nothing more is to be expected, so that it should begin anew elsewhere: the library's conditions.</summary>
    public bool IsDone
    {
        get
        {
            int n = Mean.Length, term = 10 + (int)Math.Ceiling(30.0 * n / Constants.Population);
            var (least, most) = (double.PositiveInfinity, double.NegativeInfinity);
            for (int i = Math.Max(0, _values.Count - term); i < _values.Count; i++)
                (least, most) = (Math.Min(least, _values[i].Least), Math.Max(most, _values[i].Most));
            if (Generation > term && most - least < 1e-12) return true;
            double tolerance = 1e-12 * _firstSigma, longest = 0, shortest = double.PositiveInfinity;
            bool isStill = true;
            for (int j = 0; j < n; j++)
            {
                isStill &= Sigma * _c[j * n + j] < tolerance && Sigma * _pathC[j] < tolerance;
                if (Mean[j] == Mean[j] + 0.2 * Deviation(j)) return true;
                (longest, shortest) = (Math.Max(longest, _roots[j]), Math.Min(shortest, _roots[j]));
            }
            if (isStill || Sigma * longest > 1e4 * _firstSigma || longest / shortest > 1e14) return true;
            int axis = Generation % n;
            bool moves = false;
            for (int j = 0; j < n; j++) moves |= Mean[j] != Mean[j] + 0.1 * Sigma * _roots[axis] * _vectors[j * n + axis];
            return !moves;
        }
    }

    private void AdaptCovariance(double[][] steps, double[][] white, bool isShort)
    {
        var k = Constants;
        int n = k.Dimensions;
        double sum = 0;
        double[] weights = new double[k.Population];
        for (int i = 0; i < k.Population; i++)
        {
            sum += k.Weights[i];
            double length = Length(white[i]);
            weights[i] = k.Weights[i] >= 0 ? k.Weights[i] : k.Weights[i] * n / (length * length + Epsilon);
        }
        double kept = 1 + (isShort ? 0 : k.C1 * k.CC * (2 - k.CC)) - k.C1 - k.CMu * sum;
        for (int a = 0; a < n; a++)
        {
            for (int b = a; b < n; b++)
            {
                double rankMu = 0;
                for (int i = 0; i < k.Population; i++) rankMu += weights[i] * steps[i][a] * steps[i][b];
                _c[a * n + b] = _c[b * n + a] = kept * _c[a * n + b] + k.C1 * _pathC[a] * _pathC[b] + k.CMu * rankMu;
            }
        }
    }

    /// <summary>C = B D^2 B^T, after which C is what its eigenvalues say, none below 0.</summary>
    private void Decompose()
    {
        int n = Mean.Length;
        double[] work = [.. _c];
        SymmetricEigen.Decompose(work, _roots, _vectors);
        bool isMended = false;
        for (int i = 0; i < n; i++)
        {
            isMended |= _roots[i] < 0;
            _roots[i] = Math.Sqrt(_roots[i] < 0 ? Epsilon : _roots[i]);
        }
        if (!isMended) return;
        for (int a = 0; a < n; a++)
        {
            for (int b = 0; b < n; b++)
            {
                _c[a * n + b] = 0;
                for (int i = 0; i < n; i++) _c[a * n + b] += _vectors[a * n + i] * _roots[i] * _roots[i] * _vectors[b * n + i];
            }
        }
    }

    /// <summary>B D^-1 B^T y.</summary>
    private double[] Whiten(double[] y)
    {
        int n = y.Length;
        double[] along = new double[n], white = new double[n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++) along[i] += _vectors[j * n + i] * y[j];
            along[i] /= _roots[i];
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) white[i] += _vectors[i * n + j] * along[j];
        return white;
    }

    /// <summary>Sets mean and scale of a discrete coordinate such that both neighbours of its cell, or in an outermost cell the one, can be reached.</summary>
    private void KeepMargin(int j, Func<double, (double Low, double High)> cells)
    {
        var (low, high) = cells(Mean[j]);
        double deviation = Deviation(j), alpha = Margin;
        double below = NormalDistribution.Cdf((low - Mean[j]) / deviation), above = NormalDistribution.Cdf((Mean[j] - high) / deviation);
        if (Math.Max(below, above) > 0.5)
        {
            if (Math.Min(below, above) < alpha) Mean[j] = high + Math.Sign(Mean[j] - high) * deviation * Deviates(alpha);
            return;
        }
        double inside = 1 - below - above, half = alpha / 2;
        (below, above) = (Math.Max(below, half), Math.Max(above, half));
        double excess = 1 - below - above - inside, spread = below + inside + above - 3 * half;
        (below, above) = (below + excess * (below - half) / spread, above + excess * (above - half) / spread);
        double left = Deviates(Math.Clamp(below, 1e-10, 0.5 - 1e-10)), right = Deviates(Math.Clamp(above, 1e-10, 0.5 - 1e-10));
        Scales[j] = (high - low) / ((left + right) * (deviation / Scales[j]));
        Mean[j] = (low * right + high * left) / (left + right);
    }

    /// <summary>How many deviations from the mean a threshold is beyond which the probability is p: the root of the chi-squared quantile at 1 - 2p.</summary>
    private static double Deviates(double p) => -NormalDistribution.Quantile(p);

    private static double Length(double[] vector)
    {
        double sum = 0;
        foreach (double v in vector) sum += v * v;
        return Math.Sqrt(sum);
    }
}
