using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>Fields of <c>kind: noise</c>.</summary>
public sealed record NoiseOptions
{
    [Description("Standard deviation as a share of full brightness; values are not clipped")]
    [Range(0.0, 100.0)]
    public double Std { get; init; } = 0.1;
}

/// <summary>Adds normal noise, another one to every value.</summary>
internal sealed class Noise(NoiseOptions options) : IAugmentation
{
    public void Apply(Span<float> image, in ImageShape shape, RandomKey key, Span<float> scratch)
    {
        var noise = scratch[..image.Length];
        key.FillGaussian(noise);
        // two roundings everywhere: a fused multiply-add would round otherwise in the tail
        TensorPrimitives.Multiply(noise, (float)(options.Std * shape.Brightness), noise);
        TensorPrimitives.Add(image, noise, image);
    }
}
