using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Randomness;

public sealed class NormalDistributionTests
{
    /// <summary>From tables to 16 digits and more (Abramowitz and Stegun 7.1, 26.2; mpmath for the tails).</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.1, 0.8875370839817151)]
    [InlineData(0.5, 0.4795001221869535)]
    [InlineData(1, 0.15729920705028513)]
    [InlineData(2, 0.004677734981047266)]
    [InlineData(3, 2.209049699858544e-05)]
    [InlineData(5, 1.5374597944280349e-12)]
    [InlineData(10, 2.088487583762545e-45)]
    [InlineData(-1, 1.8427007929497148)]
    [InlineData(-5, 1.9999999999984626)]
    public void The_complementary_error_function_has_the_tables_values(double x, double expected) =>
        Assert.Equal(1, NormalDistribution.Erfc(x) / expected, 1e-14);

    /// <summary>From tables (mpmath); far out 1 / (sqrt(pi) x) less terms of its inverse square.</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.3, 0.73459933456765514)]
    [InlineData(1, 0.42758357615580700)]
    [InlineData(2, 0.25539567631050574)]
    [InlineData(10, 0.056140992743822585)]
    [InlineData(100, 0.0056416137829894330)]
    [InlineData(1e8, 5.6418958354775629e-9)]
    public void The_scaled_complementary_error_function_does_not_vanish(double x, double expected) =>
        Assert.Equal(1, NormalDistribution.ScaledErfc(x) / expected, 1e-14);

    [Fact]
    public void Far_out_it_is_0_or_2_and_what_is_no_number_stays_so()
    {
        Assert.Equal((0, 2), (NormalDistribution.Erfc(30), NormalDistribution.Erfc(-30)));
        Assert.Equal(double.NaN, NormalDistribution.Erfc(double.NaN));
    }

    [Theory]
    [InlineData(-1, 1, 0.6826894921370859)]
    [InlineData(-3, 3, 0.9973002039367398)]
    [InlineData(8, 9, 6.219831985865866e-16)]
    [InlineData(-9, -8, 6.219831985865866e-16)]
    [InlineData(1, 1, 0)]
    public void Masses_between_two_places_are_exact_in_the_tails_too(double a, double b, double expected) =>
        Assert.Equal(expected, NormalDistribution.Between(a, b), Math.Abs(expected) * 1e-12);

    /// <summary>Where there are numbers for it; beyond them that of the tail, exp(-x^2 / 2) / (x sqrt(2 pi)) (1 - 1/x^2 + 3/x^4 - 15/x^6 ...).</summary>
    [Fact]
    public void The_logarithm_of_a_mass_goes_on_where_the_mass_is_too_small()
    {
        foreach (var (a, b) in new[] { (-1.0, 1.0), (-3, 0.5), (0.2, 0.3), (0.99, 1.7), (1.01, 1.02), (3, 3.001), (8, 9), (20, 21) })
        {
            double expected = Math.Log(NormalDistribution.Between(a, b));
            Assert.Equal(expected, NormalDistribution.LogBetween(a, b), 1e-11 * Math.Abs(expected));
            Assert.Equal(expected, NormalDistribution.LogBetween(-b, -a), 1e-11 * Math.Abs(expected));
        }
        double tail = -60 * 60 / 2.0 - Math.Log(60 * Math.Sqrt(2 * Math.PI)) + Math.Log(1 - Math.Pow(60, -2) + 3 * Math.Pow(60, -4) - 15 * Math.Pow(60, -6));
        Assert.Equal(tail, NormalDistribution.LogBetween(60, 70), 1e-9);
        // of a tail that falls by exp(-60 x) the part up to 0.001
        double part = Math.Log(0.001) - 60.0005 * 60.0005 / 2 - 0.5 * Math.Log(2 * Math.PI) + Math.Log(Math.Sinh(0.030) / 0.030);
        Assert.Equal(part, NormalDistribution.LogBetween(60, 60.001), 1e-6);
        Assert.Equal(double.NegativeInfinity, NormalDistribution.LogBetween(2, 2));
    }

    [Theory]
    [InlineData(1e-10)]
    [InlineData(0.025)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void The_quantile_is_the_inverse_of_the_distribution(double p) => Assert.Equal(1, NormalDistribution.Cdf(NormalDistribution.Quantile(p)) / p, 1e-12);
}
