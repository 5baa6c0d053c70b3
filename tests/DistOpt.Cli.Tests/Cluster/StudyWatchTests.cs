using System.Text.Json;
using System.Text.RegularExpressions;
using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Cluster;

/// <summary><c>watch</c> of a study: lines, or a table that is redrawn.</summary>
public sealed partial class StudyWatchTests
{
    private const string Json = "application/json";

    private const string Live = """
        {"id":"s","name":"mine","kind":"study","status":"running","trials_max":9,"resource":"epochs","trial_length":9,"parallel":2,"seconds":12.5,"interruptions":0,
        "trials":{"complete":1,"pruned":0,"failed":0,"cancelled":0,"running":2,"paused":2,"waiting":0},
        "best":{"number":3,"value":0.75,"params":{"optimizer.learning_rate":0.01234567}},
        "live":[{"number":4,"state":"running","attempt":2,"node":"worker-1:4053","bracket":0,"at":AT,"value":0.5,"until":9,"seconds":1.5,"params":{"model.activation":"relu"}},
        {"number":5,"state":"running","attempt":1,"bracket":0,"seconds":0,"params":{"model.activation":"tanh"}}],
        "rungs":[{"bracket":0,"rung":0,"resource":1,"entered":4,"promoted":1},{"bracket":0,"rung":1,"resource":3,"entered":1,"promoted":0}]}
        """;

    private const string Ended = """
        {"id":"s","name":"mine","kind":"study","status":"completed","run":"/x","summary":{"study":"/x","name":"mine","status":"completed","stop_reason":"trials",
        "objectives":[{"metric":"validation.accuracy","direction":"maximize"}],"trials":{"complete":2,"pruned":1,"failed":0},"best":{"number":1,"value":0.875,"params":{"optimizer.learning_rate":0.01}},"seconds":3.5,"interruptions":0}}
        """;

    private const string Trial = """
        {"number":1,"state":"complete","cause":"done","params":{"optimizer.learning_rate":0.01},"value":0.875,"intermediate":[],"attempts":1,"seconds":1}

        """;

    [Fact]
    public async Task Lines_tell_counts_progress_and_rungs_each_once_until_it_is_news()
    {
        using var cluster = Cluster();
        using var cli = Of(cluster);

        Assert.True(await cli.RunAsync("watch", "s") == 0, cli.Error);

        string[] lines = cli.Out.Split('\n');
        Assert.Equal("running: 1 complete, 2 running, 2 paused of 9; best: trial 3, 0.7500  optimizer.learning_rate=0.01235", lines[0]);
        // how far it comes within seconds is no news
        Assert.Equal("running: trial 4 at 4/9: 0.5000 on worker-1:4053", Assert.Single(lines, l => l.StartsWith("running: trial", StringComparison.Ordinal)));
        Assert.Equal("rungs: bracket 0: 4 at 1 (1 sent on), 1 at 3 (0 sent on)", Assert.Single(lines, l => l.StartsWith("rungs", StringComparison.Ordinal)));
        Assert.Contains("trial    1 complete  0.8750  optimizer.learning_rate=0.01", cli.Out);
        Assert.Contains("2 complete, 1 pruned", cli.Out);
    }

    [Fact]
    public async Task A_terminal_has_a_table_that_is_redrawn_and_gone_at_the_end()
    {
        using var cluster = Cluster();
        using var cli = Of(cluster, isTerminal: true);

        Assert.True(await cli.RunAsync("watch", "s") == 0, cli.Error);

        Assert.Contains("\u001b[", cli.Out);
        string[] lines = [.. Escapes().Replace(cli.Out, "").Split('\n').Select(l => string.Join(' ', l.Split((char[])[' ', '\r'], StringSplitOptions.RemoveEmptyEntries)))];
        Assert.Contains("trial state attempt epochs value until time node parameters", lines);
        Assert.Contains("4 running 2 4/9 0.5000 9 1.5 s worker-1:4053 model.activation=relu", lines);
        Assert.Contains("4 running 2 5/9 0.5000 9 1.5 s worker-1:4053 model.activation=relu", lines);
        Assert.Contains("5 running 1 - - - 0.0 s - model.activation=tanh", lines);
        Assert.Contains("bracket rung at reached sent on", lines);
        Assert.Contains("0 0 1 4 1", lines);
        Assert.Contains("trial 1 complete 0.8750 optimizer.learning_rate=0.01", lines);
        // asked more often than where nobody looks on
        Assert.Contains(cluster.Requests, r => r.EndsWith("&wait=1", StringComparison.Ordinal));
    }

