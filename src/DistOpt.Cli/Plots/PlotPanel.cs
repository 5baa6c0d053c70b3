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

    /// <summary>Colors the curve by the panel's <see cref="PlotPanel.Scale"/> instead of <see cref="Color"/>.</summary>
    public double? Value { get; init; }
}

/// <summary>Points that nothing connects.</summary>
/// <param name="Name">In the legend; null = not there.</param>
/// <param name="X">In any order.</param>
/// <param name="Y">As many; values that are not finite are left out.</param>
internal sealed record PlotPoints(string? Name, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>White, which is seen upon a map.</summary>
    public const int White = -1;

    /// <summary>Index into <see cref="Figure.Colors"/>, or <see cref="White"/>.</summary>
    public int Color { get; init; }

    /// <summary>Pale: what the picture is not about.</summary>
    public bool IsFaint { get; init; }

    /// <summary>A ring instead of a disk.</summary>
    public bool IsHollow { get; init; }
}

/// <summary>A horizontal bar.</summary>
/// <param name="Name">In the legend; null = not there.</param>
/// <param name="At">Where its middle is on the vertical axis.</param>
/// <param name="From">Where it begins.</param>
/// <param name="To">Where it ends.</param>
/// <param name="Color">Index into <see cref="Figure.Colors"/>.</param>
internal sealed record PlotBar(string? Name, double At, double From, double To, int Color)
{
    /// <summary>On the vertical axis.</summary>
    public double Height { get; init; } = 0.8;

    /// <summary>How far its end is uncertain, to both sides.</summary>
    public double? Deviation { get; init; }
}

/// <summary>A value for each cell of a grid, in color.</summary>
/// <param name="X">Middles of the columns, ascending and evenly spaced on the axis.</param>
/// <param name="Y">Middles of the rows, likewise.</param>
/// <param name="Values">A row for each of <paramref name="Y"/>, the lowest first.</param>
internal sealed record PlotMap(IReadOnlyList<double> X, IReadOnlyList<double> Y, double[,] Values);

/// <summary>What colors mean.</summary>
/// <param name="Label">Of the scale.</param>
/// <param name="Low">Least value.</param>
/// <param name="High">Greatest value.</param>
/// <param name="IsHighDark">Whether the greatest one is the darkest: the better, the darker.</param>
internal sealed record PlotScale(string Label, double Low, double High, bool IsHighDark);

/// <summary>A place on an axis with a name of its own.</summary>
internal readonly record struct PlotTick(double At, string Label);

/// <summary>An upright axis inside of a panel, from 0 to 1, as parallel coordinates have them.</summary>
/// <param name="X">Where it stands.</param>
/// <param name="Ticks">Places from 0 to 1.</param>
internal sealed record PlotUpright(double X, IReadOnlyList<PlotTick> Ticks);

/// <summary>A point on a curve that is pointed out.</summary>
/// <param name="Name">In the legend; null = not there.</param>
internal sealed record PlotMark(string? Name, double X, double Y, int Color);

/// <summary>Short lines that stand on the lower edge: what has a place below and no value.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="X">In any order.</param>
/// <param name="Color">Index into <see cref="Figure.Colors"/>.</param>
internal sealed record PlotRug(string Name, IReadOnlyList<double> X, int Color)
{
    /// <summary>Of the panel's height.</summary>
    public const double Height = 0.04;
}

/// <summary>Where curves leave room for the legend: above falling ones, below rising ones.</summary>
internal enum LegendPlace
{
    UpperRight,
    LowerRight,
    LowerLeft,
    UpperLeft,
}

/// <summary>One diagram of a figure.</summary>
/// <param name="XLabel">With its unit where it has one.</param>
/// <param name="YLabel">With its unit where it has one.</param>
internal sealed record PlotPanel(string XLabel, string YLabel, IReadOnlyList<PlotSeries> Series)
{
    public IReadOnlyList<PlotMark> Marks { get; init; } = [];

    public IReadOnlyList<PlotPoints> Points { get; init; } = [];

    public IReadOnlyList<PlotBar> Bars { get; init; } = [];

    /// <summary>Null = there is none.</summary>
    public PlotRug? Rug { get; init; }

    public PlotMap? Map { get; init; }

    /// <summary>Of the map, and of curves that have a value.</summary>
    public PlotScale? Scale { get; init; }

    /// <summary>In place of numbers; empty = numbers.</summary>
    public IReadOnlyList<PlotTick> XTicks { get; init; } = [];

    /// <summary>In place of numbers; empty = numbers.</summary>
    public IReadOnlyList<PlotTick> YTicks { get; init; } = [];

    public IReadOnlyList<PlotUpright> Uprights { get; init; } = [];

    /// <summary>Whether what lies below are real numbers; else whole ones.</summary>
    public bool IsRealX { get; init; }

    /// <summary>As wide as two.</summary>
    public bool IsWide { get; init; }

    public bool IsLogX { get; init; }

    public bool IsLogY { get; init; }

    public LegendPlace LegendPlace { get; init; } = LegendPlace.UpperRight;

    /// <summary>Ends of the horizontal axis; null = by the data.</summary>
    public (double From, double To)? XRange { get; init; }

    /// <summary>Null = by the data.</summary>
    public double? YMax { get; init; }

    /// <summary>Null = by the data. What lies below it runs out of the panel.</summary>
    public double? YMin { get; init; }

    public string? Title { get; init; }
}
