using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets.Augmentations;

/// <summary>The built-in augmentations. Adding one is one file and one line here.</summary>
public static class AugmentationCatalog
{
    /// <summary>The built-in catalogue; do not add to it.</summary>
    public static Catalog<Func<object, IAugmentation>> Default { get; } = Create();

    /// <summary>A new catalogue, for an application to add its own to.</summary>
    public static Catalog<Func<object, IAugmentation>> Create() => new Catalog<Func<object, IAugmentation>>("augmentation")
        .Add(new("shift", typeof(ShiftOptions), o => new Shift((ShiftOptions)o),
            "moves the picture by whole pixels in both directions; black comes in", "Simard et al. 2003"))
        .Add(new("crop", typeof(CropOptions), o => new Crop((CropOptions)o),
            "pads the picture and cuts a part of its old size out of it", "He et al. 2016, section 4.2"))
        .Add(new("flip", typeof(FlipOptions), o => new Flip((FlipOptions)o),
            "mirrors the picture, left to right or top to bottom", "Krizhevsky et al. 2012, section 4.1"))
        .Add(new("noise", typeof(NoiseOptions), o => new Noise((NoiseOptions)o),
            "adds normal noise to every value", "Bishop 1995"));
}
