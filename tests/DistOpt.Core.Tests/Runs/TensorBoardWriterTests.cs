using DistOpt.Core.Runs;

namespace DistOpt.Core.Tests.Runs;

public sealed class TensorBoardWriterTests
{
    // Reference: RFC 3720, appendix B.4, and the check value of CRC-32C
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0x8a9136aau)]
    [InlineData("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0x62a8ab43u)]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 0x46dd794eu)]
    [InlineData("313233343536373839", 0xe3069283u)]
    public void Crc32C_gives_the_published_values(string hex, uint expected)
    {
        byte[] data = Convert.FromHexString(hex);
        Assert.Equal(expected, TensorBoardWriter.Crc32C(data));
        Assert.Equal(expected, TensorBoardFile.Crc(data));
    }

    [Fact]
    public void Long_tags_and_large_steps_read_back()
    {
        using var folder = new TemporaryFolder();
        string tag = "validation/" + new string('x', 300);
        using (var writer = new TensorBoardWriter(folder.Path, DateTimeOffset.UnixEpoch))
            writer.Scalar(tag, long.MaxValue / 3, double.NegativeInfinity, DateTimeOffset.UnixEpoch.AddSeconds(1.5));
        var events = TensorBoardFile.Read(Assert.Single(Directory.GetFiles(folder.Path)));
        Assert.Equal((1.5, long.MaxValue / 3, null, tag, float.NegativeInfinity), events[1]);
    }
}
