using ScottPlot;

namespace DistOpt.Plots;

/// <summary>One panel as a plot of the library.</summary>
internal static class PanelPlot
{
    private const float LabelSize = 13, TickSize = 11, LegendSize = 11;

    public static Plot Create(PlotPanel panel)
    {
        var plot = new Plot();
        Style(plot);
        PanelShapes.AddBehind(plot, panel);
        foreach (var series in panel.Series) Add(plot, panel, series);
        PanelShapes.AddBefore(plot, panel);
        foreach (var mark in panel.Marks) Add(plot, panel, mark);
        plot.XLabel(panel.XLabel, LabelSize);
        plot.YLabel(panel.YLabel, LabelSize);
        plot.Axes.Bottom.Label.Bold = plot.Axes.Left.Label.Bold = false;
        if (panel.Title is { } title) plot.Title(title, LabelSize);
        plot.Axes.Title.Label.Bold = false;
        Limits(plot, panel);
        // the lower edge is known by now
        if (panel.Rug is { } rug) PanelShapes.AddRug(plot, panel, rug);
        bool isNamed = panel.Rug is not null || panel.Series.Any(s => s.Name is not null) || panel.Points.Any(p => p.Name is not null)
            || panel.Bars.Any(b => b.Name is not null);
        if (isNamed) plot.ShowLegend(Place(panel.LegendPlace));
        else plot.HideLegend();
        plot.Font.Set(PlotFont.Name);
        return plot;
    }

    private static Alignment Place(LegendPlace place) => place switch
    {
        LegendPlace.LowerRight => Alignment.LowerRight,
        LegendPlace.LowerLeft => Alignment.LowerLeft,
        LegendPlace.UpperLeft => Alignment.UpperLeft,
        _ => Alignment.UpperRight,
    };

    private static void Style(Plot plot)
    {
        plot.Grid.MajorLineColor = Color.FromHex("#E4E4E4");
        plot.Axes.Color(Color.FromHex("#333333"));
        plot.Axes.Right.FrameLineStyle.IsVisible = plot.Axes.Top.FrameLineStyle.IsVisible = false;
        plot.Axes.Bottom.TickLabelStyle.FontSize = plot.Axes.Left.TickLabelStyle.FontSize = TickSize;
        plot.Axes.Left.MinimumSize = 64; // so that the panels of a column are in line
        plot.Axes.Right.MinimumSize = 18;
        plot.Axes.Top.MinimumSize = 14;
        plot.Legend.FontSize = LegendSize;
        plot.Legend.OutlineColor = Colors.Transparent;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.Legend.BackgroundColor = Colors.White.WithAlpha(0.75);
        plot.Legend.FontName = PlotFont.Name;
    }

    private static void Add(Plot plot, PlotPanel panel, PlotSeries series)
    {
        var points = series.X.Zip(series.Y, (x, y) => new Coordinates(On(x, panel.IsLogX), On(y, panel.IsLogY)))
            .Where(p => double.IsFinite(p.X) && double.IsFinite(p.Y)).ToArray();
        if (points.Length == 0) return;
        var line = plot.Add.ScatterLine(points);
        var color = series.Value is { } value && panel.Scale is { } scale ? ScaleColors.Of(scale, value)
            : Color.FromHex(Figure.Colors[series.Color % Figure.Colors.Length]);
        line.Color = color.WithAlpha(series.IsFaint ? 0.45 : 1);
        line.LineWidth = series.IsFaint ? 1.2f : 1.8f;
        line.MarkerSize = points.Length == 1 ? 6 : 0; // a line of one point would not be seen
        if (series.IsStaircase) line.ConnectStyle = ConnectStyle.StepHorizontal;
        if (series.Name is { } name) line.LegendText = name;
    }

