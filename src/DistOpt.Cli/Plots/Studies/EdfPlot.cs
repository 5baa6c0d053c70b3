using DistOpt.Core.Importance;
using DistOpt.Core.Specs;

namespace DistOpt.Plots;

/// <summary>Which share of the trials has a value up to each: a panel for each objective.</summary>
internal static class EdfPlot
{
    public static string? Missing(StudyPlotSource source) => source.Compared.Trials.Length > 0 ? null : "no trial has a value";

    public static IReadOnlyList<PlotPanel> Panels(StudyPlotSource source) => [.. source.Objectives
        .Select(o => source.Objectives.Length == 1 ? source.Compared : ComparedTrials.Of(source.Outline, source.Trials, o)).Where(c => c.Trials.Length > 0)
        .Select(compared =>
        {
            double[] values = [.. compared.Trials.Select(t => t.Value).Order()];
            // from nothing up to the first value, and flat a little beyond the last one
            return new PlotPanel(compared.Step is { } step ? $"{compared.Metric} at {source.Unit} {Format.Count(step)}" : compared.Metric,
                $"share of {Format.Plural(values.Length, "trial")}",
                [new PlotSeries(null, [values[0], .. values], [0, .. values.Select((_, i) => (i + 1.0) / values.Length)]) { IsStaircase = true }])
            {
                IsRealX = true,
                IsLogX = StudyPlotSource.Spreads(values, compared.Direction),
            };
        })];
}
