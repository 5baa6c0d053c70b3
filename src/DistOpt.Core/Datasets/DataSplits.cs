using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using DistOpt.Core.Training;

namespace DistOpt.Core.Datasets;

/// <summary>
/// Which samples are for training, validation and test: disjoint, complete, each in ascending order, the same on every machine.
/// </summary>
public sealed class DataSplits
{
    /// <summary>Lines of the table, at most.</summary>
    private const int ClassesShownMax = 50;

    private readonly long[] _train;
    private readonly long[] _validation;
    private readonly long[] _test;

    internal DataSplits(long[] train, long[] validation, long[] test, ImmutableArray<string> classes,
        ImmutableArray<ClassCounts> classCounts) =>
        (_train, _validation, _test, Classes, PerClass) = (train, validation, test, classes, classCounts);

    /// <summary>Sample indices of the training part.</summary>
    public ReadOnlyMemory<long> Train => _train;

    /// <summary>Sample indices of the validation part; may be empty.</summary>
    public ReadOnlyMemory<long> Validation => _validation;

    /// <summary>Sample indices of the test part; may be empty.</summary>
    public ReadOnlyMemory<long> Test => _test;

    public DataCounts Counts => new(_train.Length, _validation.Length, _test.Length);

    /// <summary>Names of the classes; empty where the samples have none.</summary>
    public ImmutableArray<string> Classes { get; }

    /// <summary>Samples of each class in each part, by class index; empty where the samples have no classes.</summary>
    public ImmutableArray<ClassCounts> PerClass { get; }

    public ReadOnlyMemory<long> Of(DataSplit split) => split switch
    {
        DataSplit.Train => _train,
        DataSplit.Validation => _validation,
        DataSplit.Test => _test,
        _ => throw new ArgumentOutOfRangeException(nameof(split), split, null),
    };

    /// <summary>One line: "1,797 samples: train 1,374, validation 153, test 270".</summary>
    public string Summary => string.Create(CultureInfo.InvariantCulture,
        $"{_train.Length + _validation.Length + _test.Length:N0} samples: train {_train.Length:N0}, validation {_validation.Length:N0}, "
            + $"test {_test.Length:N0}");

    /// <summary>The summary, and below it a table of the parts by class where there are classes (the first 50).</summary>
    public override string ToString()
    {
        if (PerClass.IsEmpty) return Summary;
        var text = new StringBuilder(Summary);
        int shown = PerClass.Length <= ClassesShownMax ? PerClass.Length : ClassesShownMax;
        int width = Math.Max("class".Length, Classes.Take(shown).Max(c => c.Length));
        text.Append('\n').Append(CultureInfo.InvariantCulture, $"  {"class".PadRight(width)} {"train",10} {"validation",10} {"test",10}");
        for (int c = 0; c < shown; c++)
        {
            var (train, validation, test) = PerClass[c];
            text.Append('\n').Append(CultureInfo.InvariantCulture, $"  {Classes[c].PadRight(width)} {train,10:N0} {validation,10:N0} "
                + $"{test,10:N0}");
        }
        if (shown < PerClass.Length) text.Append(CultureInfo.InvariantCulture, $"\n  and {PerClass.Length - shown} more classes");
        return text.ToString();
    }
}

/// <summary>Samples of one class in each part.</summary>
public readonly record struct ClassCounts(long Train, long Validation, long Test);
