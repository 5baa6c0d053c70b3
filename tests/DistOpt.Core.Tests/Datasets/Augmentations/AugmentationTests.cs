using System.Collections.Immutable;
using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Support;

namespace DistOpt.Core.Tests.Datasets.Augmentations;

public sealed class AugmentationTests
{
    private const int Channels = 2, Height = 5, Width = 7;

    private static readonly ImageShape Shape = new(Channels, Height, Width, 16);

    public static TheoryData<string> Names => [.. AugmentationCatalog.Default.Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_augmentation_is_a_function_of_the_key_and_allocates_nothing(string name)
    {
        var entry = AugmentationCatalog.Default.Entries.Single(e => e.Name == name);
        var augmentation = entry.Factory(Activator.CreateInstance(entry.OptionsType)!);
        float[] scratch = new float[Shape.Length], image = new float[Shape.Length], again = new float[Shape.Length];
        int different = 0;
        for (long sample = 0; sample < 50; sample++)
        {
            Ramp().CopyTo(image, 0);
            Ramp().CopyTo(again, 0);
            augmentation.Apply(image, Shape, Key(sample), scratch);
            Array.Fill(scratch, float.NaN); // nothing may come out of it
            augmentation.Apply(again, Shape, Key(sample), scratch);
            Assert.Equal(image, again);
            if (!image.AsSpan().SequenceEqual(Ramp())) different++;
        }
        Assert.InRange(different, 10, 50);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (long sample = 0; sample < 50; sample++) augmentation.Apply(image, Shape, Key(sample), scratch);
        }));
    }

    [Fact]
    public void A_shift_moves_all_channels_by_whole_pixels_and_every_offset_is_as_frequent()
    {
        var shift = new Shift(new ShiftOptions { Pixels = 2 });
        var counts = new Dictionary<(int, int), int>();
        const int samples = 5000;
        for (long sample = 0; sample < samples; sample++)
        {
            float[] image = Ramp(), expected = new float[Shape.Length];
            shift.Apply(image, Shape, Key(sample), new float[Shape.Length]);
            // the middle pixel of the first channel never leaves: where it is tells the offset
            int at = Array.IndexOf(image, Ramp()[2 * Width + 3]);
            var (down, right) = (at / Width - 2, at % Width - 3);
            for (int i = 0; i < Shape.Length; i++)
            {
                var (channel, row, column) = (i / (Height * Width), i / Width % Height - down, i % Width - right);
                if (row is >= 0 and < Height && column is >= 0 and < Width) expected[i] = Ramp()[channel * Height * Width + row * Width + column];
            }
            Assert.Equal(expected, image);
            counts[(down, right)] = counts.GetValueOrDefault((down, right)) + 1;
        }
        Assert.Equal(25, counts.Count);
        // 200 each, with a deviation of 14
        Assert.All(counts.Values, c => Assert.InRange(c, 200 - 70, 200 + 70));
    }

    [Theory]
    [InlineData(CropOptions.Zero)]
    [InlineData(CropOptions.Edge)]
    [InlineData(CropOptions.Reflect)]
    public void A_crop_is_a_window_of_the_padded_picture(string fill)
    {
        const int padding = 3;
        var crop = new Crop(new CropOptions { Padding = padding, Fill = fill });
        var seen = new HashSet<(int, int)>();
        for (long sample = 0; sample < 500; sample++)
        {
            float[] image = Ramp();
            crop.Apply(image, Shape, Key(sample), new float[Shape.Length]);
            var windows = from top in Enumerable.Range(-padding, 2 * padding + 1)
                          from left in Enumerable.Range(-padding, 2 * padding + 1)
                          where image.AsSpan().SequenceEqual(Window(top, left))
                          select (top, left);
            seen.Add(windows.First());
        }
        Assert.True(seen.Count >= 0.9 * 49, $"{seen.Count} windows of 49");

        float[] Window(int top, int left)
        {
            float[] window = new float[Shape.Length], ramp = Ramp();
            for (int i = 0; i < window.Length; i++)
            {
                int row = Place(i / Width % Height + top, Height), column = Place(i % Width + left, Width);
                if (row >= 0 && column >= 0) window[i] = ramp[i / (Height * Width) * Height * Width + row * Width + column];
            }
            return window;
        }

        int Place(int at, int size) => at >= 0 && at < size ? at : fill switch
        {
            CropOptions.Edge => Math.Clamp(at, 0, size - 1),
            CropOptions.Reflect => size - 1 - Math.Abs(size - 1 - Math.Abs(at)),
            _ => -1,
        };
    }

    [Theory]
    [InlineData(FlipOptions.Horizontal)]
    [InlineData(FlipOptions.Vertical)]
    public void A_flip_mirrors_as_often_as_it_says(string direction)
    {
        var flip = new Flip(new FlipOptions { Probability = 0.3, Direction = direction });
        float[] mirrored = new float[Shape.Length];
        for (int i = 0; i < mirrored.Length; i++)
        {
            int start = i / (Height * Width) * Height * Width, row = i / Width % Height, column = i % Width;
            mirrored[i] = Ramp()[start + (direction == FlipOptions.Vertical ? (Height - 1 - row) * Width + column : row * Width + Width - 1 - column)];
        }
        int count = 0;
        for (long sample = 0; sample < 2000; sample++)
        {
            float[] image = Ramp();
            flip.Apply(image, Shape, Key(sample), new float[Shape.Length]);
            if (image.AsSpan().SequenceEqual(mirrored)) count++;
            else Assert.Equal(Ramp(), image);
        }
        Assert.InRange(count, 600 - 100, 600 + 100); // deviation 20
    }

    [Fact]
    public void Noise_has_its_deviation_in_parts_of_full_brightness()
    {
        var noise = new Noise(new NoiseOptions { Std = 0.25 });
        double sum = 0, squares = 0;
        const int samples = 2000;
        for (long sample = 0; sample < samples; sample++)
        {
            float[] image = Ramp();
            noise.Apply(image, Shape, Key(sample), new float[Shape.Length]);
            for (int i = 0; i < image.Length; i++)
            {
                double difference = image[i] - Ramp()[i];
                (sum, squares) = (sum + difference, squares + difference * difference);
            }
        }
        const int count = samples * Channels * Height * Width;
        Assert.Equal(0, sum / count, 5 * 4 / Math.Sqrt(count));
        Assert.Equal(0.25 * 16, Math.Sqrt(squares / count), 0.02);
    }

    [Fact]
    public void Augmentations_that_do_not_fit_are_all_reported_at_once()
    {
        ImmutableArray<PluginSpec> augment = [new("shift", new ShiftOptions { Pixels = 8 }), new("flip", new FlipOptions()),
            new("crop", new CropOptions { Padding = 9 }), new("warp", new FlipOptions())];
        var info = DataInfo.Classification("digits", [1, 8, 8], ["a", "b"]);
        var error = Assert.Throws<SpecException>(() => ImageAugmenter.Create(augment, info, AugmentationCatalog.Default));
        Assert.Equal(["data.augment[0]: pixels is 8, but must be below the picture's 8 x 8",
            "data.augment[2]: padding is 9, but must be below the picture's 8 x 8",
            "data.augment[3]: augmentation 'warp' is not known. Available: shift, crop, flip, noise"], error.Violations.Select(v => v.ToString()));
        var table = DataInfo.Classification("iris", [4], ["a", "b"]);
        error = Assert.Throws<SpecException>(() => ImageAugmenter.Create(augment[..1], table, AugmentationCatalog.Default));
        Assert.Contains("changes pictures (channels, height, width), but an input of 'iris' is [4]", error.Message, StringComparison.Ordinal);
        Assert.Null(ImageAugmenter.Create([], table, AugmentationCatalog.Default));
    }

    [Fact]
    public void Sample_epoch_seed_and_place_in_the_list_each_change_what_is_drawn()
    {
        ImmutableArray<PluginSpec> augment = [new("noise", new NoiseOptions())];
        var info = DataInfo.Classification("pictures", [Channels, Height, Width], ["a", "b"]);
        var once = ImageAugmenter.Create(augment, info, AugmentationCatalog.Default)!;
        var images = new[] { Of(once, 1, 2, 3), Of(once, 2, 2, 3), Of(once, 1, 3, 3), Of(once, 1, 2, 4) };
        Assert.Equal(4, images.Select(i => i[0]).Distinct().Count());
        Assert.Equal(images[0], Of(once, 1, 2, 3));
        float[] twice = Of(ImageAugmenter.Create([.. augment, .. augment], info, AugmentationCatalog.Default)!, 1, 2, 3);
        Assert.NotEqual(images[0][0] - Ramp()[0], twice[0] - images[0][0]);

        static float[] Of(ImageAugmenter augmenter, long seed, int epoch, long sample)
        {
            float[] image = Ramp();
            augmenter.Apply(image, seed, epoch, sample, new float[Shape.Length]);
            return image;
        }
    }

    private static RandomKey Key(long sample) => RandomKey.Of(9, RandomPurpose.Augmentation, 0, sample, 0);

    /// <summary>Every pixel has a value of its own, none is 0.</summary>
    private static float[] Ramp() => [.. Enumerable.Range(1, Shape.Length).Select(i => (float)i)];
}
