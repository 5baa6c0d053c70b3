using System.IO.Compression;
using ScottPlot;
using SkiaSharp;

namespace DistOpt.Plots;

/// <summary>
/// The font of all plots, DejaVu Sans, out of this assembly: a picture looks the same on a machine without any fonts (a container) and on one
/// with many.
/// </summary>
internal sealed class PlotFont : IFontResolver
{
    /// <summary>The name under which plots ask for it; the viewer of an SVG has a font of that name or takes its own.</summary>
    public const string Name = "DejaVu Sans";

    private static readonly Lazy<SKTypeface> Typeface = new(Load);
    private static readonly Lazy<PlotFont> Registered = new(Register);

    /// <summary>Makes the font known to the plotting library, once a process.</summary>
    public static void Use() => _ = Registered.Value;

    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) =>
        fontName == Name ? Typeface.Value : null;

    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? Typeface.Value : null;

    private static PlotFont Register()
    {
        var font = new PlotFont();
        Fonts.FontResolvers.Insert(0, font);
        return font;
    }

    private static SKTypeface Load()
    {
        using var packed = typeof(PlotFont).Assembly.GetManifestResourceStream("DistOpt.Plots.DejaVuSans.ttf.gz")
            ?? throw new InvalidOperationException("the font of plots is not in this build");
        using var unpacked = new GZipStream(packed, CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        unpacked.CopyTo(bytes);
        return SKTypeface.FromData(SKData.CreateCopy(bytes.ToArray())) ?? throw new InvalidOperationException("the font of plots cannot be read");
    }
}
