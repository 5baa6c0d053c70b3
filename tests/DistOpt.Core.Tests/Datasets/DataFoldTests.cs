using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Datasets;

public sealed class DataFoldTests
{
    private static readonly ISupervisedSource Digits =
        DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = "unused" });

    [Theory]
    [InlineData(5, 0.0, 0)]
    [InlineData(5, 0.15, 0)]
    [InlineData(2, 0.15, 1)]
    [InlineData(7, 0.3, 2)]
    [InlineData(10, 0.9, 3)]
    public void Folds_are_disjoint_complete_and_stratified_and_leave_the_test_part_out(int folds, double test, long seed)
    {
        var splits = Enumerable.Range(0, folds).Select(f => Split(f, folds, test, seed)).ToList();
        var single = DataSplitter.Split(Digits, new DataSpec { TestFraction = test, SplitSeed = seed });

        long[] rest = [.. single.Train.ToArray().Concat(single.Validation.ToArray()).Order()];
        Assert.Equal(rest, splits.SelectMany(s => s.Validation.ToArray()).Order()); // each sample in exactly one fold
        foreach (var split in splits)
        {
            Assert.Equal(single.Test.ToArray(), split.Test.ToArray());
            Assert.Equal(rest, split.Train.ToArray().Concat(split.Validation.ToArray()).Order());
            Assert.Equal(split.Train.ToArray().Order(), split.Train.ToArray());
            Assert.Equal(split.Validation.ToArray().Order(), split.Validation.ToArray());
            Assert.InRange(split.Validation.Length, rest.Length / folds, rest.Length / folds + 1);
        }
        for (int kind = 0; kind < 10; kind++)
        {
            long[] counts = [.. splits.Select(s => s.PerClass[kind].Validation)];
            Assert.InRange(counts.Max() - counts.Min(), 0, 1);
        }
    }

    [Fact]
    public void Folds_depend_on_the_split_seed_alone()
    {
        var one = Split(2, 5, 0.15, 7);

        Assert.Equal(one.Validation.ToArray(), DataSplitter.Split(Digits,
            new DataSpec { Folds = 5, Fold = 2, SplitSeed = 7, Prefetch = 9, ValidationFraction = 0.4 }).Validation.ToArray());
        Assert.NotEqual(one.Validation.ToArray(), Split(2, 5, 0.15, 8).Validation.ToArray());
    }

    [Fact]
    public void Samples_without_classes_and_a_test_part_of_their_own_are_dealt_out_too()
    {
        var splits = Enumerable.Range(0, 3).Select(f => DataSplitter.Split(10, 3, [], [], 0, 0.5, 0, new DataFold(f, 3))).ToList();

        Assert.Equal([3, 2, 2], splits.Select(s => s.Validation.Length));
        Assert.All(splits, s => Assert.Equal([7L, 8, 9], s.Test.ToArray()));
        Assert.Equal([0L, 1, 2, 3, 4, 5, 6], splits.SelectMany(s => s.Validation.ToArray()).Order());
    }

    [Fact]
    public void More_folds_than_samples_are_bad_input()
    {
        var error = Assert.Throws<SpecException>(() => DataSplitter.Split(4, 0, [], [], 0, 0.25, 0, new DataFold(0, 5)));

        Assert.Equal("data.folds: is 5, but there are only 3 samples outside of the test part; set it to at most 3", error.Message);
    }

    [Fact]
    public void All_folds_at_once_are_no_split()
    {
        Assert.Null(DataFold.Of(new DataSpec()));
        Assert.Equal(new DataFold(1, 3), DataFold.Of(new DataSpec { Folds = 3, Fold = 1 }));
        Assert.Contains("3 runs, but this is one", Assert.Throws<SpecException>(() => DataFold.Of(new DataSpec { Folds = 3 })).Message);
    }

    private static DataSplits Split(int fold, int folds, double test, long seed) =>
        DataSplitter.Split(Digits, new DataSpec { Folds = folds, Fold = fold, TestFraction = test, SplitSeed = seed });
}
