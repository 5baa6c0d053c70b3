using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Parameters;

public sealed class KeyRangeTests
{
    [Fact]
    public void A_range_holds_its_begin_and_not_its_end()
    {
        var range = new KeyRange(3, 7);
        Assert.Equal(4, range.Length);
        Assert.True(range.Contains(3) && range.Contains(6));
        Assert.False(range.Contains(2) || range.Contains(7) || range.IsEmpty);
        Assert.Equal("[3,7)", range.ToString());
        Assert.True(new KeyRange(5, 5).IsEmpty);
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(3, 2)]
    public void Impossible_ranges_are_refused(long begin, long end) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyRange(begin, end));
}
