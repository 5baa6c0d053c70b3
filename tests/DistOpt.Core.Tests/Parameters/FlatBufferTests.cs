using DistOpt.Core.Parameters;

namespace DistOpt.Core.Tests.Parameters;

public sealed class FlatBufferTests
{
    [Fact]
    public void A_slice_is_a_view_of_its_range()
    {
        var buffer = new FlatBuffer(10);
        buffer.Slice(new KeyRange(4, 7)).Span.Fill(1);
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 0, 0, 0], buffer.Span.ToArray());
        Assert.Equal(10, buffer.Length);
        Assert.True(buffer.Slice(new KeyRange(10, 10)).IsEmpty);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Slice(new KeyRange(4, 11)));
    }

    [Fact]
    public void The_address_stays_when_memory_is_compacted()
    {
        var buffer = new FlatBuffer(100);
        nint before = Address(buffer);
        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        Assert.Equal(before, Address(buffer));

    }

    [Fact]
    public void Every_buffer_begins_at_a_cache_line()
    {
        for (int length = 0; length < 40; length++) Assert.Equal(0, Address(new FlatBuffer(length)) % FlatBuffer.Alignment);
    }

    private static nint Address(FlatBuffer b) => System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(b.Storage, b.Offset);

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void Impossible_lengths_are_refused(long length) => Assert.Throws<ArgumentOutOfRangeException>(() => new FlatBuffer(length));
}
