using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Parameters;

public sealed class KeyRangePartitionerTests
{
    [Fact]
    public void Ranges_cover_the_vector_and_are_cut_at_whole_blocks_of_near_equal_number()
    {
        foreach (long count in new[] { 1L, 1023, 1024, 1025, 5000, 109_386, 3_000_000_000 })
        {
            foreach (int servers in new[] { 1, 2, 3, 5, 100 })
            {
                if (servers > KeyRangePartitioner.MaxServers(count)) continue;
                var ranges = KeyRangePartitioner.Cut(count, servers);
                Assert.Equal(servers, ranges.Length);
                Assert.Equal(0, ranges[0].Begin);
                Assert.Equal(count, ranges[^1].End);
                long blocks = (count + 1023) / 1024;
                for (int s = 0; s < servers; s++)
                {
                    Assert.False(ranges[s].IsEmpty);
                    Assert.Equal(0, ranges[s].Begin % KeyRangePartitioner.Block);
                    Assert.InRange((ranges[s].Length + 1023) / 1024, blocks / servers, blocks / servers + 1);
                    if (s > 0) Assert.Equal(ranges[s - 1].End, ranges[s].Begin);
                }
            }
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(1024, 1)]
    [InlineData(1025, 2)]
    [InlineData(10_240, 10)]
    public void There_is_room_for_one_server_a_block(long count, int servers) =>
        Assert.Equal(servers, KeyRangePartitioner.MaxServers(count));

    [Theory]
    [InlineData(1024, 2)]
    [InlineData(1024, 0)]
    [InlineData(-1, 1)]
    public void Impossible_cuts_are_refused(long count, int servers) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => KeyRangePartitioner.Cut(count, servers));

    [Fact]
    public void No_parameters_are_one_empty_range() => Assert.Equal([new KeyRange(0, 0)], KeyRangePartitioner.Cut(0, 1));
}
