using System.Text.Json;
using System.Xml.Linq;

namespace DistOpt.Core.Tests.Conventions;

/// <summary>The source tree that this test was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Project files under src/ or tests/ by project name.</summary>
    public static IReadOnlyDictionary<string, XDocument> Projects(string area) =>
        Directory.GetFiles(Path.Combine(Root, area), "*.csproj", SearchOption.AllDirectories)
            .Where(IsSource)
            .ToDictionary(file => Path.GetFileNameWithoutExtension(file), XDocument.Load);

    public static IReadOnlyList<string> ProjectReferences(XDocument project) =>
        [.. project.Descendants("ProjectReference").Select(e => Path.GetFileNameWithoutExtension(e.Attribute("Include")!.Value.Replace('\\', '/')))];

    /// <summary>Packages a project asks for itself. Those with ExcludeAssets="all" are named to be kept out, and do not count.</summary>
    public static IReadOnlyList<string> PackageReferences(XDocument project) =>
        [.. project.Descendants("PackageReference")
            .Where(e => e.Attribute("ExcludeAssets")?.Value != "all")
            .Select(e => e.Attribute("Include")!.Value)];

    /// <summary>Projects that <paramref name="name"/> reaches, without itself.</summary>
    public static IReadOnlySet<string> ProjectClosure(string name, IReadOnlyDictionary<string, XDocument> projects)
    {
        var reached = new SortedSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>(ProjectReferences(projects[name]));
        while (open.TryPop(out string? next))
        {
            if (!reached.Add(next)) continue;
            foreach (string further in ProjectReferences(projects[next])) open.Push(further);
        }
        return reached;
    }

    /// <summary>Every package that restore gave a project, or null where the project has not been restored here.</summary>
    public static IReadOnlySet<string>? PackageClosure(string project)
    {
        string path = Path.Combine(Root, "artifacts", "obj", project, "project.assets.json");
        if (!File.Exists(path)) return null;
        using var assets = JsonDocument.Parse(File.ReadAllBytes(path));
        return assets.RootElement.GetProperty("targets").EnumerateObject()
            .SelectMany(target => target.Value.EnumerateObject())
            .Where(library => library.Value.GetProperty("type").GetString() == "package")
            .Select(library => library.Name.Split('/')[0])
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>C# files below a folder of the repository, as paths relative to the root with forward slashes.</summary>
    public static IEnumerable<string> SourceFiles(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(IsSource)
            .Select(file => Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Order(StringComparer.Ordinal);

    public static string Read(string relativePath) => File.ReadAllText(Path.Combine(Root, relativePath));

    private static bool IsSource(string path)
    {
        string[] parts = Path.GetRelativePath(Root, path).Split(Path.DirectorySeparatorChar);
        return !parts.Contains("bin") && !parts.Contains("obj");
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DistOpt.sln"))) return folder.FullName;
        }
        throw new DirectoryNotFoundException($"no DistOpt.sln in any folder above {AppContext.BaseDirectory}");
    }
}
