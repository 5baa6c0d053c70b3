using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Against hypervolumes, a closed form, a quadrature and finite differences.</summary>
public sealed class LogHypervolumeImprovementTests
{
    private const int Samples = 128;

    [Theory]
    [InlineData(2, false)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void It_is_the_logarithm_of_the_average_of_what_samples_add(int objectives, bool haveOwnFronts)
    {
        double[] reference = [.. Enumerable.Repeat(1.2, objectives)];
        double[][][] fronts = [.. Enumerable.Range(0, haveOwnFronts ? 9 : 1).Select(f => Rows(objectives, 6, stream: f))];
        double[][] points = Rows(objectives, 9, stream: 20);
        double average = 0;
        for (int s = 0; s < 9; s++)
        {
            double[][] front = fronts[haveOwnFronts ? s : 0];
            average += (Hypervolume.Of([.. front, points[s]], reference) - Hypervolume.Of(front, reference)) / 9;
        }
        var improvement = new LogHypervolumeImprovement([.. fronts.Select(f => BoxDecomposition.Of(f, reference))], 9);
        Assert.True(average > 0);
        Assert.Equal(Math.Log(average), improvement.At(Scores(points), []), 1e-9);
    }

    /// <summary>
    /// Beside one point p there is what is on the left of p up to the reference r, and what is below p on its right: with independent normal values
    /// E(p1) E'(r2) + (E(r1) - E(p1)) E'(p2), where E(a) is the mean of max(0, a - y1) and E' that of the second objective. The error of 65,536 samples is in
    /// the order of a thousandth, that of 128 of some hundredths.
    /// </summary>
    [Theory]
    [InlineData(0.5, 0.5, 0.3, 0.2)]
    [InlineData(0.1, 0.8, 0.5, 0.5)]
    [InlineData(0.9, 0.9, 0.4, 0.6)]
    [InlineData(-0.5, 1.1, 0.2, 0.1)]
    public void Of_independent_normal_values_beside_one_point_it_is_the_closed_form(double mean1, double mean2, double deviation1, double deviation2)
    {
        double[] front = [0.6, 0.4], reference = [1.5, 1.3];
        double left = Below(front[0], mean1, deviation1), right = Below(reference[0], mean1, deviation1) - left;
        double expected = left * Below(reference[1], mean2, deviation2) + right * Below(front[1], mean2, deviation2);
        BoxDecomposition[] boxes = [BoxDecomposition.Of([front], reference)];
        Assert.Equal(1, Estimate(65_536) / expected, 5e-3);
        Assert.Equal(1, Estimate(Samples) / expected, 0.08);

        double Estimate(int samples)
        {
            double[][] points = new double[samples][];
            for (int s = 0; s < samples; s++) points[s] = [mean1 + deviation1 * Normal(s, 0), mean2 + deviation2 * Normal(s, 1)];
            return Math.Exp(new LogHypervolumeImprovement(boxes, samples).At(Scores(points), []));
        }

        static double Normal(int s, int j) =>
            NormalDistribution.Quantile(SobolSequence.At((uint)s, j, Scrambling.Owen, RandomKey.Of(1, RandomPurpose.User, j)));

        static double Below(double limit, double mean, double deviation) =>
            deviation * Math.Exp(LogExpectedImprovement.LogH((limit - mean) / deviation));
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public void It_has_the_slopes_of_finite_differences(int objectives, bool haveOwnFronts)
    {
        double[] reference = [.. Enumerable.Repeat(1.2, objectives)];
        var improvement = new LogHypervolumeImprovement(
            [.. Enumerable.Range(0, haveOwnFronts ? 7 : 1).Select(f => BoxDecomposition.Of(Rows(objectives, 8, stream: f), reference))], 7);
        double[] scores = Scores(Rows(objectives, 7, stream: 30)), slopes = new double[scores.Length];
        Assert.Equal(improvement.At(scores, []), improvement.At(scores, slopes));
        Assert.Contains(slopes, s => s > 0.1);
        for (int i = 0; i < scores.Length; i++)
        {
            double[] more = [.. scores], less = [.. scores];
            (more[i], less[i]) = (scores[i] + 1e-6, scores[i] - 1e-6);
            double difference = (improvement.At(more, []) - improvement.At(less, [])) / 2e-6;
            Assert.Equal(difference, slopes[i], 1e-5 * Math.Max(1, Math.Abs(difference)));
        }
    }

    /// <summary>Where every sample is bad the sides are the least ones, and where it is good in one objective that one still counts.</summary>
    [Fact]
    public void Far_from_any_improvement_it_stays_finite_and_says_what_is_nearer()
    {
        var improvement = new LogHypervolumeImprovement([BoxDecomposition.Of([[0, 1], [1, 0]], [2, 2])], 2);
        double[] slopes = new double[4];
        double nowhere = improvement.At([-1e6, -1e6, -1e6, -1e6], slopes), nearer = improvement.At([0.5, 0.5, -1e6, -1e6], slopes);
        Assert.True(double.IsFinite(nowhere) && nearer > nowhere + 20);
        Assert.True(slopes[0] > 0 && slopes[2] == 0);
        Assert.Throws<ArgumentException>(() => new LogHypervolumeImprovement([BoxDecomposition.Of([], [1, 1]), BoxDecomposition.Of([], [1, 1])], 3));
    }

    private static double[] Scores(double[][] points) => [.. Enumerable.Range(0, points[0].Length).SelectMany(k => points.Select(p => -p[k]))];

    private static double[][] Rows(int objectives, int count, int stream)
    {
        var random = new CounterRandom(2, RandomPurpose.User, objectives, stream);
        double[][] rows = new double[count][];
        for (int i = 0; i < count; i++)
        {
            rows[i] = new double[objectives];
            for (int k = 0; k < objectives; k++) rows[i][k] = random.NextDouble();
        }
        return rows;
    }
}
