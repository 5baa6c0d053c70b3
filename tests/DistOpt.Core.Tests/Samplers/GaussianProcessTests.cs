using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The process against its definition written out slowly, and its gradients against finite differences.</summary>
public sealed class GaussianProcessTests
{
    private static readonly bool[] s_isChoice = [false, false, true];

    private static readonly GaussianProcess.Hyperparameters s_hyper = new([2.5, 0.4, 0.8], 1.3, 0.01);

    [Fact]
    public void Mean_and_variance_are_those_of_the_closed_form()
    {
        var (points, values) = Data(9);
        var process = GaussianProcess.Condition(points, values, s_isChoice, s_hyper)!;
        foreach (double[] at in Data(5, stream: 2).Points)
        {
            var (mean, variance) = process.Predict(at, new double[9]);
            var (slowMean, slowVariance) = Slow(points, [.. values], [.. Enumerable.Repeat(0.01, 9)], at);
            Assert.Equal(slowMean, mean, 1e-10);
            Assert.Equal(slowVariance, variance, 1e-10);
        }
    }

    [Fact]
    public void The_kernel_is_materns_of_order_5_over_2()
    {
        double r = 0.7;
        Assert.Equal((1 + Math.Sqrt(5) * r + 5 * r * r / 3) * Math.Exp(-Math.Sqrt(5) * r), GaussianProcess.Matern(r * r), 1e-15);
        Assert.Equal((GaussianProcess.Matern(0.5 + 1e-6) - GaussianProcess.Matern(0.5 - 1e-6)) / 2e-6, GaussianProcess.MaternSlope(0.5), 1e-8);
        Assert.Equal((1, -5.0 / 6), (GaussianProcess.Matern(0), GaussianProcess.MaternSlope(0)));
    }

    [Fact]
    public void The_posterior_of_the_hyperparameters_has_the_gradient_of_finite_differences()
    {
        var (points, values) = Data(12);
        var posterior = new GaussianProcess.Posterior(points, values, s_isChoice);
        double[] logs = [0.3, -1, 0.2, 0.4, -3], gradient = new double[5], scratch = new double[5];
        double value = posterior.Negative(logs, gradient);
        for (int i = 0; i < logs.Length; i++)
        {
            double[] more = [.. logs], less = [.. logs];
            (more[i], less[i]) = (logs[i] + 1e-5, logs[i] - 1e-5);
            double difference = (posterior.Negative(more, scratch) - posterior.Negative(less, scratch)) / 2e-5;
            Assert.Equal(difference, gradient[i], 1e-5 * Math.Max(1, Math.Abs(difference)));
        }
        Assert.Equal(-SlowLogPosterior(points, values, posterior.FromLogs(logs)), value, 1e-8);
    }

    /// <summary>Dimensions that do not matter get long length scales; of pure noise the noise is most.</summary>
    [Fact]
    public void The_fit_tells_what_matters()
    {
        var (points, _) = Data(40);
        var hyper = GaussianProcess.Fit(points, Standard([.. points.Select(p => Math.Sin(6 * p[0]))]), s_isChoice);
        Assert.True(hyper.Inverse[0] > 10 * hyper.Inverse[1] && hyper.Inverse[0] > 10 * hyper.Inverse[2], string.Join(' ', hyper.Inverse));
        Assert.True(hyper.Noise < 1e-2, $"noise {hyper.Noise}");
        var random = new CounterRandom(9, RandomPurpose.User);
        double[] noise = new double[40];
        for (int i = 0; i < 40; i++) noise[i] = random.NextGaussian();
        Assert.True(GaussianProcess.Fit(points, Standard(noise), s_isChoice).Noise > 10 * hyper.Noise);
    }

