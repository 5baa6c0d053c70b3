using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>Fields of <c>kind: shift</c>.</summary>
public sealed record ShiftOptions
{
    [Description("Most pixels to each side; every whole number up to it has the same probability, in both directions apart")]
    [Range(0, 10_000)]
    public int Pixels { get; init; } = 2;
}

/// <summary>Moves a picture by whole pixels; what comes in is 0. All channels move alike.</summary>
internal sealed class Shift(ShiftOptions options) : IAugmentation
{
    public void Apply(Span<float> image, in ImageShape shape, RandomKey key, Span<float> scratch)
    {
        var random = new CounterRandom(key);
        int down = random.NextInt(2 * options.Pixels + 1) - options.Pixels;
        int right = random.NextInt(2 * options.Pixels + 1) - options.Pixels;
        int plane = shape.Height * shape.Width;
        for (int channel = 0; channel < shape.Channels; channel++) Move(image.Slice(channel * plane, plane), shape, down, right);
    }

    public string? Misfit(in ImageShape shape) => options.Pixels < Math.Min(shape.Height, shape.Width) ? null
        : string.Create(CultureInfo.InvariantCulture, $"pixels is {options.Pixels}, but must be below the picture's {shape.Height} x {shape.Width}");

    private static void Move(Span<float> plane, in ImageShape shape, int down, int right)
    {
        int width = shape.Width;
        int kept = width - Math.Abs(right);
        // from the side that the picture moves to, so that no row is overwritten before it is read; within a row CopyTo sees to it
        for (int i = 0; i < shape.Height; i++)
        {
            int row = down > 0 ? shape.Height - 1 - i : i;
            int from = row - down;
            var target = plane.Slice(row * width, width);
            if ((uint)from >= (uint)shape.Height)
            {
                target.Clear();
                continue;
            }
            plane.Slice(from * width + Math.Max(0, -right), kept).CopyTo(target[Math.Max(0, right)..]);
            if (right > 0) target[..right].Clear();
            else target[kept..].Clear();
        }
    }
}
