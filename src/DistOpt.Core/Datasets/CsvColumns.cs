using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>What each column of a table is: decided by its first row and the options.</summary>
internal sealed class CsvColumns
{
    private readonly ImmutableArray<string> _names;

    private CsvColumns(ImmutableArray<string> names, int count, ImmutableArray<int> labels, ImmutableArray<int> inputs) =>
        (_names, Count, Labels, Inputs) = (names, count, labels, inputs);

    /// <summary>Cells that every row has.</summary>
    public int Count { get; }

    public bool HasHeader => !_names.IsEmpty;

    /// <summary>Indices of the label columns, in the order of the options.</summary>
    public ImmutableArray<int> Labels { get; }

    /// <summary>Indices of the input columns, ascending.</summary>
    public ImmutableArray<int> Inputs { get; }

    /// <summary>Names of the input columns; empty without a header.</summary>
    public ImmutableArray<string> InputNames => HasHeader ? [.. Inputs.Select(i => _names[i])] : [];

    /// <summary>How an error text names a column: "column 2 'width'", or "column 2 (from 0)".</summary>
    public string Describe(int column) => HasHeader ? $"column {column} '{CsvTable.Shorten(_names[column])}'" : $"column {column} (from 0)";

    /// <summary>Reads the columns off the reader's current row, the first.</summary>
    public static CsvColumns Of(CsvReader row, CsvOptions options, string path)
    {
        int count = row.Count;
        bool byIndex = options.LabelColumns.Concat(options.Ignore)
            .All(i => int.TryParse(i, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _));
        bool header = options.Header == "true" || (options.Header == "auto" && (!byIndex || LooksLikeHeader(row, options)));
        ImmutableArray<string> names = header ? [.. Enumerable.Range(0, count).Select(i => row[i].ToString())] : [];

        var violations = new List<SpecViolation>();
        foreach (var group in names.GroupBy(n => n, StringComparer.Ordinal).Where(g => g.Count() > 1))
            violations.Add(new SpecViolation(path, $"{group.Count()} columns are named '{group.Key}'; give each a name of its own",
                (int)row.Line));
        string field = options.Labels.IsDefaultOrEmpty ? "data.label" : "data.labels";
        ImmutableArray<int> labels = [.. options.LabelColumns.Select(c => Find(c, field))];
        foreach (var group in labels.Where(l => l >= 0).GroupBy(l => l).Where(g => g.Count() > 1))
            violations.Add(new SpecViolation(field, $"names column {group.Key} {group.Count()} times; name it once"));
        var ignored = options.Ignore.Select(i => Find(i, "data.ignore")).ToHashSet();
        foreach (int label in labels.Distinct().Where(l => l >= 0 && ignored.Contains(l)))
            violations.Add(new SpecViolation("data.ignore", $"names column {label}, which is {(labels.Length > 1 ? "a" : "the")} label; leave one of them out"));
        ImmutableArray<int> inputs = [.. Enumerable.Range(0, count).Where(i => !labels.Contains(i) && !ignored.Contains(i))];
        if (inputs.IsEmpty && violations.Count == 0)
        {
            violations.Add(new SpecViolation(path, count == 1
                ? $"has 1 column, but needs a label and at least one input; is data.delimiter '{options.Delimiter}' right?"
                : "no input columns are left beside the label and data.ignore", (int)row.Line));
        }
        return violations.Count == 0 ? new CsvColumns(names, count, labels, inputs) : throw new SpecException(violations);

        int Find(string column, string option)
        {
            int named = names.IndexOf(column);
            if (named >= 0) return named;
            if (int.TryParse(column, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int index))
            {
                if (index >= -count && index < count) return index < 0 ? count + index : index;
                violations.Add(new SpecViolation(option, $"is {index}, but {path} has {count} columns: use from {-count} to {count - 1}"));
                return -1;
            }
            violations.Add(new SpecViolation(option, names.IsEmpty
                ? $"is '{column}', but data.header is false: give the index of a column from 0 to {count - 1}"
                : $"is '{column}', which is no column of {path}; it has {string.Join(", ", names.Take(20))}{(count > 20 ? ", ..." : "")}"));
            return -1;
        }
    }

    /// <summary>Checks that the header of a second file, the reader's current row, names the same columns.</summary>
    public void CheckSame(CsvReader row, string path)
    {
        if (row.Count != Count)
            throw new SpecException([new SpecViolation(path, $"the header has {row.Count} columns, but that of data.path has {Count}",
                (int)row.Line)]);
        for (int i = 0; i < Count; i++)
        {
            if (!row[i].SequenceEqual(_names[i]))
            {
                throw new SpecException([new SpecViolation(path,
                    $"column {i} is named '{CsvTable.Shorten(row[i])}', but that of data.path is named '{_names[i]}'", (int)row.Line)]);
            }
        }
    }

    /// <summary>It does when no cell outside the label and the ignored columns is a number.</summary>
    private static bool LooksLikeHeader(CsvReader row, CsvOptions options)
    {
        var others = options.Ignore.Concat(options.LabelColumns)
            .Select(i => int.Parse(i, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))
            .Select(i => i < 0 ? row.Count + i : i).ToHashSet();
        bool any = false;
        for (int i = 0; i < row.Count; i++)
        {
            if (others.Contains(i)) continue;
            if (CsvNumber.TryParse(row[i], out double _) || row[i].IsEmpty || row[i].Equals("nan", StringComparison.OrdinalIgnoreCase))
                return false;
            any = true;
        }
        return any;
    }
}
