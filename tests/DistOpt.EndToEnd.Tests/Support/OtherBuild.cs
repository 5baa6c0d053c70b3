using System.Reflection;
using System.Text;
using DistOpt.EndToEnd.Tests.Packaging;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>
/// The tool <c>distopt</c> in other builds, which speak other protocol versions. Compiled anew is what holds the version, with what it depends on;
/// the rest of the program is shared with the build under test.
/// </summary>
internal static class OtherBuild
{
    private static readonly Lock s_gate = new();
    private static Task<string>? s_next;

    /// <summary>The protocol version of the build under test, and the next ones.</summary>
    public static (string Own, string Next, string AfterNext) Versions { get; } = Of(Protocol.ProtocolVersion.Current);

    /// <summary>The program of a build one minor version on: a path to give to <see cref="ProgramProcess"/>.</summary>
    public static Task<string> NextAsync()
    {
        lock (s_gate) return s_next ??= BuildAsync(Versions.Next);
    }

    /// <summary>The program of a build two minor versions on: that of the build under test, with another number in it.</summary>
    public static async Task<string> AfterNextAsync()
    {
        string folder = Lay($"protocol-{Versions.AfterNext}", Path.GetDirectoryName(ProgramProcess.Cli)!);
        string assembly = Path.Combine(folder, "DistOpt.Protocol.dll");
        byte[] bytes = await File.ReadAllBytesAsync(assembly, TestContext.Current.CancellationToken);
        // the metadata holds name and value, each with its length in front
        int at = bytes.AsSpan().IndexOf(Metadata(Versions.Own));
        Assert.True(at >= 0 && bytes.AsSpan(at + 1).IndexOf(Metadata(Versions.Own)) < 0, $"{assembly} does not name its version once");
        Metadata(Versions.AfterNext).CopyTo(bytes, at);
        Replace(assembly, bytes);
        return Path.Combine(folder, Path.GetFileName(ProgramProcess.Cli));
    }

    private static byte[] Metadata(string version) => [.. "\u000fProtocolVersion"u8, (byte)version.Length, .. Encoding.ASCII.GetBytes(version)];

    private static (string, string, string) Of(Protocol.ProtocolVersion own)
    {
        var versions = Enumerable.Range(0, 3).Select(i => (own with { Minor = own.Minor + i }).ToString()).ToArray();
        return (versions[0], versions[1], versions[2]);
    }

    private static async Task<string> BuildAsync(string version)
    {
        string configuration = typeof(OtherBuild).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Configuration").Value!;
        string name = $"{configuration.ToLowerInvariant()}-protocol-{version}";
        // folders of its own; packages are those that are restored for the build under test
        await Tool.DotnetAsync(ProgramProcess.Root, "build", "src/DistOpt.Protocol", "-c", configuration, "--no-restore", "-v", "q",
            $"-p:DistOptProtocolVersion={version}", $"-p:ArtifactsPivots={name}", $"-p:InformationalVersion={version}", "-p:RunAnalyzers=false",
            "-p:GenerateDocumentationFile=false");
        string folder = Lay(name, Path.GetDirectoryName(ProgramProcess.Cli)!);
        string built = Path.Combine(ProgramProcess.Root, "artifacts", "bin", "DistOpt.Protocol", name);
        foreach (string assembly in (string[])["DistOpt.Core.dll", "DistOpt.Protocol.dll"])
            Replace(Path.Combine(folder, assembly), await File.ReadAllBytesAsync(Path.Combine(built, assembly), TestContext.Current.CancellationToken));
        return Path.Combine(folder, Path.GetFileName(ProgramProcess.Cli));
    }

    /// <summary>A folder with a program's files: copies, and links to what is large, which is libtorch.</summary>
    private static string Lay(string name, string from)
    {
        string to = Path.Combine(ProgramProcess.Root, "artifacts", "bin", "DistOpt.EndToEnd.Tests", "programs", name);
        if (Directory.Exists(to)) Directory.Delete(to, recursive: true);
        foreach (var file in new DirectoryInfo(from).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            string path = Path.Combine(to, Path.GetRelativePath(from, file.FullName));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            if (file.LinkTarget is not null || file.Length > 8 << 20) File.CreateSymbolicLink(path, file.LinkTarget ?? file.FullName);
            else file.CopyTo(path);
        }
        return to;
    }

    /// <summary>A new file in the place of another, which may be a link.</summary>
    private static void Replace(string path, byte[] bytes)
    {
        File.Delete(path);
        File.WriteAllBytes(path, bytes);
    }
}
