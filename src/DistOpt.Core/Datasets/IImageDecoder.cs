namespace DistOpt.Core.Datasets;

/// <summary>Decodes PNG and JPEG. Thread-safe.</summary>
public interface IImageDecoder
{
    /// <summary>Decodes an image and scales it to the wanted size.</summary>
    /// <param name="file">Content of the file.</param>
    /// <param name="channels">1 = grey, 3 = red, green, blue.</param>
    /// <param name="pixels">Receives channels x height x width bytes, channel after channel.</param>
    /// <exception cref="InvalidDataException">Not an image, an unknown format, or truncated; the message says which.</exception>
    void Decode(ReadOnlySpan<byte> file, int height, int width, int channels, Span<byte> pixels);
}
