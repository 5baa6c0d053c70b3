using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Randomness;

public sealed class CounterRandomTests
{
    [Fact]
    public void Uniform_values_lie_in_the_half_open_unit_interval_with_the_right_moments()
    {
        var random = new CounterRandom(1, RandomPurpose.Data);
        double sum = 0, squares = 0, singles = 0;
        const int n = 200_000;
        for (int i = 0; i < n; i++)
        {
            double x = random.NextDouble();
            float y = random.NextSingle();
            Assert.True(x is >= 0 and < 1 && y is >= 0 and < 1);
            sum += x;
            squares += x * x;
            singles += y;
        }
        // five standard errors: sd of the mean is sqrt(1/12/n), of the mean of squares sqrt(4/45/n)
        Assert.Equal(0.5, sum / n, 5 * Math.Sqrt(1.0 / 12 / n));
        Assert.Equal(0.5, singles / n, 5 * Math.Sqrt(1.0 / 12 / n));
        Assert.Equal(1.0 / 3, squares / n, 5 * Math.Sqrt(4.0 / 45 / n));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(1000)]
    public void Bounded_integers_are_even_by_a_chi_square_test(int bound)
    {
        var random = new CounterRandom(2, RandomPurpose.Data, bound);
        var counts = new int[bound];
        var counts64 = new int[bound];
        int n = 1000 * bound;
        for (int i = 0; i < n; i++)
        {
            counts[random.NextInt(bound)]++;
            counts64[random.NextInt64(bound)]++;
        }
        // mean bound-1, sd sqrt(2(bound-1)); six of them
        double limit = bound - 1 + 6 * Math.Sqrt(2.0 * (bound - 1));
        Assert.True(ChiSquare(counts) <= limit && ChiSquare(counts64) <= limit);

        static double ChiSquare(int[] counts) => counts.Sum(c => (c - 1000.0) * (c - 1000.0) / 1000);
    }

    [Fact]
    public void Bounded_integers_are_without_bias_where_a_modulus_would_show_it()
    {
        // "word mod bound" would give the lowest third 3/8 of the draws
        const int bound = 3 << 29;
        var random = new CounterRandom(3, RandomPurpose.Data);
        int low = 0;
        const int n = 90_000;
        for (int i = 0; i < n; i++)
            if (random.NextInt(bound) < bound / 3) low++;
        Assert.Equal(n / 3.0, low, 5 * Math.Sqrt(n * 2.0 / 9));
    }

    [Fact]
    public void Large_bounds_are_reached_and_kept()
    {
        var random = new CounterRandom(4, RandomPurpose.Data);
        long largest = 0;
        for (int i = 0; i < 1000; i++)
        {
            Assert.InRange(random.NextInt(int.MaxValue), 0, int.MaxValue - 1);
            long value = random.NextInt64(long.MaxValue);
            Assert.InRange(value, 0, long.MaxValue - 1);
            largest = Math.Max(largest, value);
        }
        Assert.True(largest > long.MaxValue / 10 * 9);
    }

    [Fact]
    public void Gaussian_values_have_the_moments_of_the_standard_normal()
    {
        var random = new CounterRandom(5, RandomPurpose.InitialWeights);
        const int n = 200_000;
        double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
        for (int i = 0; i < n; i++)
        {
            double z = random.NextGaussian();
            m1 += z;
            m2 += z * z;
            m3 += z * z * z;
            m4 += z * z * z * z;
        }
        // variances of z, z^2, z^3, z^4: 1, 2, 15, 96
        Assert.Equal(0, m1 / n, 5 * Math.Sqrt(1.0 / n));
        Assert.Equal(1, m2 / n, 5 * Math.Sqrt(2.0 / n));
        Assert.Equal(0, m3 / n, 5 * Math.Sqrt(15.0 / n));
        Assert.Equal(3, m4 / n, 5 * Math.Sqrt(96.0 / n));
    }

    /// <summary>Check values of the paper (AS 241, PPND16), and the far tail's from a table.</summary>
    [Theory]
    [InlineData(0.25, -0.6744897501960817)]
    [InlineData(0.001, -3.090232306167814)]
    [InlineData(1e-20, -9.262340089798408)]
    [InlineData(0.975, 1.959963984540054)]
    [InlineData(0.5, 0.0)]
    public void Normal_quantiles_are_the_published_ones(double p, double expected) =>
        Assert.Equal(expected, NormalQuantile.At(p), 2e-15 * Math.Max(1, Math.Abs(expected)));

    [Fact]
    public void The_logarithm_is_that_of_the_C_library_within_one_ulp()
    {
        var random = new CounterRandom(6, RandomPurpose.Data);
        for (int i = 0; i < 20_000; i++)
        {
            double x = Math.ScaleB(random.NextDouble() + 1e-9, random.NextInt(120) - 60);
            double expected = Math.Log(x);
            Assert.True(Math.Abs(NormalQuantile.Log(x) - expected) <= Math.BitIncrement(Math.Abs(expected)) - Math.Abs(expected) + 1e-18,
                $"log({x})");
        }
    }

    [Fact]
    public void Every_order_of_a_shuffle_is_as_likely_as_any_other()
    {
        var counts = new Dictionary<string, int>();
        const int n = 24_000;
        for (int i = 0; i < n; i++)
        {
            var letters = "abcd".ToCharArray();
            new CounterRandom(7, RandomPurpose.Shuffle, i).Shuffle(letters.AsSpan());
            string order = new(letters);
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }
        Assert.Equal(24, counts.Count);
        double chiSquare = counts.Values.Sum(c => (c - 1000.0) * (c - 1000.0) / 1000);
        Assert.True(chiSquare < 23 + 6 * Math.Sqrt(46), $"chi-square {chiSquare} at 23 degrees of freedom");
    }

    [Fact]
    public void The_first_draws_are_what_they_were_in_every_release()
    {
        // the constant comes from an independent program; a change here changes every run of every user
        var random = new CounterRandom(42, RandomPurpose.Shuffle, 3);
        var (low, high) = RandomKey.Of(42, RandomPurpose.Shuffle, 3).Block(0);
        Assert.Equal((uint)low, random.NextUInt32());
        Assert.Equal((low >> 32) | (high << 32), random.NextUInt64());
        Assert.Equal(2879241709u, RandomKey.Of(42, RandomPurpose.Shuffle, 3).Word(0));
    }
}
