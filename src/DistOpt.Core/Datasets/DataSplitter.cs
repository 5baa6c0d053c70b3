using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>One of the folds of a cross-validation.</summary>
/// <param name="Index">From 0.</param>
/// <param name="Folds">At least 2.</param>
public readonly record struct DataFold(int Index, int Folds)
{
    /// <summary>The fold that a spec names; null where it has none.</summary>
    /// <exception cref="SpecException">The spec is for all folds, which is no single split.</exception>
    public static DataFold? Of(DataSpec spec) => spec switch
    {
        { Folds: { } folds, Fold: { } fold } => new DataFold(fold, folds),
        { Folds: { } folds } => throw new SpecException("data.folds",
            $"is {folds}, which is {folds} runs, but this is one; set data.fold to one of them, or run them with 'train' or CrossValidateAsync"),
        _ => null,
    };
}

/// <summary>
/// Cuts samples into training, validation and test part by the split seed alone. Where there are classes, every part gets its share of
/// each, rounded by the largest remainder; no class is held out whole, so every class appears in the training part.
/// </summary>
public static class DataSplitter
{
    /// <summary>Splits a source as the common fields of <c>data:</c> say.</summary>
    /// <exception cref="SpecException">Fewer than 1 sample remains for training, or a fraction is out of range.</exception>
    public static DataSplits Split(ISupervisedSource source, double validationFraction, double testFraction, long splitSeed) =>
        Split(source.Count, source.TestCount, source.Labels, source.Info.Classes, validationFraction, testFraction, splitSeed);

    /// <inheritdoc cref="Split(ISupervisedSource, double, double, long)"/>
    public static DataSplits Split(ISupervisedSource source, DataSpec spec) =>
        Split(source.Count, source.TestCount, source.Labels, source.Info.Classes, spec.ValidationFraction, spec.TestFraction, spec.SplitSeed,
            DataFold.Of(spec));

    /// <summary>Splits samples that have no classes, as those of a user's data set.</summary>
    /// <inheritdoc cref="Split(long, long, ReadOnlySpan{int}, ImmutableArray{string}, double, double, long, DataFold?)"/>
    public static DataSplits Split(long count, double validationFraction, double testFraction, long splitSeed, long testCount = 0) =>
        Split(count, testCount, [], [], validationFraction, testFraction, splitSeed);

    /// <summary>Splits <paramref name="count"/> samples.</summary>
    /// <param name="testCount">The last so many samples are the test part; 0 = <paramref name="testFraction"/> of all is held out.</param>
    /// <param name="labels">Class of each sample, or empty.</param>
    /// <param name="classes">Names of the classes, or empty.</param>
    /// <param name="validationFraction">Share of what is not test that is held out for validation, in [0, 0.9].</param>
    /// <param name="testFraction">In [0, 0.9]; unused where there is a predefined test part.</param>
    /// <param name="fold">
    /// The validation part is this one of as many disjoint parts of what is not test, and <paramref name="validationFraction"/> is unused. The
    /// parts differ by at most one sample, and by at most one of each class.
    /// </param>
    /// <exception cref="SpecException">Fewer than 1 sample remains for training, or a fraction is out of range.</exception>
    public static DataSplits Split(long count, long testCount, ReadOnlySpan<int> labels, ImmutableArray<string> classes,
        double validationFraction, double testFraction, long splitSeed, DataFold? fold = null)
    {
        Check(count, testCount, validationFraction, testFraction);
        if (!labels.IsEmpty && labels.Length != count)
            throw new ArgumentException($"{count} samples do not fit {labels.Length} labels", nameof(labels));
        int kinds = labels.IsEmpty ? 1 : classes.Length;
        var groups = Group(count - testCount, labels, kinds);
        var available = Array.ConvertAll(groups, g => (long)g.Length);
        long[] test = testCount > 0 ? new long[kinds] : HeldOut(available, testFraction);
        long[] rest = [.. available.Zip(test, (a, t) => a - t)];
        long[] validation = fold is null ? HeldOut(rest, validationFraction) : new long[kinds];
        if (fold is { } wanted && rest.Sum() < wanted.Folds)
        {
            throw new SpecException("data.folds", $"is {wanted.Folds}, but there are only {rest.Sum()} samples outside of the test part; "
                + $"set it to at most {rest.Sum()}");
        }
        long dealt = 0;

        var parts = (Train: new List<long>(), Validation: new List<long>(), Test: new List<long>());
        for (int kind = 0; kind < kinds; kind++)
        {
            var group = groups[kind];
            new CounterRandom(splitSeed, RandomPurpose.Split, kind).Shuffle(group.AsSpan());
            int testEnd = (int)test[kind], validationEnd = testEnd + (int)validation[kind];
            parts.Test.AddRange(group.AsSpan(0, testEnd));
            parts.Validation.AddRange(group.AsSpan(testEnd..validationEnd));
            if (fold is null) parts.Train.AddRange(group.AsSpan(validationEnd));
            // dealt out like cards, one class after the other
            else foreach (long i in group.AsSpan(testEnd)) (dealt++ % fold.Value.Folds == fold.Value.Index ? parts.Validation : parts.Train).Add(i);
        }
        for (long i = count - testCount; i < count; i++) parts.Test.Add(i);
        parts.Train.Sort();
        parts.Validation.Sort();
        parts.Test.Sort();
        long[] train = [.. parts.Train], held = [.. parts.Validation], tested = [.. parts.Test];
        return labels.IsEmpty
            ? new DataSplits(train, held, tested, [], [])
            : new DataSplits(train, held, tested, classes, Counts(labels, kinds, train, held, tested));
    }

