using System.Text;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs;

/// <summary>Reads spec files with a bound on their size.</summary>
public static class SpecFile
{
    /// <exception cref="SpecException">The file does not exist, cannot be read, is too large or is not UTF-8.</exception>
    public static string Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            if (Directory.Exists(path))
                throw new SpecException(path, "is a folder; name a spec file in it");
            using var stream = File.OpenRead(path);
            var bytes = new byte[SpecYaml.LengthMax + 1];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > SpecYaml.LengthMax)
                throw new SpecException(path, $"is larger than {SpecYaml.LengthMax} bytes, the most a spec may have");
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SpecException(path, "file not found; check the path, or write a spec with 'distopt init'");
        }
        catch (DecoderFallbackException)
        {
            throw new SpecException(path, "is not UTF-8 text; save it as UTF-8");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpecException(path, $"cannot be read: {e.Message}");
        }
    }
}
