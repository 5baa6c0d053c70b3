using DistOpt.Core.Importance;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>What trials reported on their way.</summary>
internal static class IntermediatePlot
{
    private const int BestColor = 1, CompleteColor = 0, OpenColor = 5, EarlyColor = 6;

    public static string? Missing(StudyPlotSource source) => source.Trials.Any(t => !t.Reports.IsEmpty) ? null : "no trial has reported anything";

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        int? best = ComparedTrials.AtEnd(source.Outline, source.Trials).Ranked.FirstOrDefault()?.Number;
        var series = new List<PlotSeries>();
        string openName = HistoryPlot.OpenName(source.Trials.Where(t => !t.HasEnded && !t.Reports.IsEmpty));
        // the best one is drawn over the others, those that ended early below
        foreach (var trial in source.Trials.Where(t => !t.Reports.IsEmpty).OrderBy(t => t.Number == best ? 2 : t.State == TrialState.Complete ? 1 : 0))
        {
            bool isComplete = trial.State == TrialState.Complete;
            string name = trial.Number == best ? $"best (trial {best})" : isComplete ? "complete" : trial.HasEnded ? "ended early" : openName;
            series.Add(new PlotSeries(series.Exists(s => s.Name == name) ? null : name,
                [.. trial.Reports.Select(r => (double)r.Step)], [.. trial.Reports.Select(r => r.Value)])
            {
                Color = trial.Number == best ? BestColor : isComplete ? CompleteColor : trial.HasEnded ? EarlyColor : OpenColor,
                IsFaint = trial.Number != best,
            });
        }
        return
        [
            new PlotPanel(source.Unit, source.Outline.Objectives[0].Metric, series)
            {
                IsLogY = StudyPlotSource.Spreads(series.SelectMany(s => s.Y), source.Outline.Directions[0]),
            }.WithLegendAside(),
        ];
    }
}
