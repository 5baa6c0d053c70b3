using System.Runtime.InteropServices;
using System.Text;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>
/// A table of numbers with a label column. Everything that is wrong with a file is reported by line and column, the first
/// <see cref="CsvTable.ViolationsMax"/> at once.
/// </summary>
internal sealed class CsvTable
{
    /// <summary>Reading stops after so many errors.</summary>
    public const int ViolationsMax = 10;

    private static readonly string[] MissingMarks = ["", "na", "n/a", "nan", "null", "none", "?"];

    private readonly CsvOptions _options;
    private readonly char _delimiter;
    private readonly List<SpecViolation> _violations = [];
    private readonly List<float> _inputs = [];
    private readonly CsvLabels _labels;
    private CsvColumns? _columns;

    private CsvTable(CsvOptions options, char delimiter) => (_options, _delimiter, _labels) = (options, delimiter, new CsvLabels(options));

    /// <exception cref="SpecException">Options or files are wrong.</exception>
    public static ISupervisedSource Open(CsvOptions options, DataEnvironment environment)
    {
        var table = new CsvTable(options, CheckOptions(options));
        string path = environment.Resolve(options.Path!);
        int rows = table.ReadFile(path, isTest: false);
        int testRows = options.TestPath is { } testPath ? table.ReadFile(environment.Resolve(testPath), isTest: true) : 0;
        return table.ToSource(path, rows, testRows);
    }

    private static char CheckOptions(CsvOptions options)
    {
        var violations = new List<SpecViolation>();
        if (string.IsNullOrWhiteSpace(options.Path)) violations.Add(new SpecViolation("data.path", "is missing: name the CSV file"));
        if (options.TestPath is { } test && string.IsNullOrWhiteSpace(test))
            violations.Add(new SpecViolation("data.test_path", "is empty: name a CSV file, or leave it out"));
        char delimiter = options.Delimiter switch
        {
            "tab" or "\\t" => '\t',
            { Length: 1 } one when one[0] is not ('"' or '\n' or '\r' or '.' or '-' or '+') && !char.IsLetterOrDigit(one[0]) => one[0],
            _ => '\0',
        };
        if (delimiter == '\0')
            violations.Add(new SpecViolation("data.delimiter", $"is '{options.Delimiter}', but must be one character such as ',' or ';', "
                + "or 'tab'"));
        if (options.Header is not ("auto" or "true" or "false"))
            violations.Add(new SpecViolation("data.header", $"is '{options.Header}', but must be auto, true or false"));
        if (options.Task is not ("auto" or "classification" or "regression"))
            violations.Add(new SpecViolation("data.task", $"is '{options.Task}', but must be auto, classification or regression"));
        if (!options.Labels.IsDefaultOrEmpty)
        {
            if (options.Label != new CsvOptions().Label)
                violations.Add(new SpecViolation("data.label", $"is '{options.Label}', and data.labels is set too; leave one of them out"));
            if (options.Task == "classification")
            {
                violations.Add(new SpecViolation("data.task", "is classification, but data.labels makes targets of several values; "
                    + "name one column as data.label, or set data.task to regression"));
            }
        }
        if (options.SkipRows < 0) violations.Add(new SpecViolation("data.skip_rows", $"is {options.SkipRows}, but must be at least 0"));
        return violations.Count == 0 ? delimiter : throw new SpecException(violations);
    }

