using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>A run's end as a person reads it.</summary>
internal static class SummaryText
{
    public static void Write(TextWriter writer, RunSummary summary, string? directory)
    {
        string reason = summary.StopReason is { } r ? $" ({RunJson.Name(r)})" : "";
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{RunJson.Name(summary.Status)}{reason} after {Format.Plural(summary.Steps, "step")}, {Format.Plural(summary.Epochs, "epoch")} in {Format.Duration(summary.WallSeconds)} ({Format.Count(summary.SamplesPerSecond)} samples/s)"));
        if (summary.Selected is { } selected)
            writer.WriteLine($"selected step {selected.Step} by {selected.Metric} {Format.Metric(selected.Value)}");
        var rows = new List<IReadOnlyList<string>>();
        Add(rows, "train", summary.Train);
        Add(rows, "validation", summary.Validation);
        Add(rows, "test", summary.Test);
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        if (directory is not null) writer.WriteLine($"results in {directory}");
    }

    private static void Add(List<IReadOnlyList<string>> rows, string split, IReadOnlyDictionary<string, double> metrics)
    {
        if (metrics.Count > 0) rows.Add([$"  {split}", .. metrics.Select(m => $"{m.Key} {Format.Metric(m.Value)}")]);
    }
}
