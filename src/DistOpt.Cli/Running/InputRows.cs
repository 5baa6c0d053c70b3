using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Torch.Inference;

namespace DistOpt;

/// <summary>
/// Inputs for prediction as CSV: one a row. With a header that names the run's columns their order does not matter, and columns that the
/// run does not know (such as the label) are ignored; otherwise each row holds exactly the input values in the order of the training data.
/// </summary>
internal static class InputRows
{
    /// <summary>Reading stops after so many errors.</summary>
    private const int ViolationsMax = 10;

    /// <returns>The values of all rows, one row after the other.</returns>
    /// <exception cref="SpecException">Rows that do not fit; each names line and column.</exception>
    public static float[] Read(TextReader reader, string name, InferenceDocument document)
    {
        int width = document.ToDataInfo().InputLength;
        var values = new List<float>();
        var violations = new List<SpecViolation>();
        int[] order = [.. Enumerable.Range(0, width)];
        int cellsExpected = width;
        bool first = true;
        char delimiter = ',';
        for (int number = 1; reader.ReadLine() is { } line && violations.Count < ViolationsMax; number++)
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            if (first) delimiter = new[] { ',', ';', '\t' }.MaxBy(d => line.Count(c => c == d));
            string[] cells = [.. line.Split(delimiter).Select(c => c.Trim().Trim('"'))];
            if (first && cells.Any(c => !IsNumber(c, out _)))
            {
                first = false;
                (order, cellsExpected) = Header(cells, name, document, width);
                continue;
            }
            first = false;
            if (cells.Length != cellsExpected)
            {
                violations.Add(new SpecViolation(name, $"has {cells.Length} values, but {cellsExpected} are needed", number));
                continue;
            }
            foreach (int column in order)
            {
                if (IsNumber(cells[column], out float value)) values.Add(value);
                else violations.Add(new SpecViolation(name, $"column {column + 1}: '{cells[column]}' is no number", number));
            }
        }
        if (violations.Count == 0 && values.Count == 0) violations.Add(new SpecViolation(name, "holds no rows"));
        return violations.Count == 0 ? [.. values] : throw new SpecException(violations);
    }

    private static (int[] Order, int Cells) Header(string[] cells, string name, InferenceDocument document, int width)
    {
        if (document.Columns.IsDefaultOrEmpty) return ([.. Enumerable.Range(0, width)], width);
        string[] missing = [.. document.Columns.Where(c => !cells.Contains(c))];
        return missing.Length == 0 ? ([.. document.Columns.Select(c => Array.IndexOf(cells, c))], cells.Length)
            : throw new SpecException(name, $"has no column {string.Join(", ", missing.Take(10).Select(c => $"'{c}'"))}; the run was trained with {string.Join(", ", document.Columns.Take(20))}");
    }

    private static bool IsNumber(string text, out float value) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);
}
