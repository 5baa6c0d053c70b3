using System.IO.Compression;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Datasets;

/// <summary>A folder of one test, removed with its content.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("distopt-data-").FullName;

    public DataEnvironment Environment => new() { Root = Path, BaseFolder = Path };

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public string Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[name])!);
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public static byte[] Gzip(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress)) gzip.Write(bytes);
        return packed.ToArray();
    }

    /// <summary>The lines that a user would see.</summary>
    public static string[] Complaints(Action open) => [.. Assert.Throws<SpecException>(open).Violations.Select(v => v.ToString())];
}
