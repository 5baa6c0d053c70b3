using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The published points, and the balance that the sequence is used for.</summary>
public sealed class SobolSequenceTests
{
    /// <summary>Degrees of the first dimensions' polynomials; the first one has none.</summary>
    private static readonly int[] s_degrees = [1, 1, 2, 3, 3, 4, 4, 5];

    /// <summary>As Joe and Kuo print them beside their file, in three dimensions.</summary>
    [Fact]
    public void The_first_points_are_the_published_ones()
    {
        double[][] published =
        [
            [0, 0, 0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25], [0.25, 0.75, 0.75], [0.375, 0.375, 0.625],
            [0.875, 0.875, 0.125], [0.625, 0.125, 0.875], [0.125, 0.625, 0.375], [0.1875, 0.3125, 0.9375], [0.6875, 0.8125, 0.4375],
        ];
        for (uint i = 0; i < published.Length; i++)
            Assert.Equal(published[i], Enumerable.Range(0, 3).Select(d => SobolSequence.At(i, d, Scrambling.None, default)));
    }

    /// <summary>That the table is whole: one point in each of 2^m equal intervals, in any dimension and any aligned block.</summary>
    [Theory]
    [InlineData(Scrambling.None)]
    [InlineData(Scrambling.Shift)]
    [InlineData(Scrambling.Owen)]
    public void Each_dimension_is_balanced(Scrambling scrambling)
    {
        const int bits = 8;
        for (int d = 0; d < SobolSequence.MaxDimensions; d++)
        {
            foreach (uint block in new uint[] { 0, 3 })
            {
                var key = RandomKey.Of(9, RandomPurpose.Search, d);
                var cells = Enumerable.Range(0, 1 << bits).Select(i => (int)(SobolSequence.At((block << bits) + (uint)i, d, scrambling, key) * (1 << bits)));
                Assert.Equal(1 << bits, cells.Distinct().Count());
            }
        }
    }

    /// <summary>
    /// A (t, m, 2)-net: every box of 2^-a by 2^-b with a + b = m - t has 2^t of the 2^m points, where t is at most the sum of the degrees less 1 (Sobol
    /// 1967); the first two dimensions are perfect.
    /// </summary>
    [Theory]
    [InlineData(Scrambling.None)]
    [InlineData(Scrambling.Shift)]
    [InlineData(Scrambling.Owen)]
    public void Pairs_of_dimensions_are_nets(Scrambling scrambling)
    {
        const int m = 9;
        for (int i = 0; i < s_degrees.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                int t = s_degrees[i] - 1 + s_degrees[j] - 1;
                var (x, y) = (Coordinates(i), Coordinates(j));
                for (int a = 0; a <= m - t; a++)
                {
                    int b = m - t - a;
                    int[] counts = new int[1 << (m - t)];
                    for (int n = 0; n < 1 << m; n++) counts[((int)(x[n] * (1 << a)) << b) + (int)(y[n] * (1 << b))]++;
                    Assert.All(counts, c => Assert.Equal(1 << t, c));
                }
            }
        }

        double[] Coordinates(int d) =>
            [.. Enumerable.Range(0, 1 << m).Select(n => SobolSequence.At((uint)n, d, scrambling, RandomKey.Of(2, RandomPurpose.Search, d)))];
    }

    /// <summary>A scrambled coordinate is uniform over the keys, and two points' coordinates are as independent as their first digits allow.</summary>
    [Fact]
    public void Over_many_seeds_a_scrambled_coordinate_is_uniform()
    {
        const int seeds = 4000;
        int[] cells = new int[8];
        double both = 0;
        for (int seed = 0; seed < seeds; seed++)
        {
            var key = RandomKey.Of(seed, RandomPurpose.Search, 0);
            double first = SobolSequence.At(0, 0, Scrambling.Owen, key), second = SobolSequence.At(1, 0, Scrambling.Owen, key);
            cells[(int)(first * 8)]++;
            Assert.NotEqual(first < 0.5, second < 0.5);
            // within their halves
            both += (first * 2 % 1 - 0.5) * (second * 2 % 1 - 0.5) * 12;
        }
        Assert.All(cells, c => Assert.InRange(c, seeds / 8 - 105, seeds / 8 + 105));
        Assert.InRange(both / Math.Sqrt(seeds), -5, 5);
    }

    [Fact]
    public void Trial_n_has_point_n_on_the_scales_of_the_domains_whatever_came_before()
    {
        var space = new SearchSpace(
            [new("x", new FloatDomain(0, 8)), new("rate", new FloatDomain(1e-4, 1, log: true)), new("kind", new ChoiceDomain(["a", "b"]))]);
        var history = new StudyHistory(space, Direction.Minimize);
        var sampler = new SobolSampler(new SobolOptions { Scrambling = Scrambling.None });
        double[] values = new double[3];
        sampler.Suggest(history, 1, 2, values);
        Assert.Equal([6, 1e-3, 0], values.Select(v => Math.Round(v, 12)));
        var counts = new int[2, 2, 2];
        var scrambled = new SobolSampler(new SobolOptions());
        for (int n = 0; n < 8; n++)
        {
            scrambled.Suggest(history, 4, n, values);
            counts[(int)(values[0] / 4), values[1] < 1e-2 ? 0 : 1, (int)values[2]]++;
        }
        // any two halves of any two dimensions hold as many as any others
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++)
                Assert.Equal((2, 2), (counts[i, j, 0] + counts[i, j, 1], counts[i, 0, j] + counts[i, 1, j]));
    }

    [Fact]
    public void More_parameters_than_direction_numbers_are_refused()
    {
        var space = new SearchSpace(Enumerable.Range(0, 1025).Select(i => new SearchParameter($"p{i}", new FloatDomain(0, 1))));
        Assert.Contains("at most 1024 parameters", Assert.Single(new SobolSampler(new SobolOptions()).Check(space, 1)).Message);
    }
}
