namespace DistOpt.Plots;

/// <summary>
/// How much each parameter matters, by fANOVA with its deviation over the trees and by PED-ANOVA with its deviation over resampled trials: the most important
/// one above.
/// </summary>
internal static class ImportancePlot
{
    private const int ParametersMax = 16;
    private const double Height = 0.36;

    public static string? Missing(StudyPlotSource source) => source.Unexplained;

    public static string? Partial(StudyPlotSource source) => StudyPlots.Some(ParametersMax, source.Parameters.Length, "parameters");

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var parameters = source.Explanation!.Parameters.Take(ParametersMax).ToList();
        var bars = new List<PlotBar>();
        for (int i = 0; i < parameters.Count; i++)
        {
            double at = parameters.Count - 1 - i;
            bars.Add(new PlotBar(i == 0 ? "fANOVA: share of the variance, ± over trees" : null, at + Height / 2, 0, parameters[i].Variance.Mean, 0)
            {
                Height = Height,
                Deviation = parameters[i].Variance.Deviation,
            });
            bars.Add(new PlotBar(i == 0 ? "PED-ANOVA: share in being among the best, ± over resampled trials" : null, at - Height / 2, 0, parameters[i].Ped.Mean, 1)
            {
                Height = Height,
                Deviation = parameters[i].Ped.Deviation,
            });
        }
        return
        [
            new PlotPanel($"importance for {source.ValueLabel}", "", [])
            {
                Bars = bars,
                YTicks = [.. parameters.Select((p, i) => new PlotTick(parameters.Count - 1 - i, source.ShortName(p.Parameter)))],
                XRange = (0, 1.08 * bars.Max(b => b.To + (b.Deviation ?? 0)) + 1e-9),
                IsRealX = true,
                LegendPlace = LegendPlace.LowerRight,
            },
        ];
    }
}
