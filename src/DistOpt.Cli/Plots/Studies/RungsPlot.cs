using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>What trials had reported at each rung, and which of them were sent on.</summary>
internal static class RungsPlot
{
    public static string? Missing(StudyPlotSource source) => source.Study.Rungs.IsEmpty ? "the study's trial scheduler has no rungs"
        : Reached(source).Any() ? null : "no trial has reached a rung";

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var reached = Reached(source).ToList();
        return
        [
            new PlotPanel($"rung at {source.Unit} (trials)", source.Outline.Objectives[0].Metric, [])
            {
                Points = [Points(source.Trials.Any(t => t.State == TrialState.Paused) ? "ended or paused there" : "ended there", false) with { Color = 6, IsHollow = true }, Points("sent on, or complete", true)],
                XTicks = [.. source.Study.Rungs.Select((r, i) => new PlotTick(i, $"{Format.Count(r)} ({Format.Count(reached.Count(p => p.Rung == i))})"))],
                XRange = (-0.6, source.Study.Rungs.Length - 0.4),
                IsLogY = StudyPlotSource.Spreads(reached.Select(p => p.Value), source.Outline.Directions[0]),
            }.WithLegendAside(),
        ];

        PlotPoints Points(string name, bool goesOn)
        {
            var own = reached.Where(p => p.GoesOn == goesOn).ToList();
            return new PlotPoints(own.Count > 0 ? name : null, [.. own.Select(p => StudyPlotSource.Beside(p.Rung, p.Trial))], [.. own.Select(p => p.Value)]);
        }
    }

    /// <summary>A trial is at a rung with its first report from there on.</summary>
    private static IEnumerable<(int Rung, int Trial, double Value, bool GoesOn)> Reached(StudyPlotSource source)
    {
        foreach (var trial in source.Trials.Where(t => t.State is not (TrialState.Failed or TrialState.Cancelled)))
        {
            for (int i = 0; i < source.Study.Rungs.Length; i++)
            {
                int at = Enumerable.Range(0, trial.Reports.Length).FirstOrDefault(k => trial.Reports[k].Step >= source.Study.Rungs[i], -1);
                if (at < 0) break;
                yield return (i, trial.Number, trial.Reports[at].Value, trial.State is not (TrialState.Pruned or TrialState.Paused)
                    || at < trial.Reports.Length - 1);
            }
        }
    }
}
