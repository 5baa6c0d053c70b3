using System.Text.Json;
using DistOpt.Core.Metrics;

namespace DistOpt;

/// <summary>A confusion matrix as a person and as a program reads it.</summary>
internal static class ConfusionText
{
    /// <summary>Most classes of a table; above, the commonest mistakes are listed instead.</summary>
    private const int TableMax = 20;

    private const int MistakesMax = 20;

    public static void Write(TextWriter writer, ConfusionMatrix matrix, IReadOnlyList<string> names)
    {
        if (matrix.Classes <= TableMax)
        {
            writer.WriteLine("samples by class (line) and predicted class (column):");
            var columns = Enumerable.Range(0, matrix.Classes);
            IReadOnlyList<string> head = ["", .. columns.Select(c => ConfusionMatrix.Name(names, c))];
            var rows = columns.Select(t => (IReadOnlyList<string>)["  " + head[t + 1], .. columns.Select(p => Format.Count(matrix[t, p]))]);
            foreach (string line in Format.Table([head, .. rows])) writer.WriteLine(line);
            return;
        }
        var mistakes = matrix.Cells.Where(c => c.Target != c.Predicted).OrderByDescending(c => c.Count).ThenBy(c => (c.Target, c.Predicted)).ToList();
        writer.WriteLine($"{Format.Plural(mistakes.Sum(c => c.Count), "mistake")} among {matrix.Classes} classes (--format json gives the whole matrix)"
            + (mistakes.Count == 0 ? "" : "; the commonest:"));
        foreach (string line in Format.Table([.. mistakes.Take(MistakesMax).Select(c => (IReadOnlyList<string>)
            ["  " + ConfusionMatrix.Name(names, c.Target), "as", ConfusionMatrix.Name(names, c.Predicted), Format.Count(c.Count)])]))
            writer.WriteLine(line);
    }

    /// <summary>Writes <c>"confusion": {"classes": [...], "counts": [[...], ...]}</c>; lines are classes, columns predictions.</summary>
    public static void Write(Utf8JsonWriter json, ConfusionMatrix matrix, IReadOnlyList<string> names)
    {
        json.WriteStartObject("confusion");
        json.WriteStartArray("classes");
        for (int c = 0; c < matrix.Classes; c++) json.WriteStringValue(ConfusionMatrix.Name(names, c));
        json.WriteEndArray();
        json.WriteStartArray("counts");
        for (int target = 0; target < matrix.Classes; target++)
        {
            json.WriteStartArray();
            for (int predicted = 0; predicted < matrix.Classes; predicted++) json.WriteNumberValue(matrix[target, predicted]);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
