using System.IO.Compression;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>Opening files that the user names.</summary>
internal static class DataFiles
{
    /// <summary>Opens for reading; a name that ends in .gz is unpacked on the way.</summary>
    /// <exception cref="SpecException">It does not exist or may not be read; the message ends with <paramref name="remedy"/>.</exception>
    public static Stream Open(string path, string remedy)
    {
        try
        {
            var file = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.Read,
                Share = FileShare.Read,
                Options = FileOptions.SequentialScan,
                BufferSize = 1 << 16,
            });
            return path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress) : file;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SpecException(path, $"does not exist: {remedy}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            string reason = Directory.Exists(path) ? "is a folder, but must be a file" : $"cannot be opened ({error.Message.TrimEnd('.')})";
            throw new SpecException(path, $"{reason}: {remedy}");
        }
    }
}
