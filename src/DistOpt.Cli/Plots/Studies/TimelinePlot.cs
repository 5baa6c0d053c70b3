using DistOpt.Core.Runs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>When which trial ran: a bar for each attempt, in the color of what has become of the trial.</summary>
internal static class TimelinePlot
{
    private const double Minute = 60, Hour = 3600;

    public static string? Missing(StudyPlotSource source) => source.Trials.Any(t => !t.Spans.IsEmpty) ? null
        : "trials.jsonl does not say when trials ran (sweep --resume of the study writes it anew)";

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        double end = source.Trials.SelectMany(t => t.Spans).Max(s => s.To);
        var (unit, name) = end < 3 * Minute ? (1, "s") : end < 3 * Hour ? (Minute, "min") : (Hour, "h");
        var bars = new List<PlotBar>();
        foreach (var trial in source.Trials)
        {
            foreach (var span in trial.Spans)
            {
                string state = RunJson.Name(trial.State);
                bars.Add(new PlotBar(bars.Exists(b => b.Name == state) ? null : state, trial.Number, span.From / unit, span.To / unit, ColorOf(trial.State)));
            }
        }
        return [new PlotPanel($"time ({name})", "trial", []) { Bars = bars, IsRealX = true, IsWide = true, LegendPlace = LegendPlace.UpperLeft }];
    }

    private static int ColorOf(TrialState state) => state switch
    {
        TrialState.Complete => 0,
        TrialState.Pruned => 5,
        TrialState.Failed => 1,
        TrialState.Paused => 4,
        TrialState.Running or TrialState.Waiting => 2,
        _ => 6,
    };
}
