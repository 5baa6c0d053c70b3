using DistOpt.Core.Batching;
using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Batching;

/// <summary>The estimates of the gradient's noise against gaussians whose trace and mean are known, and against values by hand.</summary>
public sealed class NoiseStateTests
{
    private const int Dimensions = 7, Steps = 4000;

    /// <summary>|G|^2 = 7 * 0.25, trace = sum of sigma_d^2 with sigma_d = 1 + d / 10.</summary>
    private const double Squared = Dimensions * 0.25;

    private static readonly double Trace = Enumerable.Range(0, Dimensions).Sum(d => Math.Pow(1 + d / 10.0, 2));

    [Theory]
    [InlineData(8, 8, 8, 8)]
    [InlineData(3, 4, 3, 4)]
    [InlineData(1, 20)]
    [InlineData(5, 0, 1, 9, 0)]
    public void Estimates_from_leaves_are_unbiased_also_where_leaves_differ_in_size(params int[] sizes)
    {
        var (trace, squared) = Mean(step =>
        {
            var random = new CounterRandom(3, RandomPurpose.Data, step);
            var metrics = new MetricSums();
            var total = new float[Dimensions];
            foreach (int size in sizes)
            {
                float[] leaf = Sum(ref random, size);
                LeafNorms.Measure(metrics, leaf, size);
                for (int d = 0; d < Dimensions; d++) total[d] += leaf[d];
            }
            double n = sizes.Sum();
            var leaves = LeafNorms.MeanOf(metrics)!.Value;
            return NoiseEstimate.FromLeaves(leaves.Squares, leaves.InverseSize, total.Sum(x => x * x / (n * n)), n);
        });

        Assert.Equal(Trace, trace, Trace * 0.05);
        Assert.Equal(Squared, squared, Squared * 0.1);
    }

    [Theory]
    [InlineData(6, 6)]
    [InlineData(2, 9)]
    public void Estimates_from_consecutive_gradients_are_unbiased(int first, int second)
    {
        var (trace, squared) = Mean(step =>
        {
            var random = new CounterRandom(4, RandomPurpose.Data, step);
            double[] a = [.. Sum(ref random, first).Select(x => x / (double)first)], b = [.. Sum(ref random, second).Select(x => x / (double)second)];
            return NoiseEstimate.FromConsecutive(a.Sum(x => x * x), a.Zip(b, (x, y) => x * y).Sum(), b.Sum(x => x * x), first, second);
        });

        Assert.Equal(Trace, trace, Trace * 0.05);
        Assert.Equal(Squared, squared, Squared * 0.1);
    }

    /// <summary>McCandlish et al. 2018, equations A.2 and A.3, for B_small = 10, B_big = 40.</summary>
    [Fact]
    public void Equal_leaves_give_the_equations_of_the_paper()
    {
        const double small = 10, big = 40, squaresSmall = 3.5, squaresBig = 1.25;

        var estimate = NoiseEstimate.FromLeaves(squaresSmall, 1 / small, squaresBig, big);

        Assert.Equal((big * squaresBig - small * squaresSmall) / (big - small), estimate.SquaredNorm, 1e-12);
        Assert.Equal((squaresSmall - squaresBig) / (1 / small - 1 / big), estimate.Trace, 1e-12);
    }

    /// <summary>Two leaves that are one batch cut in halves are two consecutive gradients.</summary>
    [Fact]
    public void Both_sources_agree_on_two_batches_of_one_size()
    {
        double[] a = [1, -2, 0.5], b = [0.25, 1, 2];
        double Dot(double[] x, double[] y) => x.Zip(y, (p, q) => p * q).Sum();
        double[] whole = [.. a.Zip(b, (x, y) => (x + y) / 2)];

        var consecutive = NoiseEstimate.FromConsecutive(Dot(a, a), Dot(a, b), Dot(b, b), 16, 16);
        var leaves = NoiseEstimate.FromLeaves((Dot(a, a) + Dot(b, b)) / 2, 1 / 16.0, Dot(whole, whole), 32);

        Assert.Equal(leaves.Trace, consecutive.Trace, 1e-9);
        Assert.Equal(leaves.SquaredNorm, consecutive.SquaredNorm, 1e-12);
    }

    [Fact]
    public void Running_means_are_corrected_for_their_beginning_and_kept_apart()
    {
        var state = new NoiseState();
        Assert.Null(state.Scale);

        state = state.With(new NoiseEstimate(8, 2), 0.9);
        Assert.Equal(8, state.Mean!.Value.Trace, 1e-12);
        Assert.Equal(4, state.Scale!.Value, 1e-12);

        state = state.With(new NoiseEstimate(2, 4), 0.9);
        // 0.9 * 0.1 * 8 + 0.1 * 2 over 1 - 0.81
        Assert.Equal((0.72 + 0.2) / 0.19, state.Mean!.Value.Trace, 1e-12);
        Assert.Equal((0.18 + 0.4) / 0.19, state.Mean!.Value.SquaredNorm, 1e-12);
        Assert.Equal(0.92 / 0.58, state.Scale!.Value, 1e-12);
        Assert.Equal(2, state.Count);
    }

    [Theory]
    [InlineData(double.NaN, 1)]
    [InlineData(1, double.NaN)]
    [InlineData(double.PositiveInfinity, 1)]
    [InlineData(1, double.NegativeInfinity)]
    public void An_estimate_that_is_no_number_is_passed_over(double trace, double squared)
    {
        var state = new NoiseState().With(new NoiseEstimate(3, 1), 0.5);

        Assert.Equal(state, state.With(new NoiseEstimate(trace, squared), 0.5));
    }

    [Fact]
    public void A_gradient_that_is_lost_in_noise_has_an_infinite_scale_and_one_without_noise_has_none()
    {
        Assert.Equal(double.PositiveInfinity, new NoiseState().With(new NoiseEstimate(3, -1), 0.5).Scale);
        Assert.Equal(0, new NoiseState().With(new NoiseEstimate(-3, 1), 0.5).Scale);
        Assert.Equal(0, new NoiseState().With(new NoiseEstimate(0, 0), 0.5).Scale);
    }

    [Fact]
    public void One_leaf_alone_tells_nothing_and_its_norm_is_no_metric_of_a_row()
    {
        var metrics = new MetricSums();
        metrics.Add(MetricSums.Loss, 1, 2);
        LeafNorms.Measure(metrics, [3, 4], 2);
        Assert.Null(LeafNorms.MeanOf(metrics));
        LeafNorms.Measure(metrics, [0, 10], 5);
        LeafNorms.Measure(metrics, [0, 0], 0);
        Assert.Equal(((25 / 4.0 + 4) / 2, (0.5 + 0.2) / 2), LeafNorms.MeanOf(metrics));

        LeafNorms.Remove(metrics);

        Assert.Equal([MetricSums.Loss], metrics.Select(m => m.Key));
    }

    private static (double Trace, double Squared) Mean(Func<int, NoiseEstimate> estimate)
    {
        var all = Enumerable.Range(0, Steps).Select(estimate).ToList();
        return (all.Average(e => e.Trace), all.Average(e => e.SquaredNorm));
    }

    /// <summary>The sum of so many samples' gradients.</summary>
    private static float[] Sum(ref CounterRandom random, int size)
    {
        var sum = new float[Dimensions];
        for (int i = 0; i < size; i++)
            for (int d = 0; d < Dimensions; d++) sum[d] += (float)(0.5 + (1 + d / 10.0) * random.NextGaussian());
        return sum;
    }
}
