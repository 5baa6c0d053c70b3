namespace DistOpt.Protocol.Tests;

public sealed class ProtocolVersionTests
{
    [Theory]
    [InlineData("1.0", "1.0", true)]
    [InlineData("1.0", "1.1", true)]
    [InlineData("1.1", "1.2", true)]
    [InlineData("1.0", "1.2", false)]
    [InlineData("1.9", "1.10", true)]
    [InlineData("1.9", "1.11", false)]
    [InlineData("1.0", "2.0", false)]
    [InlineData("1.2147483647", "1.0", false)]
    public void Versions_work_together_within_one_major_and_one_minor_apart(string one, string other, bool works)
    {
        Assert.Equal(works, ProtocolVersion.Parse(one).WorksWith(ProtocolVersion.Parse(other)));
        Assert.Equal(works, ProtocolVersion.Parse(other).WorksWith(ProtocolVersion.Parse(one)));
        Assert.Equal(one, ProtocolVersion.Parse(one).ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.0.0")]
    [InlineData("1.-1")]
    [InlineData(" 1.0")]
    [InlineData("1.99999999999")]
    public void What_is_no_version_is_not_read(string? text) => Assert.False(ProtocolVersion.TryParse(text, out _));
}
