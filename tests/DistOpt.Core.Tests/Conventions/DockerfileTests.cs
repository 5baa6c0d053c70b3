using System.Text.Json;
using System.Text.RegularExpressions;

namespace DistOpt.Core.Tests.Conventions;

/// <summary>What can be known of the image without building it.</summary>
public class DockerfileTests
{
    private static readonly (string Name, string Arguments)[] s_instructions = Parse(Repository.Read("docker/Dockerfile"));

    [Fact]
    public void The_last_stage_is_a_runtime_image_without_the_SDK()
    {
        string[] stages = [.. s_instructions.Where(i => i.Name == "FROM").Select(i => i.Arguments)];
        Assert.True(stages.Length >= 2);
        Assert.Contains("dotnet/sdk:10.0 AS build", stages[0]);
        Assert.Contains("dotnet/aspnet:10.0", stages[^1]);
    }

    [Fact]
    public void The_program_is_published_for_one_runtime_which_is_that_of_every_stage()
    {
        string publish = Assert.Single(s_instructions, i => i.Arguments.Contains("dotnet publish")).Arguments;
        Assert.Equal("linux-x64", Assert.Single(Regex.Matches(publish, @"(?:-r|--runtime)[ =](\S+)")).Groups[1].Value);
        Assert.All(s_instructions.Where(i => i.Name == "FROM"), i => Assert.StartsWith("--platform=linux/amd64 ", i.Arguments));
    }

    [Fact]
    public void The_process_does_not_run_as_root()
    {
        string user = LastStage().Last(i => i.Name == "USER").Arguments;
        Assert.DoesNotMatch("^(root|0)(:|$)", user);
        int lastUser = Array.FindLastIndex(s_instructions, i => i.Name == "USER");
        Assert.DoesNotContain(s_instructions[lastUser..], i => i.Name is "RUN" or "COPY" or "ADD");
    }

    [Fact]
    public void The_entry_point_is_in_exec_form_and_names_the_published_command_line()
    {
        string[]? command = JsonSerializer.Deserialize<string[]>(LastStage().Single(i => i.Name == "ENTRYPOINT").Arguments);
        Assert.Equal(["dotnet", "/app/DistOpt.Cli.dll"], command!);
        Assert.Contains("dotnet publish src/DistOpt.Cli ", s_instructions.Single(i => i.Arguments.Contains("publish")).Arguments);
    }

    [Fact]
    public void The_health_check_asks_the_node_by_the_same_program()
    {
        var match = Regex.Match(LastStage().Single(i => i.Name == "HEALTHCHECK").Arguments, @"^--interval=(\d+)s --timeout=(\d+)s --start-period=(\d+)s --retries=\d+ CMD (.+)$");
        Assert.True(match.Success);
        string[] entry = JsonSerializer.Deserialize<string[]>(LastStage().Single(i => i.Name == "ENTRYPOINT").Arguments)!;
        Assert.Equal([.. entry, "node", "--check"], JsonSerializer.Deserialize<string[]>(match.Groups[4].Value)!);
        // the check gives up by itself after 5 s
        Assert.True(int.Parse(match.Groups[2].Value) > 5 && int.Parse(match.Groups[1].Value) > int.Parse(match.Groups[2].Value));
    }

    [Fact]
    public void Everything_that_is_copied_exists_and_is_let_through_by_the_ignore_file()
    {
        string[] let = [.. Repository.Read("docker/Dockerfile.dockerignore").Split('\n').Where(l => l.StartsWith('!')).Select(l => l[1..].Trim('/'))];
        foreach (var (_, arguments) in s_instructions.Where(i => i.Name == "COPY" && !i.Arguments.Contains("--from=")))
        {
            string[] sources = arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..^1];
            Assert.NotEmpty(sources);
            foreach (string source in sources)
            {
                Assert.True(Path.Exists(Path.Combine(Repository.Root, source)), $"docker/Dockerfile copies {source}, which does not exist");
                Assert.Contains(source.Trim('/'), let);
            }
        }
    }

    [Fact]
    public void Every_stage_that_is_copied_from_is_a_stage_of_this_file()
    {
        string[] names = [.. s_instructions.Where(i => i.Name == "FROM").Select(i => Regex.Match(i.Arguments, @"\bAS (\S+)").Groups[1].Value)];
        var used = s_instructions.SelectMany(i => Regex.Matches(i.Arguments, @"--from=(\S+)")).Select(m => m.Groups[1].Value);
        Assert.Empty(used.Except(names));
    }

    private static (string Name, string Arguments)[] LastStage() =>
        s_instructions[Array.FindLastIndex(s_instructions, i => i.Name == "FROM")..];

    private static (string Name, string Arguments)[] Parse(string text)
    {
        string joined = Regex.Replace(text.ReplaceLineEndings("\n"), @"\\\n\s*", " ");
        return
        [
            .. joined.Split('\n')
                .Where(line => line.Trim().Length > 0 && !line.TrimStart().StartsWith('#'))
                .Select(line => line.Trim().Split(' ', 2))
                .Select(parts => (parts[0].ToUpperInvariant(), parts.Length > 1 ? parts[1] : "")),
        ];
    }
}
