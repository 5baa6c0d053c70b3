using DistOpt.Core.Pruners;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Pruners;

/// <summary>The one-sided signed-rank test against what enumeration and formulas give.</summary>
public sealed class SignedRankTestTests
{
    /// <summary>By hand: of the 2^n signs those with a sum of ranks as great.</summary>
    [Theory]
    [InlineData(new[] { 1.0 }, 1 / 2.0)]
    [InlineData(new[] { -1.0 }, 1.0)]
    [InlineData(new[] { 1.0, 2, 3 }, 1 / 8.0)]
    [InlineData(new[] { -1.0, 2, 3 }, 2 / 8.0)]
    [InlineData(new[] { 3.0, -1, 2, 4 }, 2 / 16.0)]
    [InlineData(new[] { 5.0, 4, 3, 2, -1 }, 2 / 32.0)]
    [InlineData(new[] { -5.0, -4, -3, -2, -1 }, 1.0)]
    // all zero: every sign gives the same
    [InlineData(new[] { 0.0, 0, 0 }, 1.0)]
    // ranks 1.5 1.5 3: sums of 6 and of 4.5 (twice) are at least 4.5
    [InlineData(new[] { 1.0, -1, 2 }, 3 / 8.0)]
    // the zero has rank 1, of which half is on either side whatever the signs are
    [InlineData(new[] { 0.0, 1, 2 }, 1 / 4.0)]
    public void Small_samples_have_exact_p_values(double[] differences, double p) => Assert.Equal(p, SignedRankTest.PValueGreater(differences), 14);

    /// <summary>With ties and zeros as well, up to 13 differences.</summary>
    [Fact]
    public void The_exact_p_value_is_the_share_of_all_signs_with_ranks_as_great()
    {
        for (int sample = 0; sample < 60; sample++)
        {
            int n = 1 + sample % 13;
            bool coarse = sample % 2 == 0;
            double[] differences = [.. Enumerable.Range(0, n).Select(i =>
            {
                double value = new CounterRandom(1, RandomPurpose.Data, sample, i).NextGaussian() + 0.3;
                return coarse ? Math.Round(value) : value;
            })];
            double observed = Positive(differences);
            int great = 0;
            for (int signs = 0; signs < 1 << n; signs++)
                if (Positive([.. differences.Select((d, i) => (signs >> i & 1) == 0 ? d : -d)]) >= observed - 1e-9) great++;
            Assert.Equal(great / (double)(1 << n), SignedRankTest.PValueGreater(differences), 12);
        }
    }

    /// <summary>Critical values of published tables, one-sided at 0.05: 60 for n = 20 (p = 0.0487), 466 for n = 50.</summary>
    [Fact]
    public void The_exact_distribution_has_the_published_critical_values()
    {
        Assert.InRange(PWithRanksOfNegatives(20, 60), 0.0486, 0.0488);
        Assert.True(PWithRanksOfNegatives(20, 61) > 0.05);
        Assert.True(PWithRanksOfNegatives(50, 466) < 0.05);
        Assert.True(PWithRanksOfNegatives(50, 467) > 0.05);
    }

    /// <summary>n = 20, one-sided at 0.025, 0.01 and 0.005.</summary>
    [Theory]
    [InlineData(52, 0.025)]
    [InlineData(43, 0.01)]
    [InlineData(37, 0.005)]
    public void Twenty_pairs_have_the_published_critical_values(int critical, double p)
    {
        Assert.True(PWithRanksOfNegatives(20, critical) <= p);
        Assert.True(PWithRanksOfNegatives(20, critical + 1) > p);
    }

    /// <summary>Darwin's maize, the example of scipy's documentation: W = 24, two-sided p = 0.041259765625, one-sided 0.0206298828125.</summary>
    [Fact]
    public void The_example_of_scipy_has_its_p_value()
    {
        double[] differences = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75];
        Assert.Equal(0.0206298828125, SignedRankTest.PValueGreater(differences), 15);
        Assert.Equal(0.0206298828125, SignedRankTest.ExactPValueGreater(differences), 15);
    }

    /// <summary>Where all sizes are the same the signs alone count: binomial, of 20 (21700 / 2^20) or, with two zeros, of 18 (4048 / 2^18).</summary>
    [Fact]
    public void Twenty_pairs_with_ties_and_zeros_are_exact_where_that_is_asked_for()
    {
        double[] ties = [.. Enumerable.Range(0, 20).Select(i => i < 15 ? 1.0 : -1)];
        Assert.Equal(21700 / Math.Pow(2, 20), SignedRankTest.ExactPValueGreater(ties), 14);
        double[] zeros = [.. Enumerable.Range(0, 20).Select(i => i < 2 ? 0 : i < 16 ? 1.0 : -1)];
        Assert.Equal(4048 / Math.Pow(2, 18), SignedRankTest.ExactPValueGreater(zeros), 14);
        Assert.NotEqual(SignedRankTest.PValueGreater(ties), SignedRankTest.ExactPValueGreater(ties), 5);
        Assert.Throws<ArgumentException>(() => SignedRankTest.ExactPValueGreater(new double[51]));
    }

    /// <summary>n = 14 with a tie: z = (W - n (n + 1) / 4) / sqrt((n (n + 1) (2 n + 1) - (t^3 - t) / 2) / 24).</summary>
    [Fact]
    public void Larger_samples_with_ties_have_the_normal_approximation()
    {
        double[] differences = [1, 1, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, -13];
        // positive ranks: 105 - 3 - 14 = 88; z = 35.5 / sqrt((14 * 15 * 29 - 3) / 24) = 35.5 / sqrt(253.625) = 2.22911
        Assert.Equal(0.012903, SignedRankTest.PValueGreater(differences), 5);
        // above 50 also without ties: 51 of one sign, z = 663 / sqrt(51 * 52 * 103 / 24) = 6.21461
        Assert.Equal(2.5726e-10, SignedRankTest.PValueGreater([.. Enumerable.Range(1, 51).Select(i => (double)i)]), 1e-14);
    }

    [Fact]
    public void Nothing_cannot_be_tested() => Assert.Throws<ArgumentException>(() => SignedRankTest.PValueGreater([]));

    /// <summary>Differences 1 .. n of which the negative ones have that sum of ranks.</summary>
    private static double PWithRanksOfNegatives(int n, int sum)
    {
        double[] differences = [.. Enumerable.Range(1, n).Select(i => (double)i)];
        for (int i = n - 1; i >= 0 && sum > 0; i--)
        {
            if (i + 1 > sum) continue;
            differences[i] = -differences[i];
            sum -= i + 1;
        }
        return SignedRankTest.PValueGreater(differences);
    }

    /// <summary>Sum of the positive ranks, zeros by half.</summary>
    private static double Positive(double[] differences) => differences.Sum(d =>
    {
        double rank = differences.Count(o => Math.Abs(o) < Math.Abs(d)) + (differences.Count(o => Math.Abs(o) == Math.Abs(d)) + 1) / 2.0;
        return d > 0 ? rank : d == 0 ? rank / 2 : 0;
    });
}
