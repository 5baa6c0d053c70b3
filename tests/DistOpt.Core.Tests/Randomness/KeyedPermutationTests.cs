using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Randomness;

public sealed class KeyedPermutationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(1000)]
    [InlineData(65_537)]
    public void Every_number_stands_at_one_place(int count)
    {
        var order = new KeyedPermutation(RandomKey.Of(1, RandomPurpose.User), count);
        Assert.Equal(Enumerable.Range(0, count).Select(i => (long)i), Enumerable.Range(0, count).Select(i => order[i]).Order());
    }

    [Fact]
    public void Every_number_is_first_about_as_often_as_any_other()
    {
        int[] counts = new int[6];
        for (int seed = 0; seed < 6000; seed++) counts[new KeyedPermutation(RandomKey.Of(seed, RandomPurpose.User), 6)[0]]++;
        // five deviations of sqrt(6000 * 5/36)
        Assert.All(counts, c => Assert.InRange(c, 1000 - 145, 1000 + 145));
    }

    [Fact]
    public void It_reaches_to_63_bits_and_no_further_than_its_count()
    {
        var order = new KeyedPermutation(RandomKey.Of(3, RandomPurpose.User), long.MaxValue);
        Assert.Equal(100, Enumerable.Range(0, 100).Select(i => order[i]).Distinct().Count());
        Assert.True(order[long.MaxValue - 1] >= 0);
        Assert.Throws<ArgumentOutOfRangeException>(() => order[long.MaxValue]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyedPermutation(default, 0));
    }
}
