using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Plots;

/// <summary>Parallel coordinates: a line for each trial through its parameters to its value, the better, the darker.</summary>
internal static class ParallelPlot
{
    /// <summary>Where a line is at a parameter that the trial does not have.</summary>
    private const double Without = -0.06;

    private const int AxesMax = 8, ChoicesMax = 12;

    public static string? Missing(StudyPlotSource source) => source.Unexplained;

    public static string? Partial(StudyPlotSource source) => StudyPlots.Some(AxesMax, source.Parameters.Length, "parameters");

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source)
    {
        var compared = source.Compared;
        int[] parameters = [.. source.Parameters.Take(AxesMax)];
        bool isLog = StudyPlotSource.Spreads(compared.Trials.Select(t => t.Value), compared.Direction);
        double On(double value) => isLog ? Math.Log10(value) : value;
        double least = compared.Trials.Min(t => t.Value), most = compared.Trials.Max(t => t.Value), low = On(least), high = On(most);
        double[] x = [.. Enumerable.Range(0, parameters.Length + 1).Select(i => (double)i)];
        // the best one is drawn last
        var series = compared.Ranked.Reverse().Select(trial => new PlotSeries(null, x,
            [.. parameters.Select(p => Place(source.Domain(p), trial.Parameters[p])), (On(trial.Value) - low) / (high - low)])
        {
            Value = On(trial.Value),
            IsFaint = true,
        });
        return
        [
            new PlotPanel("", "", [.. series])
            {
                IsWide = true,
                XTicks = [.. parameters.Select((p, i) => new PlotTick(i, source.ShortName(p))), new PlotTick(parameters.Length, "value")],
                XRange = (-0.1, 1.08 * parameters.Length + 0.1),
                Uprights = [.. parameters.Select((p, i) => new PlotUpright(i, Ticks(source, p))),
                    new PlotUpright(parameters.Length, [new(0, StudyPlotSource.Number(least)), new(1, StudyPlotSource.Number(most))])],
                Scale = new PlotScale(isLog ? $"log10 of {source.ValueLabel}" : source.ValueLabel, low, high, compared.Direction == Direction.Maximize),
            },
        ];
    }

    private static double Place(Domain domain, double value) => double.IsNaN(value) ? Without : domain.ToUnit(value);

    private static List<PlotTick> Ticks(StudyPlotSource source, int parameter)
    {
        var domain = source.Domain(parameter);
        List<PlotTick> ticks = [];
        if (domain is ChoiceDomain { Choices.Length: <= ChoicesMax } choices)
            ticks.AddRange(Enumerable.Range(0, choices.Choices.Length).Select(i => new PlotTick(domain.ToUnit(i), source.Shown(parameter, i))));
        else if (domain is NumericDomain numbers)
            ticks.AddRange(((double[])[numbers.Low, numbers.FromUnit(0.5), numbers.Last]).Distinct()
                .Select(v => new PlotTick(domain.ToUnit(v), StudyPlotSource.Number(v))));
        if (source.Compared.Trials.Any(t => double.IsNaN(t.Parameters[parameter]))) ticks.Add(new PlotTick(Without, "none"));
        return ticks;
    }
}
