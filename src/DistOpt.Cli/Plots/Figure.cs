using ScottPlot;
using SkiaSharp;

namespace DistOpt.Plots;

internal enum PlotFormat
{
    Png,
    Svg,
}

/// <summary>Draws panels into a picture.</summary>
internal static class Figure
{
    /// <summary>Okabe and Ito's colors, which color-blind people tell apart, dark enough on white.</summary>
    public static readonly string[] Colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000"];

    private const int PanelWidth = 460, PanelHeight = 290, Inset = 8;

    /// <summary>Dots of a PNG for each unit of length: sharp in print at the width of a column.</summary>
    private const int PngScale = 3;

    /// <summary>The picture as the bytes of a file.</summary>
    public static byte[] Draw(IReadOnlyList<PlotPanel> panels, PlotFormat format)
    {
        PlotFont.Use();
        int columns = panels.Count == 1 ? 1 : 2, rows = (panels.Count + columns - 1) / columns;
        int width = panels.Count == 1 ? PanelWidth * 4 / 3 : columns * PanelWidth, height = rows * (panels.Count == 1 ? PanelHeight * 4 / 3 : PanelHeight);
        var plots = panels.Select(PanelPlot.Create).ToArray();
        try
        {
            if (format == PlotFormat.Svg)
            {
                using var svg = new MemoryStream();
                // the document is complete when the canvas is gone
                using (var canvas = SKSvgCanvas.Create(SKRect.Create(width, height), svg)) Render(canvas, plots, columns, rows, width, height);
                return svg.ToArray();
            }
            using var surface = SKSurface.Create(new SKImageInfo(width * PngScale, height * PngScale));
            surface.Canvas.Scale(PngScale);
            Render(surface.Canvas, plots, columns, rows, width, height);
            using var image = surface.Snapshot();
            using var data = image.Encode(SKEncodedImageFormat.Png, 100);
            return data.ToArray();
        }
        finally
        {
            foreach (var plot in plots) plot.Dispose();
        }
    }

    private static void Render(SKCanvas canvas, Plot[] plots, int columns, int rows, int width, int height)
    {
        canvas.Clear(SKColors.White);
        float cellWidth = width / (float)columns, cellHeight = height / (float)rows;
        for (int i = 0; i < plots.Length; i++)
        {
            float left = i % columns * cellWidth, top = i / columns * cellHeight;
            // a plot clears what it draws on
            canvas.Save();
            canvas.ClipRect(SKRect.Create(left, top, cellWidth, cellHeight));
            plots[i].Render(canvas, new PixelRect(left + Inset, left + cellWidth, top + cellHeight, top));
            canvas.Restore();
        }
    }
}
