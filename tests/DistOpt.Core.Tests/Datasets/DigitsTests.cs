using DistOpt.Core.Datasets;

namespace DistOpt.Core.Tests.Datasets;

public class DigitsTests
{
    private static readonly ISupervisedSource Digits = Open(normalize: true);

    private static ISupervisedSource Open(bool normalize) =>
        DatasetCatalog.Create().Get("digits")(new DigitsOptions { Normalize = normalize }, new DataEnvironment { Root = "unused" });

    [Fact]
    public void The_built_in_set_is_the_whole_UCI_test_part()
    {
        Assert.Equal(1797, Digits.Count);
        Assert.Equal(0, Digits.TestCount);
        Assert.Equal([1, 8, 8], Digits.Info.InputShape);
        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], Digits.Info.Classes);
        int[] counts = [.. Digits.Labels.ToArray().CountBy(c => c).OrderBy(p => p.Key).Select(p => p.Value)];
        Assert.Equal([178, 182, 177, 183, 181, 182, 181, 179, 174, 180], counts);
    }

    [Fact]
    public void The_first_row_is_the_published_one()
    {
        var input = new float[64];
        Digits.CopyInput(0, input);
        Assert.Equal([0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0], input[..16]);
        Assert.Equal(0, Digits.Labels[0]);
        for (int i = 0; i < Digits.Count; i++)
        {
            Digits.CopyInput(i, input);
            Assert.All(input, v => Assert.InRange(v, 0, 16));
        }
    }

    [Fact]
    public void Normalize_decides_whether_statistics_exist()
    {
        Assert.Null(NormalizationStatistics.Compute(Open(normalize: false), [0, 1]));
        Assert.NotNull(NormalizationStatistics.Compute(Digits, [0, 1]));
    }

    [Fact]
    public void The_content_hash_is_stable() =>
        // nodes of different builds compare it; computed independently (Python's hashlib) from the file and the documented layout
        Assert.Equal("c4514ad19641c227e15874c6876f9932a4d84e0d89559a1ff12731d474899132", Digits.ContentHash);

    [Fact]
    public void A_destination_of_another_length_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Digits.CopyInput(0, new float[63]));
        Assert.Throws<InvalidOperationException>(() => Digits.CopyTarget(0, new float[1]));
        Assert.ThrowsAny<ArgumentException>(() => Digits.CopyInput(1797, new float[64]));
    }
}