    [Fact]
    public void What_attempts_wait_for_is_told_and_with_several_objectives_the_front()
    {
        using var study = JsonDocument.Parse(Live.Replace("\"number\":5,\"state\":\"running\",", "\"number\":5,\"state\":\"running\",\"waiting_for\":\"3 worker slots\",", StringComparison.Ordinal)
            .Replace("AT", "4", StringComparison.Ordinal)
            .Replace("\"best\":{\"number\":3,\"value\":0.75,\"params\":{\"optimizer.learning_rate\":0.01234567}}", """
                "waiting_for":"trial 5, which waits for 3 worker slots","expected_improvement":0.00123456,
                "objectives":[{"metric":"validation.accuracy","direction":"maximize"},{"metric":"train.loss","direction":"minimize"}],"hypervolume":1.25,
                "front":[{"number":3,"values":[0.75,0.5],"params":{"optimizer.learning_rate":0.01234567}},{"number":2,"values":[0.5,0.25],"params":{}}]
                """, StringComparison.Ordinal));
        using var writer = new StringWriter { NewLine = "\n" };

        StudyStatusText.Write(writer, study.RootElement);

        string[] lines = [.. writer.ToString().Split('\n').Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries)))];
        Assert.Contains("waits for trial 5, which waits for 3 worker slots", lines);
        Assert.Contains("front 2 trials, hypervolume 1.2500", lines);
        Assert.Contains("expected improvement 0.001235", lines);
        int head = System.Array.IndexOf(lines, "trial validation.accuracy train.loss parameters");
        Assert.Equal(["3 0.7500 0.5000 optimizer.learning_rate=0.01235", "2 0.5000 0.2500"], lines[(head + 1)..(head + 3)]);
        Assert.Contains("5 waits 1 - - - 0.0 s - model.activation=tanh", lines);
        Assert.Contains("trial 5 waits for 3 worker slots", lines);
        Assert.Equal("running: 1 complete, 2 running, 2 paused of 9; front: 2 trials, hypervolume 1.2500; waits for trial 5, which waits for 3 worker slots",
            StudyStatusText.Line(study.RootElement));
    }

    [Fact]
    public async Task More_trials_than_a_screen_holds_are_counted()
    {
        string many = string.Join(",", Enumerable.Range(10, 30).Select(n => $$$"""{"number":{{{n}}},"state":"running","attempt":1,"bracket":0,"seconds":0,"params":{}}"""));
        using var cluster = Cluster(Live.Replace("\"live\":[", $"\"live\":[{many},", StringComparison.Ordinal));
        using var cli = Of(cluster, isTerminal: true);

        Assert.True(await cli.RunAsync("watch", "s") == 0, cli.Error);

        Assert.Contains("and 16 trials more", cli.Out);
    }

    [Fact]
    public async Task Json_is_one_document()
    {
        using var cluster = Cluster();
        using var cli = Of(cluster);

        Assert.True(await cli.RunAsync("watch", "s", "--format", "json") == 0, cli.Error);

        Assert.Equal("completed", cli.Json().GetProperty("status").GetString());
        Assert.Contains("running: trial 4 at 4/9", cli.Error);
    }

    [Fact]
    public async Task A_sweep_of_this_machine_is_followed_to_its_end()
    {
        using var cli = new CliRun { UsesRealHost = true };
        string spec = cli.Write("study.yaml", """
            name: small
            data: { name: digits }
            model: { kind: mlp, hidden: [8] }
            training: { epochs: 1, workers: 1 }
            study: { metric: validation.accuracy, sampler: random, trials: 100000 }
            space: { optimizer.learning_rate: { float: [1e-4, 3e-2], log: true } }
            """);
        string folder = cli.In("studies/mine");
        using var other = new CliRun { UsesRealHost = true };
        using var third = new CliRun();
        Task<int>? watching = null, cancelling = null;
        int lines = 0;
        int swept = await cli.RunAsync(() =>
        {
            // the control is there before the first line
            watching ??= Task.Run(() => other.RunAsync(() =>
            {
                if (Interlocked.Increment(ref lines) == 3) cancelling = Task.Run(() => third.RunAsync("cancel", folder));
            }, "watch", folder, "--format", "json"));
        }, "sweep", spec, "--out", folder, "--format", "json");

        Assert.NotNull(watching);
        // it has not come to its end
        Assert.True(await watching == 1, other.Error);
        Assert.True(await cancelling! == 0, third.Error);
        Assert.True(swept is 0 or 1, cli.Error);
        Assert.Equal("cancelled", other.Json().GetProperty("stop_reason").GetString());
        Assert.Contains("running: ", other.Error);
        Assert.Equal(File.ReadAllLines(Path.Combine(folder, "trials.jsonl")).Length,
            other.ErrorLines().Count(l => TrialLine().IsMatch(l)));
    }

    [GeneratedRegex(@"\u001b\[[0-9;?]*[A-Za-z]")]
    private static partial Regex Escapes();

    [GeneratedRegex(@"^trial +\d+ ")]
    private static partial Regex TrialLine();

    /// <summary>It goes on for three looks, the first of which tells that it is a study, and comes one epoch further with each.</summary>
    private static FakeCluster Cluster(string live = Live)
    {
        int looks = 0;
        return new FakeCluster((r, _) => r.Url!.AbsolutePath.EndsWith("/rows", StringComparison.Ordinal)
            ? (200, "application/jsonl", looks == 3 && r.Url.Query.Contains("after=0", StringComparison.Ordinal) ? Trial : "")
            : (200, Json, ++looks > 3 ? Ended : live.Replace("AT", $"{2 + looks}", StringComparison.Ordinal)));
    }

    private static CliRun Of(FakeCluster cluster, bool isTerminal = false)
    {
        var cli = new CliRun { IsTerminal = isTerminal };
        cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        return cli;
    }
}
