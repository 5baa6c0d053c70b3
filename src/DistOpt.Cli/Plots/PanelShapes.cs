using ScottPlot;

namespace DistOpt.Plots;

/// <summary>What a panel has beside curves: points, bars, maps, upright axes.</summary>
internal static class PanelShapes
{
    private const float PointSize = 6, TextSize = 10;

    /// <summary>What lies behind the curves.</summary>
    public static void AddBehind(Plot plot, PlotPanel panel)
    {
        if (panel.Scale is { } scale) AddScale(plot, panel, scale);
        if (panel.Uprights.Count > 0) plot.HideGrid();
        foreach (var bar in panel.Bars) Add(plot, bar);
        foreach (var upright in panel.Uprights)
        {
            var line = plot.Add.Line(upright.X, 0, upright.X, 1);
            line.Color = Color.FromHex("#333333");
            line.LineWidth = 1;
        }
    }

    /// <summary>What lies before the curves.</summary>
    public static void AddBefore(Plot plot, PlotPanel panel)
    {
        foreach (var points in panel.Points) Add(plot, panel, points);
        foreach (var upright in panel.Uprights)
            foreach (var tick in upright.Ticks) AddLabel(plot, upright, tick);
    }

    /// <summary>Short lines on the lower edge of a panel whose limits are set.</summary>
    public static void AddRug(Plot plot, PlotPanel panel, PlotRug rug)
    {
        var limits = plot.Axes.GetLimits();
        var color = Color.FromHex(Figure.Colors[rug.Color % Figure.Colors.Length]);
        string? name = rug.Name;
        foreach (double at in rug.X.Select(x => PanelPlot.On(x, panel.IsLogX)).Where(double.IsFinite))
        {
            var line = plot.Add.Line(at, limits.Bottom, at, limits.Bottom + PlotRug.Height * (limits.Top - limits.Bottom));
            line.Color = color;
            line.LineWidth = 1.5f;
            // one entry of the legend for all
            if (name is not null) line.LegendText = name;
            name = null;
        }
    }

    /// <summary>The edges of a panel's map, on its axes.</summary>
    public static (double Left, double Right, double Bottom, double Top) Extent(PlotPanel panel)
    {
        var ((left, right), (bottom, top)) = (Ends(panel.Map!.X, panel.IsLogX), Ends(panel.Map.Y, panel.IsLogY));
        return (left, right, bottom, top);
    }

    private static void AddScale(Plot plot, PlotPanel panel, PlotScale scale)
    {
        // a scale without a map is that of curves: a map that is not seen carries it
        double[,] rows = panel.Map is { } map ? Flipped(map.Values) : new double[,] { { scale.Low, scale.High } };
        var heat = plot.Add.Heatmap(rows);
        heat.Colormap = new ScaleColors(scale.IsHighDark);
        heat.ManualRange = new ScottPlot.Range(scale.Low, scale.High > scale.Low ? scale.High : scale.Low + 1e-9);
        heat.IsVisible = panel.Map is not null;
        if (panel.Map is not null)
        {
            var (left, right, bottom, top) = Extent(panel);
            heat.Position = new CoordinateRect(left, right, bottom, top);
        }
        var bar = plot.Add.ColorBar(heat);
        bar.Label = scale.Label;
        bar.LabelStyle.FontSize = TextSize + 2;
        bar.LabelStyle.Bold = false;
        bar.LabelStyle.FontName = PlotFont.Name;
        bar.Axis.TickLabelStyle.FontName = PlotFont.Name;
        bar.Axis.TickLabelStyle.FontSize = TextSize;
        bar.Width = 14;
    }

    /// <summary>The first row of a map is the lowest, that of the library's the highest.</summary>
    private static double[,] Flipped(double[,] values)
    {
        double[,] flipped = new double[values.GetLength(0), values.GetLength(1)];
        for (int r = 0; r < flipped.GetLength(0); r++)
            for (int c = 0; c < flipped.GetLength(1); c++) flipped[flipped.GetLength(0) - 1 - r, c] = values[r, c];
        return flipped;
    }

    private static (double From, double To) Ends(IReadOnlyList<double> middles, bool isLog)
    {
        double first = PanelPlot.On(middles[0], isLog), last = PanelPlot.On(middles[^1], isLog);
        double half = middles.Count > 1 ? (last - first) / (middles.Count - 1) / 2 : 0.5;
        return (first - half, last + half);
    }

    private static void Add(Plot plot, PlotPanel panel, PlotPoints points)
    {
        var places = points.X.Zip(points.Y, (x, y) => new Coordinates(PanelPlot.On(x, panel.IsLogX), PanelPlot.On(y, panel.IsLogY)))
            .Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y)).ToArray();
        if (places.Length == 0) return;
        var color = points.Color == PlotPoints.White ? Colors.White : Color.FromHex(Figure.Colors[points.Color % Figure.Colors.Length]);
        var scatter = plot.Add.ScatterPoints(places, color.WithAlpha(points.IsFaint ? 0.5 : 0.9));
        scatter.MarkerShape = points.IsHollow ? MarkerShape.OpenCircle : MarkerShape.FilledCircle;
        scatter.MarkerSize = PointSize;
        if (points.Name is { } name) scatter.LegendText = name;
    }

    private static void Add(Plot plot, PlotBar bar)
    {
        var rectangle = plot.Add.Rectangle(bar.From, bar.To, bar.At - bar.Height / 2, bar.At + bar.Height / 2);
        rectangle.FillColor = Color.FromHex(Figure.Colors[bar.Color % Figure.Colors.Length]);
        rectangle.LineWidth = 0;
        if (bar.Name is { } name) rectangle.LegendText = name;
        if (bar.Deviation is not { } deviation) return;
        Whisker(bar.To - deviation, bar.At, bar.To + deviation, bar.At);
        foreach (double end in (double[])[bar.To - deviation, bar.To + deviation]) Whisker(end, bar.At - bar.Height / 4, end, bar.At + bar.Height / 4);

        void Whisker(double fromX, double fromY, double toX, double toY)
        {
            var line = plot.Add.Line(fromX, fromY, toX, toY);
            line.Color = Color.FromHex("#333333");
            line.LineWidth = 1;
        }
    }

    private static void AddLabel(Plot plot, PlotUpright upright, PlotTick tick)
    {
        var text = plot.Add.Text(tick.Label, upright.X, tick.At);
        text.LabelFontName = PlotFont.Name;
        text.LabelFontSize = TextSize;
        text.LabelFontColor = Color.FromHex("#333333");
        text.LabelBackgroundColor = Colors.White.WithAlpha(0.7);
        text.LabelAlignment = Alignment.MiddleLeft;
        text.OffsetX = 3;
    }
}
