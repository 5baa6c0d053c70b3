namespace DistOpt.Core.Tests.Conventions;

/// <summary>Which project may depend on what: Core &lt;- Protocol &lt;- Actors &lt;- Hosting &lt;- Cli, and Core &lt;- Torch &lt;- Cli.</summary>
public class DependencyRuleTests
{
    private static readonly Dictionary<string, string[]> s_mayReach = new()
    {
        ["DistOpt.Core"] = [],
        ["DistOpt.Protocol"] = ["DistOpt.Core"],
        ["DistOpt.Actors"] = ["DistOpt.Core", "DistOpt.Protocol"],
        ["DistOpt.Hosting"] = ["DistOpt.Core", "DistOpt.Protocol", "DistOpt.Actors"],
        ["DistOpt.Simulation"] = ["DistOpt.Core", "DistOpt.Protocol", "DistOpt.Actors"],
        ["DistOpt.Torch"] = ["DistOpt.Core"],
        ["DistOpt.Dashboard"] = ["DistOpt.Core", "DistOpt.Protocol", "DistOpt.Actors", "DistOpt.Hosting", "DistOpt.Simulation"],
        ["DistOpt.Cli"] =
        [
            "DistOpt.Core", "DistOpt.Protocol", "DistOpt.Actors", "DistOpt.Hosting", "DistOpt.Simulation", "DistOpt.Dashboard", "DistOpt.Torch",
        ],
        ["DistOpt.Examples"] =
        [
            "DistOpt.Core", "DistOpt.Protocol", "DistOpt.Actors", "DistOpt.Hosting", "DistOpt.Simulation", "DistOpt.Dashboard", "DistOpt.Torch",
            "DistOpt.Cli",
        ],
    };

    /// <summary>Package name prefixes that must not be in a project's restored closure.</summary>
    private static readonly Dictionary<string, string[]> s_mustNotReach = new()
    {
        ["DistOpt.Core"] = ["Akka", "TorchSharp", "libtorch", "MessagePack", "Microsoft.AspNetCore"],
        ["DistOpt.Protocol"] = ["Akka", "TorchSharp", "libtorch", "Microsoft.AspNetCore"],
        ["DistOpt.Actors"] = ["Akka.Remote", "Akka.Cluster", "Akka.Hosting", "TorchSharp", "libtorch", "Microsoft.AspNetCore"],
        ["DistOpt.Hosting"] = ["TorchSharp", "libtorch"],
        ["DistOpt.Torch"] = ["Akka", "MessagePack", "Microsoft.AspNetCore"],
    };

    [Fact]
    public void Every_project_reaches_only_the_projects_below_it()
    {
        var projects = Repository.Projects("src");
        Assert.NotEmpty(projects);
        var wrong = new List<string>();
        foreach (string name in projects.Keys)
        {
            Assert.True(s_mayReach.ContainsKey(name), $"{name} has no rule here: say what it may depend on");
            wrong.AddRange(Repository.ProjectClosure(name, projects).Except(s_mayReach[name]).Select(other => $"{name} -> {other}"));
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Actors_ask_for_Akka_and_Akka_Persistence_alone()
    {
        var asked = Repository.PackageReferences(Repository.Projects("src")["DistOpt.Actors"]);
        Assert.Contains("Akka", asked);
        Assert.Empty(asked.Except(["Akka", "Akka.Persistence"]));
    }

    [Theory]
    [InlineData("DistOpt.Core")]
    [InlineData("DistOpt.Protocol")]
    [InlineData("DistOpt.Actors")]
    [InlineData("DistOpt.Hosting")]
    [InlineData("DistOpt.Torch")]
    public void No_project_gets_a_package_that_belongs_elsewhere_not_even_by_another_package(string project)
    {
        var closure = Repository.PackageClosure(project);
        Assert.SkipWhen(closure is null, $"{project} is not restored here; the build of the solution restores it");
        string[] prefixes = s_mustNotReach[project];
        Assert.DoesNotContain(closure!, package => prefixes.Any(prefix => IsFamily(package, prefix)));
    }

    [Fact]
    public void The_closures_that_are_checked_are_real_ones()
    {
        var closure = Repository.PackageClosure("DistOpt.Core");
        Assert.NotNull(closure);
        Assert.Contains("YamlDotNet", closure);
    }

    [Fact]
    public void Remoting_and_clustering_are_asked_for_by_Hosting_alone()
    {
        var asking = Repository.Projects("src")
            .Where(p => Repository.PackageReferences(p.Value).Any(package => IsFamily(package, "Akka.Cluster") || IsFamily(package, "Akka.Remote")))
            .Select(p => p.Key);
        Assert.Empty(asking.Except(["DistOpt.Hosting", "DistOpt.Cli"]));
    }

    [Fact]
    public void TorchSharp_is_asked_for_by_Torch_alone()
    {
        var asking = Repository.Projects("src")
            .Where(p => Repository.PackageReferences(p.Value).Any(package => IsFamily(package, "TorchSharp") || package.StartsWith("libtorch")))
            .Select(p => p.Key);
        Assert.Equal(["DistOpt.Torch"], asking);
    }

    [Fact]
    public void Package_versions_stand_in_Directory_Packages_props_alone()
    {
        var wrong = Repository.Projects("src").Concat(Repository.Projects("tests"))
            .SelectMany(p => p.Value.Descendants("PackageReference"), (p, reference) => (p.Key, reference))
            .Where(p => p.reference.Attribute("Version") is not null || p.reference.Attribute("VersionOverride") is not null)
            .Select(p => $"{p.Key}: {p.reference}");
        Assert.Empty(wrong);
    }

    /// <summary>The package itself or one below it: Akka.Remote and Akka.Remote.Hosting, but not Akka.RemoteX.</summary>
    private static bool IsFamily(string package, string prefix) =>
        prefix == "libtorch"
            ? package.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)
            : package.Equals(prefix, StringComparison.OrdinalIgnoreCase) || package.StartsWith(prefix + ".", StringComparison.OrdinalIgnoreCase);
}
