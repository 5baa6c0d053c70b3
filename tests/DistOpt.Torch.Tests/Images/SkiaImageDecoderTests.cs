using DistOpt.Torch.Images;
using SkiaSharp;

namespace DistOpt.Torch.Tests.Images;

public sealed class SkiaImageDecoderTests
{
    private static readonly SkiaImageDecoder Decoder = new();

    [Fact]
    public void A_png_of_the_wanted_size_gives_its_pixels_channel_after_channel()
    {
        byte[] file = Encode(3, 2, SKEncodedImageFormat.Png, (x, y) => new SKColor((byte)(10 * x), (byte)(100 * y), (byte)(7 * (x + y))));
        byte[] pixels = new byte[18];
        Decoder.Decode(file, 2, 3, 3, pixels);
        Assert.Equal(new byte[] { 0, 10, 20, 0, 10, 20, 0, 0, 0, 100, 100, 100, 0, 7, 14, 7, 14, 21 }, pixels);
    }

    [Fact]
    public void Grey_is_the_luma_of_the_colours()
    {
        byte[] file = Encode(3, 1, SKEncodedImageFormat.Png, (x, _) => x == 0 ? SKColors.Red : x == 1 ? SKColors.Lime : SKColors.White);
        byte[] pixels = new byte[3];
        Decoder.Decode(file, 1, 3, 1, pixels);
        Assert.Equal(new byte[] { 76, 150, 255 }, pixels);
    }

    [Fact]
    public void A_jpeg_gives_its_pixels_within_its_loss()
    {
        byte[] file = Encode(16, 16, SKEncodedImageFormat.Jpeg, (_, y) => y < 8 ? new SKColor(200, 40, 90) : new SKColor(20, 220, 60));
        byte[] pixels = new byte[3 * 256];
        Decoder.Decode(file, 16, 16, 3, pixels);
        Assert.InRange(pixels[0], 192, 208);
        Assert.InRange(pixels[256], 32, 48);
        Assert.InRange(pixels[255], 12, 28);
        Assert.InRange(pixels[511], 212, 228);
    }

    [Fact]
    public void Shrinking_to_half_weighs_four_pixels_a_side()
    {
        // the triangle of half-width 2 around the middle of two pixels: weights 1, 3, 3, 1, without those outside the picture
        byte[] half = new byte[2];
        BilinearResampler.Resize([0, 70, 140, 210], 1, 4, half, 1, 2);
        Assert.Equal(new byte[] { (0 * 3 + 70 * 3 + 140) / 7, (70 + 140 * 3 + 210 * 3) / 7 }, half);
    }

    [Theory]
    [InlineData(13, 7, 5, 9)]
    [InlineData(5, 9, 13, 31)]
    [InlineData(64, 48, 28, 28)]
    [InlineData(1, 1, 4, 4)]
    public void Resampling_agrees_with_the_filter_in_floating_point(int height, int width, int newHeight, int newWidth)
    {
        byte[] source = [.. Enumerable.Range(0, height * width).Select(i => (byte)(i * 7919 % 256))];
        byte[] result = new byte[newHeight * newWidth];
        BilinearResampler.Resize(source, height, width, result, newHeight, newWidth);
        byte[] expected = SlowResize(source, height, width, newHeight, newWidth);
        for (int i = 0; i < result.Length; i++) Assert.InRange(result[i], expected[i] - 1, expected[i] + 1);
    }

    [Fact]
    public void A_flat_picture_stays_flat_at_any_size()
    {
        byte[] file = Encode(50, 20, SKEncodedImageFormat.Png, (_, _) => new SKColor(131, 131, 131));
        byte[] pixels = new byte[32 * 32];
        Decoder.Decode(file, 32, 32, 1, pixels);
        Assert.All(pixels, p => Assert.Equal(131, p));
    }

    [Fact]
    public void What_is_no_image_is_refused_with_the_reason()
    {
        byte[] pixels = new byte[64];
        Assert.Contains("the file is empty", Refused([]), StringComparison.Ordinal);
        Assert.Contains("not an image", Refused("hello, this is text"u8.ToArray()), StringComparison.Ordinal);
        byte[] webp = Encode(8, 8, SKEncodedImageFormat.Webp, (_, _) => SKColors.Red);
        Assert.Contains("format webp", Refused(webp), StringComparison.Ordinal);
        string Refused(byte[] file) => Assert.Throws<InvalidDataException>(() => Decoder.Decode(file, 8, 8, 1, pixels)).Message;
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    public void A_truncated_file_is_refused_wherever_it_is_cut(SKEncodedImageFormat format)
    {
        byte[] file = Encode(40, 40, format, (x, y) => new SKColor((byte)(x * 31 * y), (byte)(y * 57), (byte)(x * 91)));
        byte[] pixels = new byte[1600];
        foreach (double share in new[] { 0.1, 0.3, 0.5, 0.8 })
        {
            Assert.Throws<InvalidDataException>(
                () => Decoder.Decode(file.AsSpan(0, (int)(file.Length * share)), 40, 40, 1, pixels));
        }
    }

    [Fact]
    public void Several_threads_may_decode_at_once()
    {
        byte[] file = Encode(20, 20, SKEncodedImageFormat.Png, (x, y) => new SKColor((byte)(x * 12), (byte)(y * 12), 0));
        byte[] expected = new byte[3 * 100];
        Decoder.Decode(file, 10, 10, 3, expected);
        Parallel.For(0, 200, _ =>
        {
            byte[] pixels = new byte[3 * 100];
            Decoder.Decode(file, 10, 10, 3, pixels);
            Assert.Equal(expected, pixels);
        });
    }

    private static byte[] Encode(int width, int height, SKEncodedImageFormat format, Func<int, int, SKColor> color)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                bitmap.SetPixel(x, y, color(x, y));
        using var data = bitmap.Encode(format, 95);
        return data.ToArray();
    }

    /// <summary>The widened triangle filter straight from its definition, rounded between the passes.</summary>
    private static byte[] SlowResize(byte[] source, int height, int width, int newHeight, int newWidth)
    {
        var narrow = new byte[height * newWidth];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < newWidth; x++)
                narrow[y * newWidth + x] = Weighted(width, newWidth, x, i => source[y * width + i]);
        var result = new byte[newHeight * newWidth];
        for (int y = 0; y < newHeight; y++)
            for (int x = 0; x < newWidth; x++)
                result[y * newWidth + x] = Weighted(height, newHeight, y, i => narrow[i * newWidth + x]);
        return result;
    }

    private static byte Weighted(int size, int newSize, int index, Func<int, byte> value)
    {
        double scale = (double)size / newSize, support = Math.Max(1, scale), center = (index + 0.5) * scale, sum = 0, total = 0;
        for (int i = 0; i < size; i++)
        {
            double weight = Math.Max(0, 1 - Math.Abs(i + 0.5 - center) / support);
            sum += weight * value(i);
            total += weight;
        }
        return (byte)Math.Floor(sum / total + 0.5);
    }
}
