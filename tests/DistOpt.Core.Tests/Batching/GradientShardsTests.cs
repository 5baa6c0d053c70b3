using DistOpt.Core.Batching;

namespace DistOpt.Core.Tests.Batching;

public sealed class GradientShardsTests
{
    [Theory]
    [InlineData(64, 4)]
    [InlineData(3, 8)]
    [InlineData(0, 3)]
    [InlineData(1_000_003, 7)]
    [InlineData(long.MaxValue, 100_000)]
    public void Parts_cover_all_positions_in_order_and_differ_by_at_most_one(long count, int parts)
    {
        long next = 0;
        foreach (int i in parts > 1000 ? [0, 1, 50_000, parts - 1] : Enumerable.Range(0, parts))
        {
            var part = GradientShards.Part(count, parts, i);
            if (parts <= 1000) Assert.Equal(next, part.Begin);
            Assert.InRange(part.Length, count / parts, count / parts + 1);
            next = part.End;
        }
        Assert.Equal(count, next);
    }

    [Fact]
    public void Part_i_begins_at_the_floor_of_i_times_count_by_parts()
    {
        Assert.Equal(new PositionRange(0, 3), GradientShards.Part(10, 3, 0));
        Assert.Equal(new PositionRange(3, 6), GradientShards.Part(10, 3, 1));
        Assert.Equal(new PositionRange(6, 10), GradientShards.Part(10, 3, 2));
    }

    [Theory]
    [InlineData(-1, 1, 0)]
    [InlineData(1, 0, 0)]
    [InlineData(1, 1, 1)]
    [InlineData(1, 1, -1)]
    public void Impossible_parts_are_refused(long count, int parts, int index) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientShards.Part(count, parts, index));
}
