using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Kernel density over numbers within [0, 1] and choices by their indices, as <c>statsmodels</c>' <c>KDEMultivariate</c> with the bandwidth
/// <c>normal_reference</c>: h_j = 1.06 s_j n^(-1 / (4 + d)), s_j the deviation of the n rows in dimension j. The density is the mean over the rows of products
/// of normal densities and, for choices, of the kernel of Aitchison and Aitken ("Multivariate binary discrimination by the kernel method", Biometrika 1976):
/// 1 - h at the row's own choice, h / (K - 1) at each other one. There h is at most (K - 1) / K, where all choices are as likely; and K is the number of
/// choices that there are, not of those that the rows have.
/// </summary>
internal sealed class ProductKernelDensity
{
    private readonly double[][] _rows;
    private readonly int[] _choices;

    /// <param name="rows">At least one; each with a value for every dimension.</param>
    /// <param name="choices">For each dimension the number of choices, at least 2; 0 = numbers.</param>
    /// <param name="least">Least bandwidth.</param>
    public ProductKernelDensity(double[][] rows, int[] choices, double least)
    {
        (_rows, _choices) = (rows, choices);
        double rate = 1.06 * Math.Pow(rows.Length, -1.0 / (4 + choices.Length));
        Bandwidths = new double[choices.Length];
        for (int j = 0; j < Bandwidths.Length; j++)
        {
            double width = Math.Max(least, rate * Deviation(rows, j));
            Bandwidths[j] = choices[j] > 0 ? Math.Min(width, (choices[j] - 1.0) / choices[j]) : width;
        }
    }

    /// <summary>h, one for each dimension.</summary>
    public double[] Bandwidths { get; }

    /// <summary>The density at a point; over [0, 1] it does not sum up to 1, since normal kernels reach beyond.</summary>
    public double At(ReadOnlySpan<double> point)
    {
        double sum = 0;
        foreach (double[] row in _rows)
        {
            double product = 1;
            for (int j = 0; j < row.Length && product > 0; j++) product *= Kernel(j, row[j], point[j]);
            sum += product;
        }
        return sum / _rows.Length;
    }

    /// <summary>
    /// A point near one of the rows: numbers from a normal distribution around the row's, with the bandwidth times a factor, truncated to [0, 1]; choices
    /// stay with probability 1 - h, and else are any.
    /// </summary>
    /// <param name="random">A whole number, then one or, for choices, two draws for each dimension.</param>
    /// <param name="factor">Of the bandwidths of numbers.</param>
    /// <param name="point">Receives it.</param>
    public void Draw(ref CounterRandom random, double factor, Span<double> point)
    {
        double[] row = _rows[random.NextInt(_rows.Length)];
        for (int j = 0; j < row.Length; j++)
        {
            double uniform = random.NextDouble();
            if (_choices[j] == 0) point[j] = Truncated(row[j], factor * Bandwidths[j], uniform);
            else
            {
                int other = random.NextInt(_choices[j]);
                point[j] = uniform < 1 - Bandwidths[j] ? row[j] : other;
            }
        }
    }

    private double Kernel(int dimension, double row, double at)
    {
        double width = Bandwidths[dimension];
        if (_choices[dimension] > 0) return row == at ? 1 - width : width / (_choices[dimension] - 1);
        double z = (at - row) / width;
        return Math.Exp(-0.5 * z * z) / (width * Math.Sqrt(Math.Tau));
    }

    /// <summary>A value of N(mean, deviation^2) within [0, 1]; the mean is.</summary>
    private static double Truncated(double mean, double deviation, double uniform)
    {
        double from = NormalDistribution.Cdf(-mean / deviation), to = NormalDistribution.Cdf((1 - mean) / deviation);
        double deviate = NormalDistribution.Quantile(Math.Clamp(from + uniform * (to - from), double.Epsilon, 1 - 1e-16));
        return Math.Clamp(mean + deviation * deviate, 0, 1);
    }

    private static double Deviation(double[][] rows, int dimension)
    {
        double sum = 0, squares = 0;
        foreach (double[] row in rows) sum += row[dimension];
        double mean = sum / rows.Length;
        foreach (double[] row in rows) squares += (row[dimension] - mean) * (row[dimension] - mean);
        return Math.Sqrt(squares / rows.Length);
    }
}
