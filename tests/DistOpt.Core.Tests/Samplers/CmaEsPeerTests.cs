using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The library cmaes (0.9.1), told the same points, goes to the same places: <c>Fixtures/cmaes_fixture.py</c> made the figures.</summary>
public sealed class CmaEsPeerTests
{
    private const int Population = 8;
    private const double Tolerance = 1e-11;

    [Fact]
    public void Five_generations_end_at_the_same_mean_step_size_and_covariance()
    {
        var strategy = new CmaEs([0.5, -1, 2, 0], 0.7, Population, new Func<double, (double, double)>?[4]);
        for (int generation = 0; generation < 5; generation++) Tell(strategy, generation, 1, x => x);
        Same([1.0152520269791598, 0.4199360535764115, 0.46939719058703677, 0.34187231871004414], strategy.Mean);
        Assert.Equal(0.7986590729337472, strategy.Sigma, Tolerance);
        double[] covariance =
        [
            0.9641106337683435, -0.03523623411942923, -0.1375481084163202, -0.00903914823750054, -0.035236234119429284, 1.0678631322851935,
            -0.24349404805816247, 0.010859780829832983, -0.1375481084163202, -0.24349404805816235, 1.3077586959059573, -0.07971137761890194,
            -0.009039148237500513, 0.010859780829832966, -0.07971137761890197, 0.6060350735657577,
        ];
        Same(covariance, strategy.Covariance);
    }

    /// <summary>
    /// Two integers from -10 to 10: one whose neighbours are far away, so that its scale grows, and one in the outermost cell, held in reach of the next.
    /// </summary>
    [Fact]
    public void With_margin_it_mends_the_same_means_and_scales()
    {
        static (double Low, double High) Cell(double x) => Math.Clamp(Math.Round(x), -10, 10) switch
        {
            -10 => (-9.5, -9.5),
            10 => (9.5, 9.5),
            var v => (v - 0.5, v + 0.5),
        };
        double[][] means =
        [
            [1.9405929217622129, -0.9148290526106653, 3.0501881817167837, 9.800034533323757],
            [1.8665084047747287, -0.8400734001462082, 3.014769423921873, 9.767612726863538],
            [1.793882651991888, -0.7891473211651034, 3.0, 9.738051261417889],
            [1.7588738786807598, -0.7283962775959212, 3.0, 9.709379636389647],
        ];
        double[] sigmas = [0.17073010027344263, 0.15699135501235917, 0.14893347478141927, 0.14239037806511196];
        double[] scales = [1.6059039905205204, 1.750184873964597, 1.828777795980114, 2.0021452909379662];
        var strategy = new CmaEs([2, -1, 3.2, 9.9], 0.2, Population, [null, null, Cell, Cell]);
        for (int generation = 0; generation < 4; generation++)
        {
            Tell(strategy, generation, 0.4, x => [x[0], x[1], Math.Clamp(Math.Round(x[2]), -10, 10), Math.Clamp(Math.Round(x[3]), -10, 10)]);
            Same(means[generation], strategy.Mean);
            Assert.Equal(sigmas[generation], strategy.Sigma, Tolerance);
            Same([1, 1, scales[generation], 1], strategy.Scales);
        }
        double[] covariance =
        [
            0.8268543802238452, -0.07002897154558492, 0.026702317795544196, 0.11974326918833875, -0.07002897154558492, 0.7995345216879717,
            0.09989216390125145, 0.026520435779243998, 0.02670231779554416, 0.0998921639012514, 0.6630506038107866, -0.06621245216476783,
            0.11974326918833869, 0.026520435779243998, -0.06621245216476783, 0.6231705301566611,
        ];
        Same(covariance, strategy.Covariance);
    }

    private static void Tell(CmaEs strategy, int generation, double width, Func<double[], double[]> round)
    {
        var points = Enumerable.Range(0, Population).Select(k => Enumerable.Range(0, 4).Select(j => strategy.Mean[j]
            + strategy.Sigma * width * 1.5 * Math.Sin(1 + 7 * generation + 3 * k + 1.7 * j + 0.9 * k * j)).ToArray());
        var ordered = points.Select(p => (Point: p, Value: Value(round([.. p.Select((x, j) => strategy.Tried(j, x))])))).OrderBy(p => p.Value).ToList();
        strategy.Tell([.. ordered.Select(p => (p.Point, false))], (ordered[0].Value, ordered[^1].Value));
    }

    private static double Value(double[] x) => x.Select((v, j) => (j + 1) * (v - 0.3) * (v - 0.3)).Sum();

    private static void Same(double[] expected, ReadOnlySpan<double> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], Tolerance);
    }
}