    /// <returns>Number of rows.</returns>
    private int ReadFile(string path, bool isTest)
    {
        using var stream = DataFiles.Open(path, $"set {(isTest ? "data.test_path" : "data.path")} to an existing CSV file");
        using var text = new StreamReader(stream, new UTF8Encoding(false, throwOnInvalidBytes: true),
            detectEncodingFromByteOrderMarks: true, 1 << 16);
        var reader = new CsvReader(text, _delimiter, path);
        int rows = 0;
        try
        {
            reader.SkipLines(_options.SkipRows);
            if (!reader.ReadRow())
                throw new SpecException(path, $"has no rows{(_options.SkipRows > 0 ? $" after the {_options.SkipRows} skipped" : "")}");
            if (_columns is null) _columns = CsvColumns.Of(reader, _options, path);
            else if (_columns.HasHeader) _columns.CheckSame(reader, path);
            if (!_columns.HasHeader) rows += ReadRow(reader, path, isTest, first: true);
            while (reader.ReadRow()) rows += ReadRow(reader, path, isTest, first: false);
        }
        catch (DecoderFallbackException)
        {
            throw new SpecException(path, $"is not UTF-8 (after line {reader.Line}): convert it, for example with 'iconv -t UTF-8'");
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            // a gz file that is torn, or a disk that fails; syntax errors are SpecExceptions already
            throw new SpecException(path, $"cannot be read after line {reader.Line} ({error.Message.TrimEnd('.')})");
        }
        if (_violations.Count > 0) throw new SpecException(_violations);
        if (rows == 0) throw new SpecException(path, "has a header and no rows");
        return rows;
    }

    private int ReadRow(CsvReader reader, string path, bool isTest, bool first)
    {
        var columns = _columns!;
        if (reader.Count != columns.Count)
        {
            string which = reader.Count < columns.Count
                ? $"the row ends before {columns.Describe(reader.Count)}" : $"the row goes on after {columns.Describe(columns.Count - 1)}";
            string measure = columns.HasHeader ? "the header" : "the first row";
            Violate(path, reader.Line, $"{which}: it has {reader.Count} cells, but {measure} has {columns.Count}");
            return 0;
        }
        foreach (int column in columns.Inputs)
        {
            var cell = reader[column];
            if (CsvNumber.TryParse(cell, out float value)) _inputs.Add(value);
            else Violate(path, reader.Line, $"{columns.Describe(column)}: {Complaint(cell, first)}");
        }
        foreach (int column in columns.Labels)
        {
            if (_labels.Add(reader[column], reader.Line, isTest) is { } complaint)
                Violate(path, reader.Line, $"{columns.Describe(column)}: {complaint}");
        }
        return 1;
    }

    private string Complaint(ReadOnlySpan<char> cell, bool first)
    {
        if (IsMissing(cell)) return $"the value is missing ('{cell}'); fill it in, leave out the row, or name the column in data.ignore";
        string hint = first && _options.Header == "auto" ? "; if this line names the columns, set data.header to true"
            : first && _options.SkipRows == 0 ? "; lines before the table are passed over with data.skip_rows" : "";
        return $"'{Shorten(cell)}' is not a finite number; name columns that are no numbers in data.ignore{hint}";
    }

    internal static bool IsMissing(ReadOnlySpan<char> cell)
    {
        foreach (string mark in MissingMarks)
            if (cell.Equals(mark, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }

    internal static string Shorten(ReadOnlySpan<char> cell) => cell.Length <= 40 ? cell.ToString() : $"{cell[..37]}...";

    private void Violate(string path, long line, string message)
    {
        _violations.Add(new SpecViolation(path, message, (int)Math.Min(line, int.MaxValue)));
        if (_violations.Count < ViolationsMax) return;
        _violations.Add(new SpecViolation(path, $"reading stopped after {ViolationsMax} errors"));
        throw new SpecException(_violations);
    }

    private FloatSource ToSource(string path, int rows, int testRows)
    {
        var columns = _columns!;
        var labels = _labels.Resolve(path, rows);
        var info = new DataInfo
        {
            Name = "csv",
            Task = labels.Targets is null ? TaskKind.Classification : TaskKind.Regression,
            InputShape = [columns.Inputs.Length],
            Classes = labels.Classes,
            TargetShape = labels.Targets is null ? [] : [columns.Labels.Length],
            Columns = columns.InputNames,
            Normalization = _options.Normalize ? NormalizationKind.PerFeature : NormalizationKind.None,
        };
        return new FloatSource(info, rows + testRows, testRows, CollectionsMarshal.AsSpan(_inputs).ToArray(), labels.Indices ?? [],
            labels.Targets ?? []);
    }
}
