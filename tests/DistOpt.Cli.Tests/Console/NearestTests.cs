namespace DistOpt.Cli.Tests.Console;

public sealed class NearestTests
{
    [Theory]
    [InlineData("workers", "wokers", 1)]
    [InlineData("train", "trian", 1)]
    [InlineData("", "abc", 3)]
    [InlineData("kitten", "sitting", 3)]
    public void Distance_counts_edits_and_swaps(string a, string b, int distance)
    {
        Assert.Equal(distance, Nearest.Distance(a, b));
        Assert.Equal(distance, Nearest.Distance(b, a));
    }

    [Theory]
    [InlineData("evaluat", "evaluate")]
    [InlineData("eval", "evaluate")]
    [InlineData("banana", null)]
    public void Only_a_near_name_is_offered(string typed, string? expected) => Assert.Equal(expected, Nearest.Of(typed, ["train", "evaluate", "predict"]));
}
