namespace DistOpt.Plots;

/// <summary>A curve.</summary>
/// <param name="Name">In the legend; null = not there.</param>
/// <param name="X">Ascending.</param>
/// <param name="Y">As many; values that are not finite are left out.</param>
internal sealed record PlotSeries(string? Name, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>Index into <see cref="Figure.Colors"/>.</summary>
    public int Color { get; init; }

    /// <summary>
    /// Thin and light: a raw curve behind its smoothed one, training behind validation. There are no dashes: SVG of the drawing library has none.
    /// </summary>
    public bool IsFaint { get; init; }

    /// <summary>A value holds until the next one.</summary>
    public bool IsStaircase { get; init; }
}

/// <summary>A point on a curve that is pointed out.</summary>
/// <param name="Name">In the legend; null = not there.</param>
internal sealed record PlotMark(string? Name, double X, double Y, int Color);

/// <summary>Where curves leave room for the legend: above falling ones, below rising ones.</summary>
internal enum LegendPlace
{
    UpperRight,
    LowerRight,
    LowerLeft,
}

/// <summary>One diagram of a figure.</summary>
/// <param name="XLabel">With its unit where it has one.</param>
/// <param name="YLabel">With its unit where it has one.</param>
internal sealed record PlotPanel(string XLabel, string YLabel, IReadOnlyList<PlotSeries> Series)
{
    public IReadOnlyList<PlotMark> Marks { get; init; } = [];

    public bool IsLogX { get; init; }

    public bool IsLogY { get; init; }

    public LegendPlace LegendPlace { get; init; } = LegendPlace.UpperRight;

    /// <summary>Null = by the data.</summary>
    public double? YMax { get; init; }

    /// <summary>Null = by the data. What lies below it runs out of the panel.</summary>
    public double? YMin { get; init; }

    public string? Title { get; init; }
}
