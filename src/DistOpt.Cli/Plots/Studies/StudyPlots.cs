using DistOpt.Core.Specs;

namespace DistOpt.Plots;

/// <summary>A kind of picture of a study.</summary>
/// <param name="Name">By which it is asked for, and its file's.</param>
/// <param name="Missing">Why the study has no such picture; null = it has.</param>
/// <param name="Panels">What it shows.</param>
internal sealed record StudyPlotKind(string Name, Func<StudyPlotSource, string?> Missing, Func<StudyPlotSource, IReadOnlyList<PlotPanel>> Panels)
{
    /// <summary>What of the study is not in the picture for want of room, where it has one; null = nothing.</summary>
    public Func<StudyPlotSource, string?> Partial { get; init; } = _ => null;
}

/// <summary>The kinds, in the order in which one would look at them. Adding one is one file and one line here.</summary>
internal static class StudyPlots
{
    public static readonly IReadOnlyList<StudyPlotKind> All =
    [
        new("history", HistoryPlot.Missing, HistoryPlot.Panels),
        new("intermediate", IntermediatePlot.Missing, IntermediatePlot.Panels),
        new("parallel", ParallelPlot.Missing, ParallelPlot.Panels) { Partial = ParallelPlot.Partial },
        new("slice", SlicePlot.Missing, SlicePlot.Panels) { Partial = SlicePlot.Partial },
        new("contour", ContourPlot.Missing, ContourPlot.Panels) { Partial = ContourPlot.Partial },
        new("importance", ImportancePlot.Missing, ImportancePlot.Panels) { Partial = ImportancePlot.Partial },
        new("edf", EdfPlot.Missing, EdfPlot.Panels),
        new("pareto", ParetoPlot.Missing, ParetoPlot.Panels),
        new("timeline", TimelinePlot.Missing, TimelinePlot.Panels),
        new("rungs", RungsPlot.Missing, RungsPlot.Panels),
    ];

    /// <summary>Says that only some are shown; null where all are.</summary>
    public static string? Some(int most, int all, string what) => all <= most ? null : $"{most} of {all} {what}, those that matter most; --params chooses others";

    /// <summary>The kinds that are asked for.</summary>
    /// <param name="names">Empty = all.</param>
    /// <param name="violations">Takes a violation for each name that is not known.</param>
    public static IReadOnlyList<StudyPlotKind> Chosen(IReadOnlyList<string> names, ViolationCollector violations)
    {
        if (names.Count == 0) return All;
        var chosen = new List<StudyPlotKind>();
        foreach (string name in names.Distinct())
        {
            if (All.FirstOrDefault(k => k.Name == name) is { } kind) chosen.Add(kind);
            else violations.Add("--kind", $"'{name}' is not known. Available: {string.Join(", ", All.Select(k => k.Name))}");
        }
        return chosen;
    }
}
