using System.Text.RegularExpressions;
using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests;

public sealed class DeploymentOptionsTests
{
    /// <summary>Variables that are no option of <c>node</c>.</summary>
    private static readonly string[] s_others = ["DISTOPT_TOKEN", "DISTOPT_SECRET", "DISTOPT_CLUSTER", "DISTOPT_DATA", "DISTOPT_PATIENCE"];

    [Fact]
    public async Task Every_variable_and_option_in_the_files_for_containers_is_one_of_the_command_node()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("node", "--help"));
        var options = Regex.Matches(cli.Out, "--[a-z][a-z-]*").Select(m => m.Value).ToHashSet();

        string text = string.Join('\n', Files().Select(File.ReadAllText));
        var variables = Regex.Matches(text, @"\bDISTOPT_[A-Z_]*[A-Z]\b").Select(m => m.Value).Distinct().Except(s_others).ToList();
        var typed = Regex.Matches(text, "(?:distopt|\"|\\[)node\"?,? (?:\")?(--[a-z-]+)").Select(m => m.Groups[1].Value)
            .Concat(Regex.Matches(text, "distopt node ((?:--[a-z-]+[ `]?)+)").SelectMany(m => m.Groups[1].Value.Split(' ', '`')).Where(o => o.Length > 0)).Distinct().ToList();

        Assert.Contains("DISTOPT_ROLES", variables);
        Assert.Contains("--check", typed);
        Assert.Contains("--akka", typed);
        Assert.Empty(variables.Select(v => "--" + v["DISTOPT_".Length..].ToLowerInvariant().Replace('_', '-')).Except(options));
        Assert.Empty(typed.Except(options));
    }

    [Fact]
    public async Task The_certificates_of_the_compose_file_are_made_by_the_command_in_its_README()
    {
        string docker = Path.Combine(Root(), "docker");
        string command = File.ReadAllLines(Path.Combine(docker, "README.md")).Single(l => l.StartsWith("distopt cluster init ", StringComparison.Ordinal));
        using var cli = new CliRun();
        string[] args = command.Split(' ')[1..];
        Assert.Equal("docker/certificates", args[^1]);
        args[^1] = cli.In("certificates");
        Assert.Equal(0, await cli.RunAsync(args));

        string[] services = [.. Regex.Matches(File.ReadAllText(Path.Combine(docker, "compose.yaml")), @"\./certificates/([a-z0-9-]+):/certificates:ro").Select(m => m.Groups[1].Value)];
        string[] files = [.. Regex.Matches(File.ReadAllText(Path.Combine(docker, "node.yaml")), "/certificates/([a-z.]+)").Select(m => m.Groups[1].Value)];
        Assert.Equal((6, 3), (services.Length, files.Length));
        Assert.All(services.SelectMany(service => files.Select(file => cli.In($"certificates/{service}/{file}"))), path => Assert.True(File.Exists(path), path));
    }

    private static IEnumerable<string> Files()
    {
        string root = Root();
        return Directory.GetFiles(Path.Combine(root, "docker")).Concat(Directory.GetFiles(Path.Combine(root, "cluster-config"), "*", SearchOption.AllDirectories))
            .Where(f => !f.Contains("certificates", StringComparison.Ordinal) && !f.EndsWith(".env", StringComparison.Ordinal));
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
    }
}
