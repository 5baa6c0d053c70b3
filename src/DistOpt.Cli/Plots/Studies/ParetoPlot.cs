using DistOpt.Core.MultiObjective;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>Each two objectives against each other, and the trials that no other one is better than in all of them.</summary>
internal static class ParetoPlot
{
    private const int FrontColor = 1;

    public static string? Missing(StudyPlotSource source) => source.Outline.Objectives.Length < 2 ? "needs two objectives"
        : Complete(source).Length == 0 ? "no trial is complete" : null;

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var (directions, objectives) = (source.Outline.Directions, source.Outline.Objectives);
        TrialRecord[] complete = Complete(source), feasible = [.. complete.Where(t => t.KeepsConstraints)];
        double[][] losses = [.. feasible.Select(t => t.Values.Select((v, i) => directions[i].Loss(v)).ToArray())];
        var front = feasible.Length == 0 ? []
            : Domination.Fronts(losses)[0].Select(i => feasible[i]).OrderBy(t => t.Values[0]).ThenBy(t => t.Values[1]).ToList();
        var panels = new List<PlotPanel>();
        for (int i = 0; i < objectives.Length; i++)
            for (int j = i + 1; j < objectives.Length; j++) panels.Add(Panel(source, complete, feasible, front, i, j));
        return panels;
    }

    private static PlotPanel Panel(StudyPlotSource source, TrialRecord[] complete, TrialRecord[] feasible, List<TrialRecord> front, int first, int second)
    {
        var (directions, objectives) = (source.Outline.Directions, source.Outline.Objectives);
        // with more objectives the front is no line
        bool hasLine = objectives.Length == 2 && front.Count > 1;
        var (x, y) = (new List<double>(), new List<double>());
        foreach (var trial in hasLine ? front : [])
        {
            // what is no better than the front: beyond a point up to the next one, on the side where less is better
            bool isLevel = directions[0] == Direction.Minimize;
            if (x.Count > 0) Corner(isLevel ? trial.Values[0] : x[^1], isLevel ? y[^1] : trial.Values[1]);
            Corner(trial.Values[0], trial.Values[1]);
        }
        var points = new List<PlotPoints> { Points("dominated", feasible.Except(front)) with { IsFaint = true } };
        if (feasible.Length < complete.Length) points.Add(Points("infeasible", complete.Except(feasible)) with { Color = 6, IsHollow = true });
        points.Add(Points($"front ({Format.Plural(front.Count, "trial")})", front) with { Color = FrontColor });
        return new PlotPanel(objectives[first].Metric, objectives[second].Metric,
            hasLine ? [new PlotSeries(null, x, y) { Color = FrontColor, IsFaint = true }] : [])
        {
            Points = points,
            IsRealX = true,
            IsLogX = StudyPlotSource.Spreads(complete.Select(t => t.Values[first]), directions[first]),
            IsLogY = StudyPlotSource.Spreads(complete.Select(t => t.Values[second]), directions[second]),
        }.WithLegendAside();

        void Corner(double atX, double atY)
        {
            x.Add(atX);
            y.Add(atY);
        }

        PlotPoints Points(string name, IEnumerable<TrialRecord> trials) =>
            new(trials.Any() ? name : null, [.. trials.Select(t => t.Values[first])], [.. trials.Select(t => t.Values[second])]);
    }

    private static TrialRecord[] Complete(StudyPlotSource source) =>
        [.. source.Trials.Where(t => t.State == TrialState.Complete && t.Values.All(double.IsFinite))];
}