    /// <summary>The average over fantasies, each seen as a process that has got the fantasy's values at the pending points.</summary>
    [Fact]
    public void Acquisition_with_pending_points_is_the_average_over_fantasies_of_the_closed_form()
    {
        var (points, values) = Data(8);
        double[][] pending = Data(3, stream: 5).Points, fantasies = [[0.3, -1, 0.5], [-0.2, 0.8, 1.7], [2, 0.1, -0.4]];
        var process = GaussianProcess.Condition([.. points, .. pending], values, s_isChoice, s_hyper)!;
        double best = values.Max();
        var acquisition = new GpAcquisition(new GpExpectedImprovement(process, best, fantasies), []);
        foreach (double[] at in Data(6, stream: 6).Points)
        {
            double sum = 0;
            foreach (double[] fantasy in fantasies)
            {
                double[][] seen = points;
                double[] known = [.. values], noises = [.. Enumerable.Repeat(0.01, 8)];
                double most = best;
                for (int i = 0; i < 3; i++)
                {
                    var (m, v) = Slow(seen, known, noises, pending[i]);
                    double value = m + Math.Sqrt(v + 1e-6) * fantasy[i];
                    (seen, known, noises, most) = ([.. seen, pending[i]], [.. known, value], [.. noises, 1e-6], Math.Max(most, value));
                }
                var (mean, variance) = Slow(seen, known, noises, at);
                double z = (mean - most) / Math.Sqrt(variance);
                sum += Math.Sqrt(variance) * (Math.Exp(-z * z / 2) / Math.Sqrt(2 * Math.PI) + z * NormalDistribution.Cdf(z)) / 3;
            }
            Assert.Equal(Math.Log(sum), acquisition.At(at, []), 1e-6);
        }
    }

