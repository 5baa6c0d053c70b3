using System.Globalization;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Training;

namespace DistOpt.Core.Runs;

/// <summary>
/// The files of a cross-validation's directory: <c>summary.json</c> has the fields of a run's summary, with the means as its metrics, and
/// <c>mean</c>, <c>deviation</c> and <c>folds</c> beside them; <c>folds.csv</c> has a line for each fold.
/// </summary>
public static class FoldFiles
{
    public const string TableName = "folds.csv";

    /// <summary>Run directory of a fold.</summary>
    /// <param name="fold">From 0.</param>
    public static string Folder(string directory, int fold) => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"fold-{fold}"));

    /// <summary>The run directories that a cross-validation's directory has so far, by the number of the fold; none where it is no such directory.</summary>
    public static IReadOnlyList<string> Runs(string directory) => !File.Exists(Path.Combine(directory, TableName)) ? []
        : [.. Enumerable.Range(0, 1000).Select(fold => Folder(directory, fold)).Where(Directory.Exists)];

    /// <summary>Replaces both files.</summary>
    public static void Write(RunDirectory directory, CrossValidation result)
    {
        AtomicFile.Write(Path.Combine(directory.Path, TableName), Encoding.UTF8.GetBytes(TableText(result)));
        AtomicFile.Write(directory.SummaryFile, Encoding.UTF8.GetBytes(RunJson.Text(indented: true, json =>
        {
            json.WriteStartObject();
            WriteFields(json, result);
            json.WriteEndObject();
        }) + "\n"));
    }

    /// <summary>The fields of <c>summary.json</c> into an object that the caller has opened.</summary>
    public static void WriteFields(Utf8JsonWriter json, CrossValidation result)
    {
        RunJson.WriteSummaryFields(json, result.Summary);
        WriteSplits(json, "mean", result.Mean);
        WriteSplits(json, "deviation", result.Deviation);
        json.WriteStartArray("folds");
        foreach (var fold in result.Folds)
        {
            json.WriteStartObject();
            json.WriteNumber("fold", fold.Fold);
            json.WriteString("run", fold.Run);
            if (fold.Summary is { } summary) RunJson.WriteSummaryFields(json, summary);
            else json.WriteNull("status");
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>Comma-separated, a header line first; a metric that a fold does not have is an empty cell.</summary>
    public static string TableText(CrossValidation result)
    {
        var metrics = Enum.GetValues<DataSplit>()
            .SelectMany(s => result.Folds.SelectMany(f => Metrics(f, s).Keys).Distinct().Select(n => (Split: s, Name: n))).ToList();
        var text = new StringBuilder();
        text.AppendJoin(',', ["fold", "status", "steps", "selected_step", "wall_seconds", .. metrics.Select(m => $"{RunJson.Name(m.Split)}.{m.Name}")]).Append('\n');
        foreach (var fold in result.Folds)
        {
            var summary = fold.Summary;
            text.AppendJoin(',', [
                Number(fold.Fold), summary is null ? "" : RunJson.Name(summary.Status), Number(summary?.Steps), Number(summary?.Selected?.Step),
                Number(summary is null ? null : Math.Round(summary.WallSeconds, 3)),
                .. metrics.Select(m => Metrics(fold, m.Split).TryGetValue(m.Name, out double value) ? Number(value) : ""),
            ]).Append('\n');
        }
        return text.ToString();
    }

    private static void WriteSplits(Utf8JsonWriter json, string name, IReadOnlyDictionary<DataSplit, IReadOnlyDictionary<string, double>> splits)
    {
        json.WriteStartObject(name);
        foreach (var (split, metrics) in splits)
        {
            json.WriteStartObject(RunJson.Name(split));
            foreach (var (metric, value) in metrics) RunJson.WriteValue(json, metric, value);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private static IReadOnlyDictionary<string, double> Metrics(FoldResult fold, DataSplit split) => (fold.Summary, split) switch
    {
        (null, _) => new Dictionary<string, double>(),
        ({ } summary, DataSplit.Train) => summary.Train,
        ({ } summary, DataSplit.Validation) => summary.Validation,
        ({ } summary, _) => summary.Test,
    };

    private static string Number(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture) ?? "";
}
