using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>Fields of <c>kind: crop</c>.</summary>
public sealed record CropOptions
{
    public const string Zero = "zero";
    public const string Edge = "edge";
    public const string Reflect = "reflect";

    [Description("Pixels that are added on each side; the part that is cut out has the picture's old size and any place with the same probability")]
    [Range(0, 10_000)]
    public int Padding { get; init; } = 4;

    [Description("What is added: zero (black), edge (the nearest pixel) or reflect (the picture mirrored at its edge)")]
    [AllowedValues(Zero, Edge, Reflect)]
    public string Fill { get; init; } = Zero;
}

/// <summary>Pads and cuts out, as torchvision's <c>RandomCrop(size, padding)</c>. All channels alike.</summary>
internal sealed class Crop(CropOptions options) : IAugmentation
{
    public void Apply(Span<float> image, in ImageShape shape, RandomKey key, Span<float> scratch)
    {
        var random = new CounterRandom(key);
        int top = random.NextInt(2 * options.Padding + 1) - options.Padding;
        int left = random.NextInt(2 * options.Padding + 1) - options.Padding;
        image.CopyTo(scratch);
        int width = shape.Width;
        int begin = Math.Max(0, -left), end = Math.Min(width, width - left);
        for (int i = 0; i < shape.Rows; i++)
        {
            int row = i % shape.Height;
            int from = Source(row + top, shape.Height);
            var target = image.Slice(i * width, width);
            if (from < 0)
            {
                target.Clear();
                continue;
            }
            var source = scratch.Slice((i - row + from) * width, width);
            source[(begin + left)..(end + left)].CopyTo(target[begin..]);
            for (int column = 0; column < begin; column++) target[column] = At(source, column + left);
            for (int column = end; column < width; column++) target[column] = At(source, column + left);
        }
    }

    public string? Misfit(in ImageShape shape) => options.Padding < Math.Min(shape.Height, shape.Width) ? null
        : string.Create(CultureInfo.InvariantCulture, $"padding is {options.Padding}, but must be below the picture's {shape.Height} x {shape.Width}");

    private float At(ReadOnlySpan<float> row, int column) => Source(column, row.Length) is >= 0 and var from ? row[from] : 0;

    /// <summary>The place in the picture that a place in or beside it shows; -1 = none.</summary>
    private int Source(int place, int size) => (uint)place < (uint)size ? place : options.Fill switch
    {
        CropOptions.Edge => place < 0 ? 0 : size - 1,
        CropOptions.Reflect => place < 0 ? -place : 2 * (size - 1) - place,
        _ => -1,
    };
}
