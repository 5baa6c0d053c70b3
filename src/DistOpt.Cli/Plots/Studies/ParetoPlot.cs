using DistOpt.Core.MultiObjective;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>Two objectives against each other, and the trials that no other one is better than in both.</summary>
internal static class ParetoPlot
{
    private const int FrontColor = 1;

    public static string? Missing(StudyPlotSource source) => source.Spec.Study.Objectives.Length != 2 ? "needs two objectives"
        : Complete(source).Length == 0 ? "no trial is complete" : null;

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var (directions, objectives) = (source.Spec.Directions, source.Spec.Study.Objectives);
        TrialRecord[] complete = Complete(source), feasible = [.. complete.Where(t => !t.Constraints.Any(c => c > 0))];
        double[][] losses = [.. feasible.Select(t => t.Values.Select((v, i) => directions[i] == Direction.Maximize ? -v : v).ToArray())];
        var front = feasible.Length == 0 ? []
            : Domination.Fronts(losses)[0].Select(i => feasible[i]).OrderBy(t => t.Values[0]).ThenBy(t => t.Values[1]).ToList();
        var (x, y) = (new List<double>(), new List<double>());
        foreach (var trial in front)
        {
            // what is no better than the front: beyond a point up to the next one, on the side where less is better
            bool isLevel = directions[0] == Direction.Minimize;
            if (x.Count > 0) Corner(isLevel ? trial.Values[0] : x[^1], isLevel ? y[^1] : trial.Values[1]);
            Corner(trial.Values[0], trial.Values[1]);
        }
        var points = new List<PlotPoints> { Points("dominated", feasible.Except(front)) with { IsFaint = true } };
        if (feasible.Length < complete.Length) points.Add(Points("infeasible", complete.Except(feasible)) with { Color = 6, IsHollow = true });
        points.Add(Points($"front ({Format.Plural(front.Count, "trial")})", front) with { Color = FrontColor });
        return
        [
            new PlotPanel(objectives[0].Metric, objectives[1].Metric,
                front.Count < 2 ? [] : [new PlotSeries(null, x, y) { Color = FrontColor, IsFaint = true }])
            {
                Points = points,
                IsRealX = true,
                IsLogX = StudyPlotSource.Spreads(complete.Select(t => t.Values[0]), directions[0]),
                IsLogY = StudyPlotSource.Spreads(complete.Select(t => t.Values[1]), directions[1]),
            }.WithLegendAside(),
        ];

        void Corner(double atX, double atY)
        {
            x.Add(atX);
            y.Add(atY);
        }
    }

    private static TrialRecord[] Complete(StudyPlotSource source) =>
        [.. source.Trials.Where(t => t.State == TrialState.Complete && t.Values.All(double.IsFinite))];

    private static PlotPoints Points(string name, IEnumerable<TrialRecord> trials) =>
        new(trials.Any() ? name : null, [.. trials.Select(t => t.Values[0])], [.. trials.Select(t => t.Values[1])]);
}