    private static void Check(long count, long testCount, double validationFraction, double testFraction)
    {
        var violations = new List<SpecViolation>();
        foreach (var (path, value) in new[] { ("data.validation_fraction", validationFraction), ("data.test_fraction", testFraction) })
            if (!(value >= 0 && value <= 0.9)) violations.Add(new SpecViolation(path, $"is {value}, but must be from 0 to 0.9"));
        if (testCount < 0 || count - testCount < 1)
            violations.Add(new SpecViolation("data", $"{count} samples with {testCount} for the test leave none for training: at least 1 "
                + "is needed"));
        else if (count > Array.MaxLength)
            violations.Add(new SpecViolation("data", $"{count} samples are too many: at most {Array.MaxLength} can be split"));
        if (violations.Count > 0) throw new SpecException(violations);
    }

    /// <summary>Indices below <paramref name="count"/> by class, ascending.</summary>
    private static long[][] Group(long count, ReadOnlySpan<int> labels, int kinds)
    {
        var groups = new List<long>[kinds];
        for (int kind = 0; kind < kinds; kind++) groups[kind] = [];
        for (int i = 0; i < count; i++) groups[labels.IsEmpty ? 0 : labels[i]].Add(i);
        return Array.ConvertAll(groups, g => g.ToArray());
    }

    /// <summary>
    /// How many of each class are held out: <c>round(fraction * all)</c> in proportion to the classes, rounded down, what is left over
    /// going to the largest remainders (lower class first among equals); at most all but one of a class.
    /// </summary>
    internal static long[] HeldOut(ReadOnlySpan<long> available, double fraction)
    {
        var held = new long[available.Length];
        long all = 0, most = 0;
        foreach (long n in available)
        {
            all += n;
            most += Math.Max(0, n - 1);
        }
        if (all == 0) return held;
        long wanted = Math.Min((long)Math.Round(fraction * all, MidpointRounding.AwayFromZero), most);
        var remainders = new (Int128 Remainder, int Kind)[available.Length];
        long left = wanted;
        for (int kind = 0; kind < held.Length; kind++)
        {
            var (quotient, remainder) = Int128.DivRem((Int128)wanted * available[kind], all);
            held[kind] = Math.Min((long)quotient, Math.Max(0, available[kind] - 1));
            remainders[kind] = (remainder, kind);
            left -= held[kind];
        }
        Array.Sort(remainders, (a, b) => a.Remainder != b.Remainder ? b.Remainder.CompareTo(a.Remainder) : a.Kind.CompareTo(b.Kind));
        while (left > 0)
        {
            // more than one round only where a class could not give what was asked of it
            foreach (var (_, kind) in remainders)
            {
                if (left == 0) break;
                if (held[kind] >= available[kind] - 1) continue;
                held[kind]++;
                left--;
            }
        }
        return held;
    }

    private static ImmutableArray<ClassCounts> Counts(ReadOnlySpan<int> labels, int kinds, long[] train, long[] validation, long[] test)
    {
        var counts = new ClassCounts[kinds];
        foreach (long i in train) counts[labels[(int)i]] = counts[labels[(int)i]] with { Train = counts[labels[(int)i]].Train + 1 };
        foreach (long i in validation)
            counts[labels[(int)i]] = counts[labels[(int)i]] with { Validation = counts[labels[(int)i]].Validation + 1 };
        foreach (long i in test) counts[labels[(int)i]] = counts[labels[(int)i]] with { Test = counts[labels[(int)i]].Test + 1 };
        return [.. counts];
    }
}
