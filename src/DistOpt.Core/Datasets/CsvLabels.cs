using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>The label columns of a table: collected row by row, then made into class indices or target values.</summary>
internal sealed class CsvLabels
{
    /// <summary>Whole-number labels with at most so many different values are classes, where the task is <c>auto</c>.</summary>
    public const int AutoClassesMax = 20;


    private readonly CsvOptions _options;
    private readonly bool _isRegression;
    private readonly List<float> _targets = [];
    private readonly List<int> _rows = [];
    private readonly List<Distinct> _distinct = [];
    private readonly Dictionary<string, int> _byText = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    public CsvLabels(CsvOptions options)
    {
        _options = options;
        // targets of several values are no classes
        _isRegression = options.Task == "regression" || !options.Labels.IsDefaultOrEmpty;
        _bySpan = _byText.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Class indices and names, or target values.</summary>
    public sealed record Resolved(int[]? Indices, ImmutableArray<string> Classes, float[]? Targets);

    /// <summary>Adds the label of the next row, or the next of its labels.</summary>
    /// <returns>What is wrong with it, or null.</returns>
    public string? Add(ReadOnlySpan<char> cell, long line, bool isTest)
    {
        if (cell.IsEmpty) return "the label is missing; fill it in, or leave out the row";
        bool isNumber = CsvNumber.TryParse(cell, out float value);
        if (_isRegression)
        {
            string needs = _options.Labels.IsDefaultOrEmpty ? "data.task: regression needs" : "data.labels needs";
            if (!isNumber) return $"the label '{CsvTable.Shorten(cell)}' is not a finite number, as {needs}";
            _targets.Add(value);
            return null;
        }
        if (!_bySpan.TryGetValue(cell, out int at))
        {
            at = _distinct.Count;
            string text = cell.ToString();
            _distinct.Add(new Distinct(text, CsvNumber.TryParse(cell, out double number) ? number : null, line, isTest));
            _byText.Add(text, at);
        }
        _rows.Add(at);
        return null;
    }

    /// <param name="path">The main file, for error texts.</param>
    /// <param name="mainRows">Rows of the main file; those after it are the test file's.</param>
    /// <exception cref="SpecException">The labels do not fit the task.</exception>
    public Resolved Resolve(string path, int mainRows)
    {
        if (_isRegression) return Regression([.. _targets]);
        if (_options.Task == "auto" && !AreClasses(path, mainRows))
            return Regression([.. _rows.Select(at => (float)_distinct[at].Number!.Value)]);

        // "1", "01" and "1.0" are one class where all labels are whole numbers
        bool whole = _distinct.All(IsWhole);
        var keys = _distinct.Select(d => whole ? ((long)d.Number!.Value).ToString(CultureInfo.InvariantCulture) : d.Text).ToArray();
        string[] classes = [.. keys.Distinct(StringComparer.Ordinal)];
        if (whole)
            Array.Sort([.. classes.Select(c => long.Parse(c, CultureInfo.InvariantCulture))], classes);
        else Array.Sort(classes, StringComparer.Ordinal);
        CheckClasses(path, classes, keys);

        var indexOf = classes.Select((name, index) => (name, index)).ToDictionary(p => p.name, p => p.index, StringComparer.Ordinal);
        int[] indices = [.. _rows.Select(at => indexOf[keys[at]])];
        return new Resolved(indices, _options.ClassNames.IsEmpty ? [.. classes] : _options.ClassNames, null);
    }

    private Resolved Regression(float[] targets)
    {
        if (!_options.ClassNames.IsEmpty)
            throw new SpecException("data.class_names", "is set, but the task is regression: set data.task to classification, or leave "
                + "the names out");
        return new Resolved(null, [], targets);
    }

    private bool AreClasses(string path, int mainRows)
    {
        int numbers = _distinct.Count(d => d.Number is not null);
        if (numbers == 0) return true;
        if (numbers < _distinct.Count)
        {
            var text = _distinct.First(d => d.Number is null);
            var number = _distinct.First(d => d.Number is not null);
            throw new SpecException([new SpecViolation(path, $"the label '{CsvTable.Shorten(text.Text)}' is no number, but "
                + $"'{number.Text}' in line "
                + $"{number.Line} is; set data.task to classification if both are class names", (int)Math.Min(text.Line, int.MaxValue))]);
        }
        int different = _distinct.Where(d => !d.OnlyInTest).Select(d => d.Number).Distinct().Count();
        return _distinct.All(IsWhole) && different <= AutoClassesMax && 2 * different <= mainRows;
    }

    private static bool IsWhole(Distinct label) => label.Number is { } n && Math.Floor(n) == n && Math.Abs(n) <= 1L << 53;

    private void CheckClasses(string path, string[] classes, string[] keys)
    {
        var violations = new List<SpecViolation>();
        var known = _distinct.Select((d, at) => (d, at)).Where(p => !p.d.OnlyInTest).Select(p => keys[p.at])
            .ToHashSet(StringComparer.Ordinal);
        for (int at = 0; at < keys.Length; at++)
        {
            if (_distinct[at].OnlyInTest && !known.Contains(keys[at]))
                violations.Add(new SpecViolation("data.test_path", $"class '{CsvTable.Shorten(keys[at])}' does not occur in data.path",
                    (int)Math.Min(_distinct[at].Line, int.MaxValue)));
        }
        if (classes.Length < 2)
            violations.Add(new SpecViolation(path, $"every label is '{CsvTable.Shorten(classes[0])}', but a classification needs at "
                + "least 2 classes"));
        if (!_options.ClassNames.IsEmpty && _options.ClassNames.Length != classes.Length)
            violations.Add(new SpecViolation("data.class_names", $"has {_options.ClassNames.Length} names, but {path} has "
                + $"{classes.Length} classes"));
        if (violations.Count > CsvTable.ViolationsMax)
            violations.RemoveRange(CsvTable.ViolationsMax, violations.Count - CsvTable.ViolationsMax);
        if (violations.Count > 0) throw new SpecException(violations);
    }

    /// <param name="Line">Where it first occurs.</param>
    private sealed record Distinct(string Text, double? Number, long Line, bool OnlyInTest);
}
