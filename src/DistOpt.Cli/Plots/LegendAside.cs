namespace DistOpt.Plots;

/// <summary>Puts a legend where it hides least.</summary>
internal static class LegendAside
{
    /// <summary>What part of a panel a legend covers.</summary>
    private const double Width = 0.45, Height = 0.3;

    /// <summary>Places at which a line between two points is looked at.</summary>
    private const int Between = 8;

    /// <summary>The panel with its legend in the corner where the fewest points and parts of lines lie; of equal ones the first of the enumeration.</summary>
    public static PlotPanel WithLegendAside(this PlotPanel panel)
    {
        var places = panel.Series.SelectMany(s => Along(s.IsStaircase, [.. s.X.Zip(s.Y, On)])).Concat(panel.Points.SelectMany(p => p.X.Zip(p.Y, On)))
            .Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y)).ToList();
        if (places.Count == 0) return panel;
        var (left, right) = panel.XRange is { } range ? (PanelPlot.On(range.From, panel.IsLogX), PanelPlot.On(range.To, panel.IsLogX))
            : (places.Min(p => p.X), places.Max(p => p.X));
        double bottom = places.Min(p => p.Y), top = places.Max(p => p.Y);
        places.AddRange((panel.Rug?.X ?? []).Select(x => On(x, 0) with { Y = bottom }));
        return panel with { LegendPlace = Enum.GetValues<LegendPlace>().MinBy(Hidden) };

        (double X, double Y) On(double x, double y) => (PanelPlot.On(x, panel.IsLogX), PanelPlot.On(y, panel.IsLogY));

        int Hidden(LegendPlace place)
        {
            bool isLeft = place is LegendPlace.LowerLeft or LegendPlace.UpperLeft, isLow = place is LegendPlace.LowerLeft or LegendPlace.LowerRight;
            return places.Count(p => Near(p.X, isLeft ? left : right, Width * (right - left)) && Near(p.Y, isLow ? bottom : top, Height * (top - bottom)));
        }

        static bool Near(double value, double end, double distance) => Math.Abs(value - end) <= distance;
    }

    private static IEnumerable<(double X, double Y)> Along(bool isStaircase, (double X, double Y)[] ends)
    {
        for (int i = 0; i < ends.Length; i++)
        {
            yield return ends[i];
            for (int k = 1; k < Between && i + 1 < ends.Length; k++)
            {
                double part = k / (double)Between;
                yield return (ends[i].X + part * (ends[i + 1].X - ends[i].X), isStaircase ? ends[i].Y : ends[i].Y + part * (ends[i + 1].Y - ends[i].Y));
            }
        }
    }
}
