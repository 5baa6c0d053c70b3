using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Processes and hypervolumes together, against both one after the other, and gradients against finite differences.</summary>
public sealed class GpHypervolumeImprovementTests
{
    private const int Samples = 16;

    private static readonly bool[] s_isChoice = [false, false, true];

    // the noise of observed values is that of pending ones, so that these may be taken for the others
    private static readonly GaussianProcess.Hyperparameters[] s_hyper =
        [new([2.5, 0.4, 0.8], 1.3, 1e-6), new([0.7, 1.5, 0.3], 0.9, 1e-6), new([1, 1, 1], 1, 1e-6)];

    /// <summary>Each sample as processes that have seen its values at the pending points, and the volume of its front with and without the point.</summary>
    [Theory]
    [InlineData(2, 0)]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    public void It_is_the_average_over_fantasies_of_what_the_point_adds_to_their_fronts(int objectives, int pendingPoints)
    {
        double[][] points = Points(5, 1), pending = Points(pendingPoints, 5), normals = Normals(objectives, pendingPoints), losses = Losses(points, objectives);
        var improvement = Create(points, pending, normals, objectives);
        double[] reference = HypervolumeSubset.ReferenceOf(losses);
        int improved = 0;
        foreach (double[] at in Points(8, 6))
        {
            double average = 0;
            foreach (double[] normal in normals)
            {
                double[][] front = [.. losses, .. pending.Select(_ => new double[objectives])];
                double[] added = new double[objectives];
                for (int k = 0; k < objectives; k++)
                {
                    double[][] seen = points;
                    double[] values = [.. losses.Select(l => -l[k])];
                    for (int i = 0; i <= pendingPoints; i++)
                    {
                        double[] place = i < pendingPoints ? pending[i] : at;
                        var (mean, variance) = GaussianProcess.Condition(seen, values, s_isChoice, s_hyper[k])!.Predict(place, new double[seen.Length]);
                        double value = mean + Math.Sqrt(variance + (i < pendingPoints ? 1e-6 : 0)) * normal[k * (pendingPoints + 1) + i];
                        if (i == pendingPoints) added[k] = -value;
                        else front[points.Length + i][k] = -value;
                        (seen, values) = ([.. seen, place], [.. values, value]);
                    }
                }
                average += (Hypervolume.Of([.. front, added], reference) - Hypervolume.Of(front, reference)) / Samples;
            }
            if (average > 1e-3) improved++;
            // beside nothing there are the least sides
            Assert.Equal(average, Math.Exp(improvement.At(at, [])), 1e-9);
        }
        Assert.InRange(improved, 3, 8);
    }

    [Theory]
    [InlineData(2, 0, false)]
    [InlineData(2, 2, false)]
    [InlineData(2, 0, true)]
    [InlineData(3, 2, true)]
    public void It_has_the_gradient_of_finite_differences_and_many_points_the_value_of_each(int objectives, int pendingPoints, bool isConstrained)
    {
        double[][] points = Points(37, 1), at = Points(150, 6);
        var other = GaussianProcess.Condition(points[..30], [.. points[..30].Select(p => p[0] - p[1])], s_isChoice, s_hyper[2] with { Noise = 0.01 })!;
        var acquisition = new GpAcquisition(Create(points, Points(pendingPoints, 5), Normals(objectives, pendingPoints), objectives),
            isConstrained ? [(other, -0.2), (other, 0.5)] : []);
        double[] found = new double[150], gradient = new double[3];
        acquisition.AtMany(at, found);
        for (int i = 0; i < at.Length; i++) Assert.Equal(acquisition.At(at[i], []), found[i], 1e-6 * Math.Max(1, Math.Abs(found[i])));
        foreach (double[] point in at.Take(12))
        {
            Assert.Equal(acquisition.At(point, []), acquisition.At(point, gradient));
            for (int j = 0; j < 2; j++)
            {
                double[] more = [.. point], less = [.. point];
                (more[j], less[j]) = (point[j] + 1e-6, point[j] - 1e-6);
                double difference = (acquisition.At(more, []) - acquisition.At(less, [])) / 2e-6;
                Assert.Equal(difference, gradient[j], 1e-3 * Math.Max(1, Math.Abs(difference)));
            }
            Assert.Equal(0, gradient[2]);
        }
    }

    private static GpHypervolumeImprovement Create(double[][] points, double[][] pending, double[][] normals, int objectives)
    {
        double[][] losses = Losses(points, objectives);
        return new GpHypervolumeImprovement([.. Enumerable.Range(0, objectives).Select(k =>
            GaussianProcess.Condition([.. points, .. pending], [.. losses.Select(l => -l[k])], s_isChoice, s_hyper[k])!)], losses, normals);
    }

    private static double[][] Losses(double[][] points, int objectives) =>
        [.. points.Select(p =>
            new[] { Math.Sin(5 * p[0]) + p[1] - 0.3 * p[2], Math.Cos(4 * p[0]) - p[1] * p[1] + 0.2 * p[2], p[1] * p[0] - 0.5 }[..objectives])];

    private static double[][] Points(int count, int stream)
    {
        var random = new CounterRandom(1, RandomPurpose.User, stream);
        double[][] points = new double[count][];
        for (int i = 0; i < count; i++) points[i] = [random.NextDouble(), random.NextDouble(), random.NextInt(3)];
        return points;
    }

    private static double[][] Normals(int objectives, int pending)
    {
        var random = new CounterRandom(1, RandomPurpose.User, 9);
        double[][] normals = new double[Samples][];
        for (int s = 0; s < Samples; s++)
        {
            normals[s] = new double[objectives * (pending + 1)];
            for (int i = 0; i < normals[s].Length; i++) normals[s][i] = random.NextGaussian();
        }
        return normals;
    }
}
