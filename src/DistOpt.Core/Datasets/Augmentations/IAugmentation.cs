using DistOpt.Core.Randomness;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>Size of a picture, whose values stand channel after channel, row after row.</summary>
/// <param name="Channels">Planes, at least 1.</param>
/// <param name="Height">Rows of a plane.</param>
/// <param name="Width">Values of a row.</param>
/// <param name="Brightness">Value that stands for full brightness.</param>
public readonly record struct ImageShape(int Channels, int Height, int Width, float Brightness)
{
    /// <summary>Values of a picture.</summary>
    public int Length => Channels * Height * Width;

    /// <summary>Rows of all channels together.</summary>
    public int Rows => Channels * Height;
}

/// <summary>A random change of training pictures. Thread-safe: called on several threads at once.</summary>
public interface IAugmentation
{
    /// <summary>Changes one picture, as it is stored (before normalization).</summary>
    /// <param name="image">The picture's values; changed in place.</param>
    /// <param name="shape">Its size.</param>
    /// <param name="key">
    /// The only source of randomness: a function of seed, epoch, sample and place in the list of augmentations, so that a sample is changed in
    /// the same way whoever prepares it.
    /// </param>
    /// <param name="scratch">As many values as the picture has, for any use.</param>
    void Apply(Span<float> image, in ImageShape shape, RandomKey key, Span<float> scratch);

    /// <summary>Why it cannot work on pictures of this size ("pixels is 9, but ..."), or null.</summary>
    string? Misfit(in ImageShape shape) => null;
}
