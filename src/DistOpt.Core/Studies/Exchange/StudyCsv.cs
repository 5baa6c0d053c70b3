using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>
/// A <see cref="StudyTable"/> as CSV (RFC 4180), '\n' line ends; no value is an empty cell, NaN and infinities are <c>NaN</c>, <c>Infinity</c>,
/// <c>-Infinity</c>.
/// </summary>
public static class StudyCsv
{
    public static void Write(TextWriter writer, ExchangedStudy study)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(study);
        var columns = StudyTable.Of(study);
        Row(i => columns[i].Name);
        for (int row = 0; row < study.Trials.Length; row++)
        {
            int trial = row;
            Row(i => StudyTable.Text(columns[i].Cells[trial]));
        }

        void Row(Func<int, string?> cell)
        {
            for (int i = 0; i < columns.Count; i++)
            {
                if (i > 0) writer.Write(',');
                writer.Write(Quoted(cell(i) ?? ""));
            }
            writer.Write('\n');
        }
    }

    /// <summary>The study of a file.</summary>
    /// <param name="reader">The file.</param>
    /// <param name="path">What errors call it.</param>
    /// <exception cref="SpecException">It is none.</exception>
    public static ExchangedStudy Read(TextReader reader, string path)
    {
        var csv = new CsvReader(reader, ',', path);
        if (!csv.ReadRow()) throw new SpecException(path, "is empty: it is no table of trials");
        string[] columns = Cells(csv);
        var lines = new List<int>();
        return StudyTable.Read(path, columns, Rows(), row => lines[row]);

        IEnumerable<string[]> Rows()
        {
            while (csv.ReadRow())
            {
                if (csv.Count != columns.Length)
                    throw new SpecException([new SpecViolation(path, $"has {csv.Count} cells in this row, but {columns.Length} columns", (int)csv.Line)]);
                lines.Add((int)csv.Line);
                yield return Cells(csv);
            }
        }
    }

    private static string[] Cells(CsvReader csv)
    {
        string[] cells = new string[csv.Count];
        for (int i = 0; i < cells.Length; i++) cells[i] = csv[i].ToString();
        return cells;
    }

    private static string Quoted(string cell) => cell.AsSpan().ContainsAny(",\"\r\n") || (cell.Length > 0 && (cell[0] == ' ' || cell[^1] == ' '))
        ? "\"" + cell.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"" : cell;
}
