using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

public sealed class LogExpectedImprovementTests
{
    /// <summary>The integral of t phi(t - z) over t from 0 on, by Simpson's rule.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(1)]
    [InlineData(0)]
    [InlineData(-0.5)]
    [InlineData(-1)]
    [InlineData(-1.5)]
    [InlineData(-5)]
    [InlineData(-12)]
    public void It_is_the_integral_of_the_definition(double z)
    {
        const int parts = 200_000;
        double end = Math.Max(0, z) + 12, width = end / parts, sum = 0;
        for (int i = 0; i <= parts; i++)
        {
            double t = i * width;
            // over exp(-z^2 / 2), which would vanish
            double density = Math.Exp(-0.5 * t * t + t * z) / Math.Sqrt(2 * Math.PI);
            sum += (i == 0 || i == parts ? 1 : i % 2 == 1 ? 4 : 2) * t * density;
        }
        Assert.Equal(Math.Log(sum * width / 3) - 0.5 * z * z, LogExpectedImprovement.LogH(z), 1e-9);
    }

    /// <summary>log h(z) = -z^2/2 - log sqrt(2 pi) - 2 log |z| + log(1 - 3/z^2 + 15/z^4 - 105/z^6 ..) far out, where h itself is 0 in float64.</summary>
    [Theory]
    [InlineData(-25)]
    [InlineData(-40)]
    [InlineData(-199.9)]
    [InlineData(-200.1)]
    [InlineData(-1e5)]
    [InlineData(-1e9)]
    public void In_the_tail_it_follows_the_asymptotic_series(double z)
    {
        double v = 1 / (z * z), series = Math.Log(1 - 3 * v + 15 * v * v - 105 * v * v * v + 945 * v * v * v * v);
        double expected = -0.5 * z * z - 0.5 * Math.Log(2 * Math.PI) - 2 * Math.Log(-z) + series;
        Assert.Equal(expected, LogExpectedImprovement.LogH(z), Math.Abs(expected) * 1e-11);
        Assert.True(double.IsFinite(LogExpectedImprovement.Slopes(z, 1).ByMean));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-0.9)]
    [InlineData(-1.1)]
    [InlineData(-7)]
    [InlineData(-60)]
    [InlineData(-300)]
    public void Slopes_are_those_of_finite_differences(double z)
    {
        const double deviation = 0.7;
        double best = 1, mean = best + z * deviation, by = 1e-6 * Math.Max(1, Math.Abs(z));
        double Log(double m, double s) => LogExpectedImprovement.LogH((m - best) / s) + Math.Log(s);
        var (byMean, byDeviation) = LogExpectedImprovement.Slopes(z, deviation);
        Assert.Equal(1, byMean / ((Log(mean + by, deviation) - Log(mean - by, deviation)) / (2 * by)), 1e-4);
        double ds = 1e-6;
        Assert.Equal(1, byDeviation / ((Log(mean, deviation + ds) - Log(mean, deviation - ds)) / (2 * ds)), 1e-4);
    }
}
