using DistOpt.Core.Schedules;

namespace DistOpt.Core.Tests.Schedules;

public sealed class LearningRateSweepTests
{
    [Fact]
    public void The_factor_takes_the_first_rate_to_the_last()
    {
        double factor = LearningRateSweep.Factor(1e-7, 10, 100);
        Assert.Equal(10, 1e-7 * Math.Pow(factor, 99), 1e-9);
    }

    [Fact]
    public void The_smoothed_loss_is_the_weighted_mean_of_the_losses_so_far()
    {
        var sweep = new LearningRateSweep(beta: 0.9);
        double[] losses = [3, 2, 4, 1, 1.5];
        for (int i = 0; i < losses.Length; i++) sweep.Add(i, 0.001 * (i + 1), losses[i]);
        for (int i = 0; i < losses.Length; i++)
        {
            double[] weights = [.. Enumerable.Range(0, i + 1).Select(j => Math.Pow(0.9, i - j))];
            Assert.Equal(weights.Zip(losses, (w, l) => w * l).Sum() / weights.Sum(), sweep.Points[i].Smoothed, 1e-12);
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.8, 2)]
    public void The_steepest_descent_is_suggested_without_a_lag_and_the_sweep_ends_when_the_loss_explodes(double beta, int steps)
    {
        var sweep = new LearningRateSweep(beta);
        double factor = LearningRateSweep.Factor(1e-5, 10, 120);
        for (int i = 0; i < 120; i++)
        {
            double rate = 1e-5 * Math.Pow(factor, i);
            // falls around 1e-2 by a logistic curve of the logarithm, and explodes above 1
            sweep.Add(i, rate, 2 - 1.5 / (1 + Math.Exp(-4 * Math.Log10(rate / 1e-2))) + Math.Pow(rate, 3));
        }
        Assert.True(sweep.HasDiverged);
        Assert.InRange(sweep.Suggestion()!.LearningRate, 1e-2 * Math.Pow(factor, -steps), 1e-2 * Math.Pow(factor, steps));
        Assert.InRange(sweep.Points[^1].Smoothed, 4 * sweep.Points.Min(p => p.Smoothed), 10);
        Assert.True(sweep.Points.Count < 120);
    }

    [Fact]
    public void A_loss_that_never_falls_gives_no_suggestion_and_one_that_is_no_number_ends_the_sweep()
    {
        var sweep = new LearningRateSweep();
        for (int i = 0; i < 50; i++) sweep.Add(i, Math.Pow(1.1, i), 1 + 0.001 * i);
        Assert.Null(sweep.Suggestion());
        sweep.Add(50, 200, double.NaN);
        sweep.Add(51, 300, 1);
        Assert.True(sweep.HasDiverged);
        Assert.Equal(50, sweep.Points.Count);
    }
}
