using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Datasets;

public class DataSplitterTests
{
    private static readonly ISupervisedSource Digits =
        DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = "unused" });

    [Theory]
    [InlineData(0.1, 0.15, 0)]
    [InlineData(0.0, 0.0, 1)]
    [InlineData(0.9, 0.9, 2)]
    [InlineData(0.333, 0.01, 3)]
    public void Parts_are_disjoint_complete_ascending_and_stratified(double validation, double test, long seed)
    {
        var splits = DataSplitter.Split(Digits, validation, test, seed);
        long[] all = [.. splits.Train.Span, .. splits.Validation.Span, .. splits.Test.Span];
        Assert.Equal(Enumerable.Range(0, 1797).Select(i => (long)i), all.Order());
        foreach (var part in new[] { splits.Train, splits.Validation, splits.Test }) Assert.Equal(part.ToArray().Order(), part.ToArray());
        long wantedTest = (long)Math.Round(test * 1797), wantedValidation = (long)Math.Round(validation * (1797 - wantedTest));
        Assert.Equal(new DataCounts(1797 - wantedTest - wantedValidation, wantedValidation, wantedTest), splits.Counts);

        for (int c = 0; c < 10; c++)
        {
            long members = Digits.Labels.ToArray().Count(l => l == c);
            var counts = splits.PerClass[c];
            Assert.Equal(members, counts.Train + counts.Validation + counts.Test);
            Assert.Equal(counts.Test, splits.Test.ToArray().Count(i => Digits.Labels[(int)i] == c));
            Assert.Equal(counts.Validation, splits.Validation.ToArray().Count(i => Digits.Labels[(int)i] == c));
            // proportional to within the rounding of one sample (two for validation, whose base is rounded too)
            Assert.InRange(counts.Test - wantedTest * members / 1797.0, -1, 1);
            Assert.InRange(counts.Validation - wantedValidation * members / 1797.0, -2, 2);
        }
    }

    [Fact]
    public void The_split_depends_on_the_split_seed_alone()
    {
        var first = DataSplitter.Split(Digits, new DataSpec { SplitSeed = 7 });
        var again = DataSplitter.Split(Digits, new DataSpec { SplitSeed = 7, Prefetch = 5 });
        var other = DataSplitter.Split(Digits, new DataSpec { SplitSeed = 8 });
        Assert.Equal(first.Train.ToArray(), again.Train.ToArray());
        Assert.Equal(first.Test.ToArray(), again.Test.ToArray());
        Assert.NotEqual(first.Test.ToArray(), other.Test.ToArray());
        Assert.NotEqual(first.Validation.ToArray(), other.Validation.ToArray());
    }

    [Fact]
    public void The_default_split_of_digits_is_fixed_for_good()
    {
        var splits = DataSplitter.Split(Digits, new DataSpec());
        Assert.Equal("1,797 samples: train 1,374, validation 153, test 270", splits.Summary);
        // a change here makes every published figure incomparable
        Assert.Equal([6L, 17, 19, 24, 25, 26, 33, 52], splits.Test.ToArray()[..8]);
    }

    [Fact]
    public void A_predefined_test_part_is_the_last_samples_and_the_test_fraction_does_not_count()
    {
        int[] labels = [0, 1, 0, 1, 0, 1, 0, 1, 1, 1];
        var splits = DataSplitter.Split(10, 2, labels, ["a", "b"], validationFraction: 0.25, testFraction: 0.5, splitSeed: 0);
        Assert.Equal([8, 9], splits.Test.ToArray());
        Assert.Equal(2, splits.Validation.Length);
        Assert.Equal([new ClassCounts(3, 1, 0), new ClassCounts(3, 1, 2)], splits.PerClass);
    }

    [Fact]
    public void Every_class_keeps_a_sample_for_training()
    {
        int[] labels = [0, 0, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3];
        for (long seed = 0; seed < 20; seed++)
        {
            var splits = DataSplitter.Split(labels.Length, 0, labels, ["a", "b", "c", "d"], 0.9, 0.9, seed);
            Assert.Equal([0, 1, 2, 3], splits.Train.ToArray().Select(i => labels[i]).Distinct().Order());
        }
    }

    [Fact]
    public void A_class_without_samples_disturbs_nothing()
    {
        var splits = DataSplitter.Split(4, 0, [0, 0, 2, 2], ["a", "b", "c"], 0.25, 0.25, 0);
        Assert.Equal(new ClassCounts(0, 0, 0), splits.PerClass[1]);
        Assert.Equal(4, splits.Train.Length + splits.Validation.Length + splits.Test.Length);
    }

    [Fact]
    public void Left_over_samples_go_to_the_largest_remainders()
    {
        // 10 % of 100 = 10: quotas 3.5, 3.3, 3.2 -> the half gets the one that is left
        Assert.Equal([4, 3, 3], DataSplitter.HeldOut([35, 33, 32], 0.1));
        // equal remainders: the lower class first
        Assert.Equal([1, 1, 0, 0], DataSplitter.HeldOut([2, 2, 2, 2], 0.25));
        // a class of one gives none, and another fills in
        Assert.Equal([0, 0, 3], DataSplitter.HeldOut([1, 1, 4], 0.5));
        Assert.Equal([0, 0], DataSplitter.HeldOut([1, 1], 0.9));
    }

    [Fact]
    public void Samples_without_classes_are_split_at_random()
    {
        var splits = DataSplitter.Split(1000, validationFraction: 0.1, testFraction: 0.2, splitSeed: 3);
        Assert.Equal(new DataCounts(720, 80, 200), splits.Counts);
        Assert.Empty(splits.PerClass);
        Assert.Equal("1,000 samples: train 720, validation 80, test 200", splits.ToString());
        // spread over the whole range, not a block of it
        Assert.InRange(splits.Test.ToArray().Average(), 400, 600);
    }

    [Fact]
    public void One_sample_is_trained_on()
    {
        var splits = DataSplitter.Split(1, 0.5, 0.5, 0);
        Assert.Equal(new DataCounts(1, 0, 0), splits.Counts);
    }

    [Fact]
    public void The_text_shows_every_class()
    {
        var splits = DataSplitter.Split(6, 0, [0, 0, 0, 1, 1, 1], ["cat", "a longer name"], 0.25, 0.33, 0);
        Assert.Equal("""
            6 samples: train 3, validation 1, test 2
              class              train validation       test
              cat                    1          1          1
              a longer name          2          0          1
            """.ReplaceLineEndings("\n"), splits.ToString());
    }

    [Fact]
    public void The_text_of_many_classes_is_cut()
    {
        int[] labels = [.. Enumerable.Range(0, 120).Select(i => i % 60)];
        string text = DataSplitter.Split(120, 0, labels, [.. labels[..60].Select(l => $"c{l}")], 0, 0, 0).ToString();
        Assert.EndsWith("\n  and 10 more classes", text, StringComparison.Ordinal);
        Assert.Equal(2 + 50 + 1, text.Split('\n').Length);
    }

    [Fact]
    public void What_cannot_be_split_is_refused_with_all_reasons()
    {
        var error = Assert.Throws<SpecException>(() => DataSplitter.Split(3, -0.1, double.NaN, 0, testCount: 3));
        Assert.Equal(
        [
            "data.validation_fraction: is -0.1, but must be from 0 to 0.9",
            "data.test_fraction: is NaN, but must be from 0 to 0.9",
            "data: 3 samples with 3 for the test leave none for training: at least 1 is needed",
        ], error.Violations.Select(v => v.ToString()));
        Assert.Throws<SpecException>(() => DataSplitter.Split(0, 0.1, 0.1, 0));
    }
}