    private static void Add(Plot plot, PlotPanel panel, PlotMark mark)
    {
        var (x, y) = (On(mark.X, panel.IsLogX), On(mark.Y, panel.IsLogY));
        if (!double.IsFinite(x) || !double.IsFinite(y)) return;
        var color = Color.FromHex(Figure.Colors[mark.Color % Figure.Colors.Length]);
        var line = plot.Add.VerticalLine(x, 1, color.WithAlpha(0.4));
        line.ExcludeFromLegend = true;
        var point = plot.Add.ScatterPoints(new[] { new Coordinates(x, y) }, color);
        point.MarkerShape = MarkerShape.FilledCircle;
        point.MarkerSize = 9;
        if (mark.Name is { } name) point.LegendText = name;
    }

    private static void Limits(Plot plot, PlotPanel panel)
    {
        double most = panel.YMax is { } given ? On(given, panel.IsLogY) : double.PositiveInfinity;
        double least = panel.YMin is { } low ? On(low, panel.IsLogY) : double.NegativeInfinity;
        double[] x = [.. Xs(panel).Select(v => On(v, panel.IsLogX)).Where(double.IsFinite)];
        double[] y = [.. Ys(panel).Select(v => On(v, panel.IsLogY)).Where(v => double.IsFinite(v) && v <= most && v >= least)];
        if (x.Length == 0) x = [0, 1];
        if (y.Length == 0) y = [0, 1];
        var (left, right) = panel.XRange is { } range ? (On(range.From, panel.IsLogX), On(range.To, panel.IsLogX))
            : Widened(x.Min(), x.Max(), panel.Points.Count > 0 ? 0.04 : 0.02);
        var (bottom, top) = panel.Bars.Count > 0 || panel.Uprights.Count > 0 ? (y.Min(), y.Max()) : Widened(y.Min(), y.Max(), 0.08);
        if (panel.Map is not null) (left, right, bottom, top) = PanelShapes.Extent(panel);
        // rounding makes a flat curve look like a mountain range: at least a hundredth of the value from edge to edge
        double extent = panel.IsLogY ? 0.1 : 0.01 * Math.Max(Math.Abs(bottom), Math.Abs(top));
        if (panel.Map is null && top - bottom < extent) (bottom, top) = ((bottom + top) / 2 - extent / 2 - 1e-12, (bottom + top) / 2 + extent / 2 + 1e-12);
        plot.Axes.SetLimits(left, right, bottom, top);
        plot.Axes.Bottom.TickGenerator = panel.XTicks.Count > 0 ? AxisTicks.Named(panel.XTicks)
            : panel.IsLogX ? AxisTicks.Logarithmic(left, right) : AxisTicks.Linear(integersOnly: !panel.IsRealX);
        plot.Axes.Left.TickGenerator = panel.YTicks.Count > 0 ? AxisTicks.Named(panel.YTicks)
            : panel.Uprights.Count > 0 ? new ScottPlot.TickGenerators.EmptyTickGenerator()
            : panel.IsLogY ? AxisTicks.Logarithmic(bottom, top) : AxisTicks.Linear(integersOnly: false);
    }

    private static IEnumerable<double> Xs(PlotPanel panel) => panel.Series.SelectMany(s => s.X).Concat(panel.Points.SelectMany(p => p.X))
        .Concat(panel.Bars.SelectMany(b => (double[])[b.From, b.To + (b.Deviation ?? 0)])).Concat(panel.XTicks.Select(t => t.At))
        .Concat(panel.Rug?.X ?? []);

    private static IEnumerable<double> Ys(PlotPanel panel) => panel.Series.SelectMany(s => s.Y).Concat(panel.Points.SelectMany(p => p.Y))
        .Concat(panel.Bars.SelectMany(b => (double[])[b.At - b.Height, b.At + b.Height])).Concat(panel.Uprights.Count > 0 ? [-0.08, 1.06] : []);

    private static (double From, double To) Widened(double from, double to, double share)
    {
        double margin = to > from ? (to - from) * share : Math.Max(1e-9, Math.Abs(to) * share);
        return (from - margin, to + margin);
    }

    internal static double On(double value, bool isLog) => !isLog ? value : value > 0 ? Math.Log10(value) : double.NaN;
}
