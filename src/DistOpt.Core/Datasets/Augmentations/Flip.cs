using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>Fields of <c>kind: flip</c>.</summary>
public sealed record FlipOptions
{
    public const string Horizontal = "horizontal";
    public const string Vertical = "vertical";

    [Description("Share of the samples that are mirrored")]
    [Range(0.0, 1.0)]
    public double Probability { get; init; } = 0.5;

    [Description("horizontal = left becomes right, vertical = top becomes bottom")]
    [AllowedValues(Horizontal, Vertical)]
    public string Direction { get; init; } = Horizontal;
}

/// <summary>Mirrors a picture. All channels alike.</summary>
internal sealed class Flip(FlipOptions options) : IAugmentation
{
    public void Apply(Span<float> image, in ImageShape shape, RandomKey key, Span<float> scratch)
    {
        if (new CounterRandom(key).NextDouble() >= options.Probability) return;
        int width = shape.Width;
        if (options.Direction == FlipOptions.Horizontal)
        {
            for (int row = 0; row < shape.Rows; row++) image.Slice(row * width, width).Reverse();
            return;
        }
        image.CopyTo(scratch);
        for (int i = 0; i < shape.Rows; i++)
        {
            int row = i % shape.Height;
            scratch.Slice((i - row + shape.Height - 1 - row) * width, width).CopyTo(image[(i * width)..]);
        }
    }
}
