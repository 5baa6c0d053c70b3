using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>
/// The augmentations of <c>data.augment</c> for pictures of one size, applied in their order to the values as they are stored, before
/// normalization. Thread-safe, allocates nothing.
/// </summary>
public sealed class ImageAugmenter
{
    private readonly ImmutableArray<IAugmentation> _augmentations;
    private readonly ImageShape _shape;

    private ImageAugmenter(ImmutableArray<IAugmentation> augmentations, ImageShape shape) => (_augmentations, _shape) = (augmentations, shape);

    /// <summary>Values of a picture; a scratch buffer needs as many.</summary>
    public int Length => _shape.Length;

    /// <summary>The augmentations of a spec for a data set; null where it has none.</summary>
    /// <exception cref="SpecException">The data holds no pictures, or they are too small, or a name is not known; all at once.</exception>
    public static ImageAugmenter? Create(ImmutableArray<PluginSpec> augment, DataInfo info, Catalog<Func<object, IAugmentation>> catalog)
    {
        ArgumentNullException.ThrowIfNull(info);
        ArgumentNullException.ThrowIfNull(catalog);
        if (augment.IsDefaultOrEmpty) return null;
        if (info.InputShape.Length != 3)
        {
            throw new SpecException("data.augment", "changes pictures (channels, height, width), but an input of "
                + $"'{info.Name}' is [{string.Join(", ", info.InputShape)}]; leave it out");
        }
        var shape = new ImageShape((int)info.InputShape[0], (int)info.InputShape[1], (int)info.InputShape[2], info.PixelMax ?? 1);
        var violations = new List<SpecViolation>();
        var augmentations = ImmutableArray.CreateBuilder<IAugmentation>(augment.Length);
        for (int i = 0; i < augment.Length; i++)
        {
            if (!catalog.TryGet(augment[i].Kind, out _))
            {
                violations.Add(new($"data.augment[{i}]", catalog.UnknownName(augment[i].Kind)));
                continue;
            }
            var augmentation = catalog.Get(augment[i].Kind)(augment[i].OptionsAs<object>());
            if (augmentation.Misfit(shape) is { } misfit) violations.Add(new($"data.augment[{i}]", misfit));
            augmentations.Add(augmentation);
        }
        if (violations.Count > 0) throw new SpecException(violations);
        return new ImageAugmenter(augmentations.ToImmutable(), shape);
    }

    /// <summary>Changes one sample, as a function of (seed, epoch, sample) and of what it holds.</summary>
    /// <param name="image">Its values, not normalized.</param>
    /// <param name="seed">The job's seed.</param>
    /// <param name="epoch">Epoch from 0.</param>
    /// <param name="sample">Index of the sample in the data set.</param>
    /// <param name="scratch">At least <see cref="Length"/> values.</param>
    public void Apply(Span<float> image, long seed, int epoch, long sample, Span<float> scratch)
    {
        if (image.Length != Length || scratch.Length < Length)
            throw new ArgumentException($"a picture of {Length} values does not fit {image.Length}, or its scratch of {scratch.Length}", nameof(image));
        for (int i = 0; i < _augmentations.Length; i++)
        {
            _augmentations[i].Apply(image, _shape, RandomKey.Of(seed, RandomPurpose.Augmentation, epoch, sample, i), scratch[..Length]);
        }
    }
}
