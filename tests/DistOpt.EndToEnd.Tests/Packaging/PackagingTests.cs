using System.IO.Compression;
using System.Xml.Linq;

namespace DistOpt.EndToEnd.Tests.Packaging;

/// <summary>The packages as a stranger meets them: from a feed, in a folder of their own.</summary>
public sealed class PackagingTests(LocalFeed feed) : IClassFixture<LocalFeed>
{
    private const string TensorProgram = """
        using TorchSharp;

        Console.WriteLine("sum " + torch.ones(2, 3).sum().item<float>());
        """;

    private const string CommandLineProgram = """
        return await DistOpt.DistOptApp.RunAsync(args);
        """;

    [Fact]
    public void Every_library_is_a_package_and_depends_on_the_others_at_its_own_version()
    {
        string[] expected = ["DistOpt.Actors", "DistOpt.Cli", "DistOpt.Core", "DistOpt.Hosting", "DistOpt.Protocol", "DistOpt.Torch"];
        Assert.Equal(
            expected.Select(name => $"{name}.{feed.Version}.nupkg"),
            // beside the tool's, which another test may have made
            Directory.GetFiles(feed.Packages).Select(file => Path.GetFileName(file)).Where(file => !file.StartsWith("distopt.", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal));

        foreach (string name in expected)
        {
            using var package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"{name}.{feed.Version}.nupkg"));
            Assert.NotNull(package.GetEntry($"lib/net10.0/{name}.dll"));
            using var stream = package.GetEntry($"{name}.nuspec")!.Open();
            var own = XDocument.Load(stream).Descendants()
                .Where(e => e.Name.LocalName == "dependency" && e.Attribute("id")!.Value.StartsWith("DistOpt.", StringComparison.Ordinal));
            Assert.All(own, dependency => Assert.Equal(feed.Version, dependency.Attribute("version")!.Value));
        }
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Torch_computes_in_the_build_and_the_published_output_of_a_program_that_references_DistOpt_Torch()
    {
        byte[] cached = await File.ReadAllBytesAsync(LocalFeed.CachedLibrary, TestContext.Current.CancellationToken);
        string folder = feed.CreateConsumer("tensors", "DistOpt.Torch", TensorProgram);

        await Tool.DotnetAsync(folder, "build", "-c", "Release");
        string built = Path.Combine(folder, "bin", "Release", "net10.0");
        Assert.Equal("sum 6", await RunAsync(built, "tensors"));
        // a second build has nothing to do and undoes nothing
        string library = Directory.GetFiles(built, "libLibTorchSharp.so", SearchOption.AllDirectories).Single();
        var written = File.GetLastWriteTimeUtc(library);
        await Tool.DotnetAsync(folder, "build", "-c", "Release", "--no-restore");
        Assert.Equal(written, File.GetLastWriteTimeUtc(library));
        Assert.NotEqual(cached, await File.ReadAllBytesAsync(library, TestContext.Current.CancellationToken));

        await Tool.DotnetAsync(folder, "publish", "-c", "Release", "-o", "portable");
        Assert.Equal("sum 6", await RunAsync(Path.Combine(folder, "portable"), "tensors"));

        // with a runtime identifier the native files lie beside the program
        await Tool.DotnetAsync(folder, "publish", "-c", "Release", "-r", Rid, "--self-contained", "false", "-o", "specific");
        Assert.True(File.Exists(Path.Combine(folder, "specific", OperatingSystem.IsWindows() ? "LibTorchSharp.dll" : "libLibTorchSharp.so")));
        Assert.Equal("sum 6", await RunAsync(Path.Combine(folder, "specific"), "tensors"));

        Assert.Equal(cached, await File.ReadAllBytesAsync(LocalFeed.CachedLibrary, TestContext.Current.CancellationToken));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_program_that_references_DistOpt_Cli_is_the_whole_command_line()
    {
        string folder = feed.CreateConsumer("commands", "DistOpt.Cli", CommandLineProgram);
        await Tool.DotnetAsync(folder, "publish", "-c", "Release", "-o", "out");
        string data = Directory.CreateDirectory(Path.Combine(feed.Root, "run")).FullName;
        string program = Path.Combine(folder, "out", OperatingSystem.IsWindows() ? "commands.exe" : "commands");
        await Tool.RunAsync(program, data, "train", "--out", "first", "--set", "training.epochs=1");
        Assert.True(File.Exists(Path.Combine(data, "first", "summary.json")));
        Assert.True(File.Exists(Path.Combine(data, "first", "model.safetensors")));
    }

    [Fact, Trait("Category", "Long")]
    public async Task The_tool_installs_from_the_feed_and_trains()
    {
        await feed.PackAsync("src/DistOpt.Cli");
        string tools = Path.Combine(feed.Root, "tools");
        await Tool.DotnetAsync(feed.Root, "tool", "install", "distopt", "--version", feed.Version, "--tool-path", tools, "--add-source", feed.Packages);
        string program = Path.Combine(tools, OperatingSystem.IsWindows() ? "distopt.exe" : "distopt");
        string data = Directory.CreateDirectory(Path.Combine(feed.Root, "tool-run")).FullName;
        await Tool.RunAsync(program, data, "train", "--out", "first", "--set", "training.epochs=1");
        Assert.True(File.Exists(Path.Combine(data, "first", "summary.json")));
    }

    private static string Rid => OperatingSystem.IsWindows() ? "win-x64" : "linux-x64";

    private static async Task<string> RunAsync(string folder, string program) =>
        (await Tool.RunAsync(Path.Combine(folder, OperatingSystem.IsWindows() ? program + ".exe" : program), folder)).Trim();
}
