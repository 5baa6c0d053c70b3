using System.Text;
using DistOpt.Cli.Tests.Cluster;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Commands;

/// <summary><c>logs</c> of studies: what their trials' runs wrote.</summary>
public sealed class LogsCommandTests
{
    private const string Json = "application/json";

    [Fact]
    public async Task The_logs_of_a_studys_trials_are_shown_by_number_or_that_of_one()
    {
        using var cli = new CliRun();
        Study(cli);

        Assert.Equal(0, await cli.RunAsync("logs", cli.In("made")));
        Assert.Equal(
            "trial 2     1.500 local stdout information: of two\ntrial 10     2.000 local stdout information: of ten\n"
            + "trial 10 repeat 1     3.000 local stderr warning: again\n", cli.Out);
        Assert.Equal(0, await cli.RunAsync("logs", cli.In("made"), "--trial", "10", "--format", "json"));
        Assert.Equal([(10, 0, "of ten"), (10, 1, "again")],
            cli.Json().EnumerateArray().Select(l => (l.GetProperty("trial").GetInt32(), l.GetProperty("repeat").GetInt32(), l.GetProperty("text").GetString())));
        // nobody runs it: there is nothing to wait for
        Assert.Equal(0, await cli.RunAsync("logs", cli.In("made"), "--trial", "2", "--follow"));
        Assert.Contains("of two", cli.Out);
    }

    [Theory]
    [InlineData("--trial: is 3, which has no log; those from 2 to 10 have one", "made", "--trial", "3")]
    [InlineData("--trial: is -1, but must be at least 0", "made", "--trial", "-1")]
    [InlineData("--trial: is given, but", "run", "--trial", "1")]
    [InlineData("--follow: is for what a cluster runs", "run", "--follow")]
    public async Task What_has_no_such_log_is_named(string text, string folder, params string[] options)
    {
        using var cli = new CliRun();
        Study(cli);
        Directory.CreateDirectory(cli.In("run"));
        cli.Write("run/spec.yaml", "name: x\n");

        Assert.Equal(2, await cli.RunAsync(["logs", cli.In(folder), .. options]));
        Assert.StartsWith("error: " + text, Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task A_study_on_a_cluster_is_followed_until_it_ends_and_each_line_is_shown_once()
    {
        int looks = 0;
        string[] first = [Line("a"), Line("b"), Line("c")];
        using var cluster = new FakeCluster((request, _) =>
        {
            string path = request.RawUrl!;
            // the last line is being written at the first look, and the run of trial 1 begins anew after it
            string zero = string.Concat(first.Take(looks)) + (looks == 1 ? "{\"seco" : ""), one = looks == 1 ? Line("long before") : Line("anew");
            if (path.EndsWith("/files", StringComparison.Ordinal))
                return (200, Json, $$"""
                    {"files":[{"path":"trials.jsonl","bytes":5},{"path":"best/log.jsonl","bytes":9},{"path":"trials/1/log.jsonl","bytes":{{one.Length}}},
                    {"path":"trials/0/log.jsonl","bytes":{{zero.Length}}}]}
                    """);
            if (path.EndsWith("trials/0/log.jsonl", StringComparison.Ordinal)) return (200, Json, zero);
            if (path.EndsWith("trials/1/log.jsonl", StringComparison.Ordinal)) return (200, Json, one);
            // the first is the one that asks what it is
            return (200, Json, $$"""{"id":"s","name":"s","kind":"study","status":"{{(looks++ < 2 ? "running" : "completed")}}"}""");
        });
        using var cli = new CliRun();

        Assert.Equal(0, await cli.RunAsync("logs", "s", "--follow", "--cluster", cluster.Url));
        Assert.Equal(["trial 0 a", "trial 0 b", "trial 1 anew", "trial 0 c"], cli.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => $"{l[..7]} {l[(l.LastIndexOf(": ", StringComparison.Ordinal) + 2)..]}"));
    }

    private static string Line(string text) => RunJson.LogLineText(new LogLine("n1", "stdout", "information", text, 1)) + "\n";

    private static void Study(CliRun cli)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        var study = new StudyDirectory(ExampleStudy.Write(cli.In("made"), spec, ExampleStudy.Trials(spec, 3)));
        Write(2, 0, new LogLine("local", "stdout", "information", "of two", 1.5));
        Write(10, 0, new LogLine("local", "stdout", "information", "of ten", 2));
        Write(10, 1, new LogLine("local", "stderr", "warning", "again", 3));

        void Write(int trial, int repeat, LogLine line)
        {
            var run = new RunDirectory(study.RunFolder(trial, repeat));
            Directory.CreateDirectory(run.Path);
            File.WriteAllText(run.LogFile, RunJson.LogLineText(line) + "\n", new UTF8Encoding(false));
        }
    }
}
