using DistOpt.Core.Importance;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Plots;

/// <summary>Value by each parameter, with what the forest of <see cref="Fanova"/> makes of it on average over all others.</summary>
internal static class SlicePlot
{
    private const int PanelsMax = 12, BestColor = 1, MeanColor = 7;

    public static string? Missing(StudyPlotSource source) => source.Unexplained;

    public static string? Partial(StudyPlotSource source) => StudyPlots.Some(PanelsMax, source.Parameters.Length, "parameters");

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source) =>
        [.. source.Parameters.Take(PanelsMax).Select((p, i) => Panel(source, p, isFirst: i == 0))];

    private static PlotPanel Panel(StudyPlotSource source, int parameter, bool isFirst)
    {
        var compared = source.Compared;
        var best = compared.Ranked.Take(source.Explanation!.Best).Select(t => t.Number).ToHashSet();
        bool isChoice = source.Domain(parameter) is ChoiceDomain;
        var grid = EstimatedChange.Grid(source.Domain(parameter));
        double[] means = [.. source.Explanation.Forest.Marginal(parameter, grid).Select(m => m.Mean)];
        bool isFew = isChoice || (source.Domain(parameter).Count is <= 10 && !source.IsLog(parameter));
        string? mean = isFirst ? "mean over the rest (forest)" : null;
        double beside = (source.Domain(parameter) as NumericDomain)?.Step ?? 1;
        return new PlotPanel(source.ShortName(parameter), source.ValueLabel, isChoice ? [] : [new PlotSeries(mean, grid, means) { Color = MeanColor }])
        {
            // nothing lies between choices
            Points = [Points(false), Points(true), .. isChoice ? [new PlotPoints(mean, grid, means) { Color = MeanColor }] : Array.Empty<PlotPoints>()],
            XRange = isFew ? (grid[0] - 0.5 * beside, grid[^1] + 0.5 * beside) : null,
            IsRealX = source.Domain(parameter) is FloatDomain,
            IsLogX = source.IsLog(parameter),
            IsLogY = StudyPlotSource.Spreads(compared.Trials.Select(t => t.Value), compared.Direction),
            XTicks = source.Ticks(parameter),
        }.WithLegendAside();

        PlotPoints Points(bool ofBest)
        {
            ComparedTrial[] trials = [.. compared.Trials.Where(t => best.Contains(t.Number) == ofBest && !double.IsNaN(t.Parameters[parameter]))];
            string? name = !isFirst ? null : ofBest ? $"best {best.Count} trials" : "other trials";
            return new PlotPoints(name,
                // numbers are where they are
                [.. trials.Select(t => isChoice ? StudyPlotSource.Beside(t.Parameters[parameter], t.Number) : t.Parameters[parameter])],
                [.. trials.Select(t => t.Value)])
            {
                Color = ofBest ? BestColor : 0,
                IsFaint = !ofBest,
            };
        }
    }
}
