using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>
/// Values by trial, and the best one up to each, with a mark at the lower edge for each trial that has failed: a panel for each objective,
/// and where there are several one for what all trials up to each dominate together.
/// </summary>
internal static class HistoryPlot
{
    public static string? Missing(StudyPlotSource source) =>
        source.Trials.Any(t => !t.Values.IsEmpty || !t.Reports.IsEmpty) ? null : "no trial has a value";

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source) => [.. source.Objectives.Select(o => Panel(source, o)), .. Volume(source)];

    private static IEnumerable<PlotPanel> Volume(StudyPlotSource source)
    {
        TrialRecord[] feasible =
            [.. source.Trials.Where(t => t.IsFeasible && t.Values.All(double.IsFinite))];
        if (source.Objectives.Length < 2 || feasible.Length == 0) yield break;
        var directions = source.Outline.Directions;
        var reference = FrontVolume.ReferenceOf(source.Outline,
            [.. directions.Select((d, i) => d == Direction.Maximize ? feasible.Min(t => t.Values[i]) : feasible.Max(t => t.Values[i]))]);
        var (steps, volumes, front) = (new List<double>(), new List<double>(), new List<ImmutableArray<double>>());
        foreach (var trial in feasible)
        {
            var values = trial.Values;
            double[] losses = Losses(values);
            if (front.Exists(f => Domination.Dominates(Losses(f), losses))) continue;
            front.RemoveAll(f => Domination.Dominates(losses, Losses(f)));
            front.Add(values);
            steps.Add(trial.Number);
            volumes.Add(FrontVolume.Measure(source.Outline, front, reference));
        }
        steps.Add(source.Trials[^1].Number);
        volumes.Add(volumes[^1]);
        yield return new PlotPanel("trial", "hypervolume", [new PlotSeries("of all trials so far", steps, volumes) { Color = 1, IsStaircase = true }]).WithLegendAside();

        double[] Losses(ImmutableArray<double> values) => [.. values.Select((v, i) => directions[i].Loss(v))];
    }

    private static PlotPanel Panel(StudyPlotSource source, int objective)
    {
        TrialRecord[] complete = [.. source.Trials.Where(t => t.State == TrialState.Complete)];
        TrialRecord[] feasible = [.. complete.Where(t => t.KeepsConstraints)];
        // only the first objective is reported on the way
        TrialRecord[] early = objective > 0 ? [] : [.. source.Trials.Where(t => t.State is TrialState.Pruned && !t.Reports.IsEmpty)];
        TrialRecord[] open = objective > 0 ? [] : [.. source.Trials.Where(t => !t.HasEnded && !t.Reports.IsEmpty)];
        var (steps, best) = (new List<double>(), new List<double>());
        foreach (var trial in feasible)
        {
            if (best.Count > 0 && !source.IsBetter(trial.Values[objective], best[^1], objective)) continue;
            steps.Add(trial.Number);
            best.Add(trial.Values[objective]);
        }
        if (best.Count > 0)
        {
            steps.Add(source.Trials[^1].Number);
            best.Add(best[^1]);
        }
        var points = new List<PlotPoints> { Points("complete", feasible, t => t.Values[objective]) };
        if (feasible.Length < complete.Length)
            points.Add(Points("infeasible", complete.Except(feasible), t => t.Values[objective]) with { Color = 6, IsHollow = true });
        if (early.Length > 0) points.Add(Points("ended early (last report)", early, t => t.Reports[^1].Value) with { Color = 6, IsHollow = true, IsFaint = true });
        if (open.Length > 0) points.Add(Points(OpenName(open) + " (last report)", open, t => t.Reports[^1].Value) with { Color = 5, IsHollow = true, IsFaint = true });
        double[] failed = [.. source.Trials.Where(t => t.State == TrialState.Failed).Select(t => (double)t.Number)];
        return new PlotPanel("trial", source.Outline.Objectives[objective].Metric, best.Count == 0 ? []
            : [new PlotSeries("best so far", steps, best) { Color = 1, IsStaircase = true }])
        {
            Points = points,
            Rug = failed.Length > 0 ? new PlotRug($"failed ({Format.Count(failed.Length)})", failed, 7) : null,
            IsLogY = StudyPlotSource.Spreads(points.SelectMany(p => p.Y), source.Outline.Directions[objective]),
        }.WithLegendAside();
    }

    /// <summary>What a legend calls trials that have not ended.</summary>
    internal static string OpenName(IEnumerable<TrialRecord> open) => open.All(t => t.State == TrialState.Paused) ? "paused"
        : open.Any(t => t.State == TrialState.Paused) ? "paused or under way" : "under way";

    private static PlotPoints Points(string name, IEnumerable<TrialRecord> trials, Func<TrialRecord, double> value) =>
        new(trials.Any() ? name : null, [.. trials.Select(t => (double)t.Number)], [.. trials.Select(value)]);
}
