using DistOpt.Core.Randomness;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Studies;

/// <summary>Percentiles of values that come one after the other.</summary>
public sealed class RunningPercentileTests
{
    /// <summary>After every one of 300 values, with ties and NaN among them.</summary>
    [Theory, InlineData(0), InlineData(12.5), InlineData(25), InlineData(50), InlineData(75), InlineData(99), InlineData(100)]
    public void It_is_at_any_time_the_percentile_of_the_sorted_values(double percentile)
    {
        var running = new RunningPercentile(percentile);
        Assert.True(double.IsNaN(running.Value));
        var values = new List<double>();
        for (int i = 0; i < 300; i++)
        {
            var random = new CounterRandom(1, RandomPurpose.Data, i);
            double value = random.NextInt(10) == 0 ? double.NaN : Math.Round(100 * random.NextGaussian());
            running.Add(value);
            if (!double.IsNaN(value)) values.Add(value);
            Assert.Equal(i + 1, running.Count);
            if (values.Count == 0) continue;
            values.Sort();
            double at = (values.Count - 1) * percentile / 100;
            double below = values[(int)at], above = values[Math.Min((int)at + 1, values.Count - 1)];
            Assert.Equal(below + (above - below) * (at - (int)at), running.Value, 9);
        }
    }

    /// <summary>numpy.percentile([1, 2, 4, 8], [25, 50, 90]).</summary>
    [Theory, InlineData(25, 1.75), InlineData(50, 3), InlineData(90, 6.8)]
    public void It_interpolates_as_numpy_does(double percentile, double expected)
    {
        var running = new RunningPercentile(percentile);
        foreach (double value in new double[] { 8, 1, 4, 2 }) running.Add(value);
        Assert.Equal(expected, running.Value, 12);
    }

    [Theory, InlineData(-1), InlineData(101), InlineData(double.NaN)]
    public void There_is_no_percentile_outside_of_0_to_100(double percentile) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new RunningPercentile(percentile));
}
