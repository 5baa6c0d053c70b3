using DistOpt.Core.Schedules;

namespace DistOpt.Plots;

/// <summary>The picture of a learning rate sweep.</summary>
internal static class SweepFigure
{
    private const int SuggestionColor = 1;

    public static PlotPanel Panel(LearningRateSweep sweep, SweepPoint? suggestion, string? rate)
    {
        var points = sweep.Curve();
        double[] rates = [.. points.Select(p => p.LearningRate)];
        double highest = points.Take(1 + points.Count / 2).Select(p => p.Loss).DefaultIfEmpty(1).Max();
        return new PlotPanel("learning rate", "training loss",
        [
            new("loss", rates, [.. points.Select(p => p.Loss)]) { IsFaint = true },
            new("smoothed", rates, [.. points.Select(p => p.Smoothed)]),
        ])
        {
            IsLogX = true,
            // the explosion would press everything else to the bottom
            YMax = highest > 0 ? 1.3 * highest : null,
            LegendPlace = LegendPlace.LowerLeft,
            Marks = suggestion is null ? [] : [new($"suggestion {rate}", suggestion.LearningRate, suggestion.Smoothed, SuggestionColor)],
        };
    }
}
