using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>What trials had reported at each rung of their brackets, and which of them were sent on.</summary>
internal static class RungsPlot
{
    public static string? Missing(StudyPlotSource source) => source.Study.Rungs.IsEmpty ? "the study's trial scheduler has no rungs"
        : source.Study.RungVisits().Any() ? null : "no trial has reached a rung";

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var rungs = source.Study.Rungs;
        var reached = source.Study.RungVisits().Select(v => (Rung: rungs.IndexOf(v.Resource), v.Trial, v.Value, v.GoesOn)).ToList();
        return
        [
            new PlotPanel($"rung at {source.Unit} (trials)", source.Outline.Objectives[0].Metric, [])
            {
                Points = [Points(source.Trials.Any(t => t.State == TrialState.Paused) ? "ended or paused there" : "ended there", false) with { Color = 6, IsHollow = true }, Points("sent on, or complete", true)],
                XTicks = [.. rungs.Select((r, i) => new PlotTick(i, $"{Format.Count(r)} ({Format.Count(reached.Count(p => p.Rung == i))})"))],
                XRange = (-0.6, rungs.Length - 0.4),
                IsLogY = StudyPlotSource.Spreads(reached.Select(p => p.Value), source.Outline.Directions[0]),
            }.WithLegendAside(),
        ];

        PlotPoints Points(string name, bool goesOn)
        {
            var own = reached.Where(p => p.GoesOn == goesOn).ToList();
            return new PlotPoints(own.Count > 0 ? name : null, [.. own.Select(p => StudyPlotSource.Beside(p.Rung, p.Trial))], [.. own.Select(p => p.Value)]);
        }
    }
}
