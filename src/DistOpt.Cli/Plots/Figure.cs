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
        var (cells, width, height) = Layout(panels);
        var plots = panels.Select(PanelPlot.Create).ToArray();
        try
        {
            if (format == PlotFormat.Svg)
            {
                using var svg = new MemoryStream();
                // the document is complete when the canvas is gone
                using (var canvas = SKSvgCanvas.Create(SKRect.Create(width, height), svg)) Render(canvas, plots, cells);
                return svg.ToArray();
            }
            using var surface = SKSurface.Create(new SKImageInfo(width * PngScale, height * PngScale));
            surface.Canvas.Scale(PngScale);
            Render(surface.Canvas, plots, cells);
            using var image = surface.Snapshot();
            using var data = image.Encode(SKEncodedImageFormat.Png, 100);
            return data.ToArray();
        }
        finally
        {
            foreach (var plot in plots) plot.Dispose();
        }
    }

    /// <summary>Two in a row, one where it is wide; a single one is larger.</summary>
    internal static (SKRect[] Cells, int Width, int Height) Layout(IReadOnlyList<PlotPanel> panels)
    {
        if (panels.Count == 1)
        {
            var (width, height) = (panels[0].IsWide ? 2 * PanelWidth : PanelWidth * 4 / 3, PanelHeight * 4 / 3);
            return ([SKRect.Create(width, height)], width, height);
        }
        var cells = new List<SKRect>();
        int column = 0, row = 0;
        foreach (var panel in panels)
        {
            if (panel.IsWide && column > 0) (column, row) = (0, row + 1);
            cells.Add(SKRect.Create(column * PanelWidth, row * PanelHeight, panel.IsWide ? 2 * PanelWidth : PanelWidth, PanelHeight));
            column += panel.IsWide ? 2 : 1;
            if (column >= 2) (column, row) = (0, row + 1);
        }
        return ([.. cells], 2 * PanelWidth, (column > 0 ? row + 1 : row) * PanelHeight);
    }

    private static void Render(SKCanvas canvas, Plot[] plots, SKRect[] cells)
    {
        canvas.Clear(SKColors.White);
        for (int i = 0; i < plots.Length; i++)
        {
            // a plot clears what it draws on
            canvas.Save();
            canvas.ClipRect(cells[i]);
            plots[i].Render(canvas, new PixelRect(cells[i].Left + Inset, cells[i].Right, cells[i].Bottom, cells[i].Top));
            canvas.Restore();
        }
    }
}
