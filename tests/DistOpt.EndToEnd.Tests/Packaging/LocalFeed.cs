using System.Reflection;

namespace DistOpt.EndToEnd.Tests.Packaging;

/// <summary>
/// A folder with the library packages of the build under test, and room for consumers beside it, outside of the repository. Consumers
/// restore from that folder and from what the repository's own restore has fetched (as a fallback folder), so nothing is downloaded and no
/// package of a test gets into the user's cache.
/// </summary>
public sealed class LocalFeed : IAsyncLifetime
{
    public string Version { get; } = $"0.1.0-test.{Guid.NewGuid():N}";
    public string Root { get; } = Directory.CreateTempSubdirectory("distopt-packaging-").FullName;
    public string Packages => Path.Combine(Root, "feed");
    public static string Cache => Metadata("NuGetPackageRoot");

    /// <summary>libLibTorchSharp.so as the package has it.</summary>
    public static string CachedLibrary { get; } = Directory.GetFiles(
        Path.Combine(Cache, "torchsharp", typeof(TorchSharp.torch).Assembly.GetName().Version!.ToString(3)), "libLibTorchSharp.so",
        SearchOption.AllDirectories).Single();

    public async ValueTask InitializeAsync()
    {
        await PackAsync("DistOpt.sln", "-p:DistOptPackTool=false");
        string config = $"""
            <configuration>
              <packageSources>
                <clear />
                <add key="distopt" value="{Packages}" />
              </packageSources>
              <fallbackPackageFolders>
                <clear />
                <add key="restored" value="{Cache}" />
              </fallbackPackageFolders>
              <config>
                <add key="globalPackagesFolder" value="{Path.Combine(Root, "packages")}" />
              </config>
            </configuration>
            """;
        await File.WriteAllTextAsync(Path.Combine(Root, "nuget.config"), config, TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(Root, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Packs what is built already, under the version of this feed.</summary>
    public Task<string> PackAsync(string project, params string[] more) => Tool.DotnetAsync(
        RepositoryRoot(),
        ["pack", project, "--no-build", "-c", Metadata("Configuration"), "-o", Packages, $"-p:PackageVersion={Version}", "-v", "q", .. more]);

    /// <summary>A console project that references one package of the feed and holds one file of code.</summary>
    public string CreateConsumer(string name, string package, string code)
    {
        string folder = Path.Combine(Root, name);
        Directory.CreateDirectory(folder);
        // hard links instead of copies of libtorch, as a user may choose: they also show whether a build writes into the package cache
        File.WriteAllText(Path.Combine(folder, $"{name}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
                <CreateHardLinksForPublishFilesIfPossible>true</CreateHardLinksForPublishFilesIfPossible>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="{package}" Version="{Version}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(folder, "Program.cs"), code);
        return folder;
    }

    private static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DistOpt.sln"))) return folder.FullName;
        }
        throw new DirectoryNotFoundException($"no DistOpt.sln in any folder above {AppContext.BaseDirectory}");
    }

    private static string Metadata(string key) => typeof(LocalFeed).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == key).Value!;
}
