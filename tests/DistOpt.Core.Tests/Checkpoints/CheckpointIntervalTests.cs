using DistOpt.Core.Checkpoints;

namespace DistOpt.Core.Tests.Checkpoints;

public sealed class CheckpointIntervalTests
{
    [Theory]
    // sqrt(2dM) (1 + sqrt(d/2M)/3 + (d/2M)/9) - d, worked out by hand
    [InlineData(1, 7200, 119.3343)]
    [InlineData(60, 86400, 3180.0621)]
    [InlineData(10, 1, 1)]
    public void The_interval_is_that_of_Daly(double cost, double meanTime, double expected) =>
        Assert.Equal(expected, CheckpointInterval.Daly(cost, meanTime), 3);

    /// <summary>The expected time per unit of work, (M e^(R/M)) (e^((t+d)/M) - 1) / t, is least at Daly's interval, to second order.</summary>
    [Theory]
    [InlineData(1, 3600)]
    [InlineData(30, 3600)]
    public void No_other_interval_wastes_noticeably_less(double cost, double meanTime)
    {
        double Waste(double interval) => meanTime * (Math.Exp((interval + cost) / meanTime) - 1) / interval;
        double chosen = CheckpointInterval.Daly(cost, meanTime);

        for (double factor = 0.2; factor < 5; factor *= 1.1) Assert.True(Waste(chosen) <= Waste(chosen * factor) * 1.0005, $"factor {factor}");
    }

    [Fact]
    public void Failures_shorten_the_interval_and_slow_writing_stretches_it()
    {
        double calm = CheckpointInterval.Auto(0.5, 1, 3600, failures: 0);
        double rough = CheckpointInterval.Auto(0.5, 1, 3600, failures: 20);

        Assert.True(rough < calm / 3, $"{rough} after 20 failures, {calm} without");
        Assert.Equal(600, CheckpointInterval.Auto(0.001, 60, 3600, 20));
        Assert.Equal(CheckpointInterval.Shortest, CheckpointInterval.Auto(0, 0, 0, 0));
    }
}
