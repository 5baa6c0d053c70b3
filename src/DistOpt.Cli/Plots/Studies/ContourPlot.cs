using DistOpt.Core.Importance;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Plots;

/// <summary>
/// Value by two parameters as the forest of <see cref="Fanova"/> has it on average over all others, with the trials upon it: of the pairs that matter most.
/// </summary>
internal static class ContourPlot
{
    private const int PairsMax = 4, Cells = 40, BestColor = 1;

    public static string? Missing(StudyPlotSource source) => source.Unexplained ?? (source.Parameters.Length < 2 ? "needs two parameters" : null);

    public static string? Partial(StudyPlotSource source) => StudyPlots.Some(PairsMax, source.Explanation!.Interactions.Length, "pairs of parameters");

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var share = source.Explanation!.Parameters.ToDictionary(p => p.Parameter, p => p.Variance.Mean);
        return [.. source.Explanation.Interactions.OrderByDescending(i => i.Variance.Mean + share[i.First] + share[i.Second]).Take(PairsMax)
            .Select(i => share[i.First] >= share[i.Second] ? Panel(source, i.First, i.Second) : Panel(source, i.Second, i.First))];
    }

    private static PlotPanel Panel(StudyPlotSource source, int across, int upward)
    {
        var compared = source.Compared;
        var (x, y) = (Grid(source.Domain(across)), Grid(source.Domain(upward)));
        double[,] means = source.Explanation!.Forest.Marginal(upward, y, across, x);
        var best = compared.Ranked.Take(source.Explanation.Best).Select(t => t.Number).ToHashSet();
        ComparedTrial[] trials = [.. compared.Trials.Where(t => !double.IsNaN(t.Parameters[across]) && !double.IsNaN(t.Parameters[upward]))];
        return new PlotPanel(source.ShortName(across), source.ShortName(upward), [])
        {
            Map = new PlotMap(x, y, means),
            Scale = new PlotScale($"mean {source.ValueLabel}", means.Cast<double>().Min(), means.Cast<double>().Max(), compared.Direction == Direction.Maximize),
            Points = [Points(false), Points(true)],
            IsLogX = source.IsLog(across),
            IsLogY = source.IsLog(upward),
            IsRealX = source.Domain(across) is FloatDomain,
            XTicks = source.Ticks(across),
            YTicks = source.Ticks(upward),
        };

        PlotPoints Points(bool ofBest)
        {
            ComparedTrial[] own = [.. trials.Where(t => best.Contains(t.Number) == ofBest)];
            return new PlotPoints(null, [.. own.Select(t => Place(t, across))], [.. own.Select(t => Place(t, upward))])
            {
                Color = ofBest ? BestColor : PlotPoints.White,
                IsHollow = !ofBest,
            };
        }

        double Place(ComparedTrial trial, int parameter) => source.Domain(parameter) is ChoiceDomain
            ? StudyPlotSource.Beside(trial.Parameters[parameter], trial.Number) : trial.Parameters[parameter];
    }

    /// <summary>Evenly spaced on the axis, so integers too are cut where their number is large.</summary>
    private static double[] Grid(Domain domain)
    {
        if (domain is not NumericDomain numbers) return [.. Enumerable.Range(0, (int)domain.Count!).Select(i => (double)i)];
        var (low, high) = numbers.Bounds;
        return [.. Enumerable.Range(0, Cells).Select(i => low + (i + 0.5) / Cells * (high - low)).Select(s => numbers.Log ? Math.Exp(s) : s)];
    }
}