    /// <summary>Also where no trial is there to improve on, and where the last ones do not fill a block.</summary>
    [Theory]
    [InlineData(0, false, true)]
    [InlineData(2, false, true)]
    [InlineData(0, true, true)]
    [InlineData(2, true, true)]
    [InlineData(0, true, false)]
    public void Acquisition_of_many_points_is_that_of_each(int pendingPoints, bool isConstrained, bool hasBest)
    {
        var (points, values) = Data(37);
        double[][] pending = [.. Data(5, stream: 5).Points.Take(pendingPoints)];
        var process = GaussianProcess.Condition([.. points, .. pending], values, s_isChoice, s_hyper)!;
        var other = GaussianProcess.Condition(points[..30], [.. values[..30].Select(v => v * v - 0.5)], s_isChoice, s_hyper with { Scale = 0.6 })!;
        double[][] fantasies = pendingPoints > 0 ? [[0.4, -1], [-0.3, 0.2]] : [[]];
        var acquisition = new GpAcquisition(hasBest ? new GpExpectedImprovement(process, values.Max(), fantasies) : null,
            isConstrained ? [(other, -0.8), (other, 0.9)] : []);
        double[][] at = Data(150, stream: 6).Points;
        double[] found = new double[150];

        acquisition.AtMany(at, found);

        for (int i = 0; i < at.Length; i++)
        {
            double one = acquisition.At(at[i], []);
            Assert.Equal(one, found[i], 1e-8 * Math.Max(1, Math.Abs(one)));
        }
        acquisition.AtMany([], []);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Acquisition_has_the_gradient_of_finite_differences(bool isPending, bool isConstrained)
    {
        var (points, values) = Data(8);
        double[][] pending = isPending ? Data(2, stream: 5).Points : [];
        var process = GaussianProcess.Condition([.. points, .. pending], values, s_isChoice, s_hyper)!;
        var other = GaussianProcess.Condition(points, [.. values.Select(v => v * v - 0.5)], s_isChoice, s_hyper with { Scale = 0.6 })!;
        double[][] fantasies = isPending ? [[0.4, -1], [-0.3, 0.2]] : [[]];
        var acquisition = new GpAcquisition(new GpExpectedImprovement(process, values.Max(), fantasies), isConstrained ? [(other, -0.8), (other, 0.9)] : []);
        double[] gradient = new double[3];
        foreach (double[] at in Data(6, stream: 6).Points)
        {
            acquisition.At(at, gradient);
            for (int j = 0; j < 2; j++)
            {
                double[] more = [.. at], less = [.. at];
                (more[j], less[j]) = (at[j] + 1e-6, at[j] - 1e-6);
                double difference = (acquisition.At(more, []) - acquisition.At(less, [])) / 2e-6;
                Assert.Equal(difference, gradient[j], 1e-4 * Math.Max(1, Math.Abs(difference)));
            }
            Assert.Equal(0, gradient[2]);
        }
    }

    private static (double[][] Points, double[] Values) Data(int count, int stream = 1)
    {
        var random = new CounterRandom(1, RandomPurpose.User, stream);
        double[][] points = new double[count][];
        for (int i = 0; i < count; i++) points[i] = [random.NextDouble(), random.NextDouble(), random.NextInt(3)];
        return (points, [.. points.Select(p => Math.Sin(5 * p[0]) + p[1] * p[1] - 0.3 * p[2])]);
    }

    private static double[] Standard(double[] values)
    {
        double mean = values.Average(), deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
        return [.. values.Select(v => (v - mean) / deviation)];
    }

    private static double Kernel(double[] a, double[] b, GaussianProcess.Hyperparameters hyper)
    {
        double squared = hyper.Inverse[0] * Math.Pow(a[0] - b[0], 2) + hyper.Inverse[1] * Math.Pow(a[1] - b[1], 2) + (a[2] == b[2] ? 0 : hyper.Inverse[2]);
        double r = Math.Sqrt(5 * squared);
        return hyper.Scale * (1 + r + r * r / 3) * Math.Exp(-r);
    }

    private static (double Mean, double Variance) Slow(double[][] points, double[] values, double[] noises, double[] at)
    {
        double[,] matrix = Matrix(points, noises, s_hyper);
        double[] k = [.. points.Select(p => Kernel(p, at, s_hyper))];
        double[] byValues = Solve(matrix, values, out _), byKernel = Solve(matrix, k, out _);
        return (k.Zip(byValues, (a, b) => a * b).Sum(), s_hyper.Scale - k.Zip(byKernel, (a, b) => a * b).Sum());
    }

    private static double SlowLogPosterior(double[][] points, double[] values, GaussianProcess.Hyperparameters hyper)
    {
        double[] solved = Solve(Matrix(points, [.. values.Select(_ => hyper.Noise)], hyper), values, out double logDeterminant);
        double likelihood = -0.5 * values.Zip(solved, (a, b) => a * b).Sum() - 0.5 * logDeterminant - values.Length / 2.0 * Math.Log(2 * Math.PI);
        return likelihood - hyper.Inverse.Sum(i => 0.1 / i + 0.1 * i) + Math.Log(hyper.Scale) - hyper.Scale + 0.1 * Math.Log(hyper.Noise) - 30 * hyper.Noise;
    }

    private static double[,] Matrix(double[][] points, double[] noises, GaussianProcess.Hyperparameters hyper)
    {
        var matrix = new double[points.Length, points.Length];
        for (int i = 0; i < points.Length; i++)
            for (int j = 0; j < points.Length; j++) matrix[i, j] = Kernel(points[i], points[j], hyper) + (i == j ? noises[i] : 0);
        return matrix;
    }

    /// <summary>Gauss's elimination with pivots.</summary>
    private static double[] Solve(double[,] matrix, double[] right, out double logDeterminant)
    {
        int n = right.Length;
        var (a, b) = ((double[,])matrix.Clone(), (double[])right.Clone());
        logDeterminant = 0;
        for (int i = 0; i < n; i++)
        {
            int pivot = Enumerable.Range(i, n - i).MaxBy(r => Math.Abs(a[r, i]));
            for (int c = 0; c < n; c++) (a[i, c], a[pivot, c]) = (a[pivot, c], a[i, c]);
            (b[i], b[pivot]) = (b[pivot], b[i]);
            logDeterminant += Math.Log(Math.Abs(a[i, i]));
            for (int r = 0; r < n; r++)
            {
                if (r == i) continue;
                double factor = a[r, i] / a[i, i];
                for (int c = i; c < n; c++) a[r, c] -= factor * a[i, c];
                b[r] -= factor * b[i];
            }
        }
        return [.. b.Select((v, i) => v / a[i, i])];
    }
}
