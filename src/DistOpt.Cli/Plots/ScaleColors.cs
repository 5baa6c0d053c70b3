using ScottPlot;

namespace DistOpt.Plots;

/// <summary>The colors of a scale: viridis, even in print and for color-blind people; without its palest part, which white swallows.</summary>
internal sealed class ScaleColors(bool isHighDark) : IColormap
{
    private const double Most = 0.92;

    private static readonly IColormap Viridis = new ScottPlot.Colormaps.Viridis();

    public string Name => "viridis";

    public Color GetColor(double position) => Viridis.GetColor(Most * (isHighDark ? 1 - position : position));

    /// <summary>The color of a value.</summary>
    public static Color Of(PlotScale scale, double value) => new ScaleColors(scale.IsHighDark)
        .GetColor(scale.High > scale.Low ? Math.Clamp((value - scale.Low) / (scale.High - scale.Low), 0, 1) : 0.5);
}
