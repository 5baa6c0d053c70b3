using DistOpt.Core.Datasets;
using SkiaSharp;

namespace DistOpt.Torch.Images;

/// <summary>
/// Decodes PNG and JPEG with Skia. Grey from colour is (299 R + 587 G + 114 B) / 1000 (ITU-R 601), grey to colour three equal channels;
/// transparency and the EXIF orientation are ignored, as Pillow's <c>convert</c> does. Other sizes are resampled by
/// <see cref="BilinearResampler"/>, in integers, so that every machine sees the same pixels.
/// </summary>
public sealed class SkiaImageDecoder : IImageDecoder
{
    /// <summary>Largest picture that is decoded, in pixels: a small file can claim a picture that fills the memory.</summary>
    public const long PixelsMax = 100_000_000;

    /// <inheritdoc/>
    public void Decode(ReadOnlySpan<byte> file, int height, int width, int channels, Span<byte> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        if (channels is not (1 or 3))
            throw new ArgumentOutOfRangeException(nameof(channels), $"channels is {channels}, but must be 1 or 3");
        if (pixels.Length != (long)channels * height * width)
            throw new ArgumentException($"{pixels.Length} bytes do not fit {channels} x {height} x {width}", nameof(pixels));
        if (file.IsEmpty) throw new InvalidDataException("not an image: the file is empty");

        using SKData data = SKData.CreateCopy(file);
        using SKCodec? codec = SKCodec.Create(data);
        if (codec is null)
            throw new InvalidDataException("not an image that can be read, or its header is damaged: PNG and JPEG are known");
        if (codec.EncodedFormat is not (SKEncodedImageFormat.Png or SKEncodedImageFormat.Jpeg))
        {
            string format = codec.EncodedFormat.ToString().ToLowerInvariant();
            throw new InvalidDataException($"an image of format {format}: PNG and JPEG are known, convert it first");
        }
        int sourceWidth = codec.Info.Width, sourceHeight = codec.Info.Height;
        if ((long)sourceWidth * sourceHeight > PixelsMax)
            throw new InvalidDataException($"an image of {sourceWidth} x {sourceHeight} pixels; at most {PixelsMax:N0} are read");

        using var bitmap = new SKBitmap(new SKImageInfo(sourceWidth, sourceHeight, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        SKCodecResult result = codec.GetPixels(bitmap.Info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
        {
            throw new InvalidDataException(result == SKCodecResult.IncompleteInput
                ? "a truncated image: the file ends before its pixels do"
                : $"a damaged image: the decoder reports {result}");
        }
        ReadOnlySpan<byte> rgba = bitmap.GetPixelSpan();
        int area = sourceWidth * sourceHeight;
        if (sourceWidth == width && sourceHeight == height)
        {
            for (int channel = 0; channel < channels; channel++) Extract(rgba, channels, channel, pixels.Slice(channel * area, area));
            return;
        }
        byte[] plane = new byte[area];
        for (int channel = 0; channel < channels; channel++)
        {
            Extract(rgba, channels, channel, plane);
            Span<byte> scaled = pixels.Slice(channel * height * width, height * width);
            BilinearResampler.Resize(plane, sourceHeight, sourceWidth, scaled, height, width);
        }
    }

    private static void Extract(ReadOnlySpan<byte> rgba, int channels, int channel, Span<byte> plane)
    {
        if (channels == 3)
        {
            for (int i = 0; i < plane.Length; i++) plane[i] = rgba[4 * i + channel];
            return;
        }
        for (int i = 0; i < plane.Length; i++)
            plane[i] = (byte)((299 * rgba[4 * i] + 587 * rgba[4 * i + 1] + 114 * rgba[4 * i + 2] + 500) / 1000);
    }
}
