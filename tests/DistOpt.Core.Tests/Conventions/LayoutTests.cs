using System.Text.RegularExpressions;

namespace DistOpt.Core.Tests.Conventions;

public class LayoutTests
{
    /// <summary>What builds and runs leave behind; .gitignore has them too.</summary>
    private static readonly string[] s_ignored = ["artifacts", "bin", "obj", "TestResults", "runs", "studies", "data"];

    [Fact]
    public void The_top_level_holds_exactly_the_folders_of_the_layout()
    {
        var folders = new DirectoryInfo(Repository.Root).GetDirectories()
            .Select(folder => folder.Name)
            .Where(name => !name.StartsWith('.') && !s_ignored.Contains(name))
            .Order(StringComparer.Ordinal);
        Assert.Equal(["cluster-config", "docker", "src", "tests"], folders);
    }

    [Fact]
    public void The_source_folder_holds_only_the_projects_of_the_layout()
    {
        string[] known =
        [
            "DistOpt.Core", "DistOpt.Protocol", "DistOpt.Actors", "DistOpt.Hosting", "DistOpt.Simulation", "DistOpt.Torch", "DistOpt.Dashboard",
            "DistOpt.Cli", "DistOpt.Examples",
        ];
        Assert.Empty(Repository.Projects("src").Keys.Except(known));
    }

    [Fact]
    public void There_is_one_test_project_for_each_project_and_two_for_the_whole()
    {
        var expected = Repository.Projects("src").Keys.Select(name => name + ".Tests")
            .Concat(["DistOpt.EndToEnd.Tests", "DistOpt.Benchmarks"])
            .Order(StringComparer.Ordinal);
        Assert.Equal(expected, Repository.Projects("tests").Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_solution_holds_every_project()
    {
        var listed = Regex.Matches(Repository.Read("DistOpt.sln"), "\"([^\"]+)\\.csproj\"")
            .Select(match => match.Groups[1].Value.Replace('\\', '/').Split('/')[^1])
            .Order(StringComparer.Ordinal);
        var existing = Repository.Projects("src").Keys.Concat(Repository.Projects("tests").Keys).Order(StringComparer.Ordinal);
        Assert.Equal(existing, listed);
    }
}
