using DistOpt.Core.Specs.Binding;

namespace DistOpt.Core.Tests.Specs.Binding;

public sealed class FieldNamesTests
{
    [Theory]
    [InlineData("", "abc", 3)]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("epohcs", "epochs", 1)]
    [InlineData("same", "same", 0)]
    public void Distance_counts_edits_and_swaps(string a, string b, int expected)
    {
        Assert.Equal(expected, FieldNames.Distance(a, b));
        Assert.Equal(expected, FieldNames.Distance(b, a));
    }

    [Theory]
    [InlineData("optimzer", "optimizer")]
    [InlineData("optimiser", "optimizer")]
    [InlineData("lr", "learning_rate")]
    [InlineData("Learning-Rate", "learning_rate")]
    [InlineData("epoch", "epochs")]
    [InlineData("hidden_sizes", "hidden")]
    [InlineData("clip", null)]
    [InlineData("l1", null)]
    [InlineData("", null)]
    public void The_nearest_name_is_offered_only_when_it_is_near(string name, string? expected) =>
        Assert.Equal(expected, FieldNames.Nearest(name, ["seed", "optimizer", "learning_rate", "epochs", "hidden", "l2x"]));
}
