using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Cluster;

/// <summary>Which study commands mean where a copy of one of a cluster lies here, or one that was run here.</summary>
public sealed class StudyPlaceTests : IDisposable
{
    private const string Json = "application/json";

    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    public static TheoryData<string, string> Commands => new()
    {
        { "pause made", "POST /api/v1/jobs/made/pause" },
        { "resume made", "POST /api/v1/jobs/made/resume" },
        { "cancel made --trial 1", "POST /api/v1/jobs/made/cancel" },
        { "set made --parallel 2", "POST /api/v1/jobs/made/set" },
        { "enqueue made model.dropout=0.1", "POST /api/v1/jobs/made/enqueue" },
    };

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task A_command_by_id_goes_to_the_cluster_whatever_copy_lies_here(string line, string request)
    {
        Made(3);
        using var cluster = new FakeCluster((_, _) => (202, Json, "{}"));

        Assert.True(await _cli.RunAsync([.. line.Split(' '), "--cluster", cluster.Url]) == 0, _cli.Error);
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        Assert.True(await _cli.RunAsync(line.Split(' ')) == 0, _cli.Error);

        Assert.Equal([request, request], cluster.Requests);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Without_a_cluster_or_by_its_path_a_copy_takes_no_command(string line, string request)
    {
        string folder = Made(3);
        Assert.NotEmpty(request);
        Assert.Equal(2, await _cli.RunAsync(line.Split(' ')));
        Assert.Contains("is a copy of a study on a cluster, which nobody runs here: name the study by its id, such as made, and the cluster by DISTOPT_CLUSTER",
            Assert.Single(_cli.ErrorLines()));

        using var cluster = new FakeCluster((_, _) => (202, Json, "{}"));
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        Assert.Equal(2, await _cli.RunAsync(line.Replace("made", folder, StringComparison.Ordinal).Split(' ')));
        Assert.Contains("is a copy of a study on a cluster", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(2, await _cli.RunAsync(line.Replace("made", _cli.In("nowhere"), StringComparison.Ordinal).Split(' ')));
        Assert.Contains("is no study: there is no study.yaml", Assert.Single(_cli.ErrorLines()));
        Assert.Empty(cluster.Requests);
    }

    [Theory]
    [InlineData("pause", "made")]
    [InlineData("watch", "made")]
    [InlineData("show", "made")]
    [InlineData("explain", "made")]
    public async Task A_study_that_was_run_here_comes_before_one_of_the_cluster(params string[] line)
    {
        string folder = Made(30);
        File.WriteAllText(Path.Combine(folder, "journal.db"), "");
        using var cluster = new FakeCluster((_, _) => (500, Json, "{}"));
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;

        await _cli.RunAsync(line);

        Assert.Empty(cluster.Requests);
        if (line[0] == "pause") Assert.Contains("no process of yours on this machine runs the study", Assert.Single(_cli.ErrorLines()));
        else Assert.Empty(_cli.ErrorLines());
    }

    [Theory]
    [InlineData("explain", "made")]
    [InlineData("plot", "made", "--kind", "edf")]
    [InlineData("export", "made", "--to", "x.csv")]
    [InlineData("show", "made")]
    [InlineData("watch", "made")]
    public async Task What_reads_a_study_by_its_id_reads_the_one_on_the_cluster(params string[] line)
    {
        string folder = Made(30);
        using var cluster = new FakeCluster((_, _) => (404, "application/problem+json", """{"title":"there is no job 'made'"}"""));
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        line = [.. line.Select(part => part == "x.csv" ? _cli.In(part) : part)];

        Assert.Equal(2, await _cli.RunAsync(line));
        Assert.Equal("error: there is no job 'made'", Assert.Single(_cli.ErrorLines()));
        int asked = cluster.Requests.Count;
        Assert.NotEqual(0, asked);

        // its path is the copy
        int code = await _cli.RunAsync([.. line.Select(part => part == "made" ? folder : part)]);
        Assert.Equal(line[0] == "watch" ? 2 : 0, code);
        Assert.Equal(asked, cluster.Requests.Count);
    }

    [Fact]
    public async Task Without_a_cluster_a_copy_shows_the_trials_that_it_has_and_says_what_it_is()
    {
        Made(30);

        Assert.True(await _cli.RunAsync("show", "made") == 0, _cli.Error);

        Assert.Contains("3 complete, 27 pruned of 40", _cli.Out);
        Assert.Matches(@"\nbest +trial \d+, 0\.", _cli.Out);
        Assert.Contains("a copy of a study on a cluster, with the trials that had ended when it was made; to see how it stands, name the study by its id, such as made", _cli.Out);
        Assert.True(await _cli.RunAsync("show", "made", "--format", "json") == 0, _cli.Error);
        Assert.Equal("copy", _cli.Json().GetProperty("status").GetString());
        // what has ended says so itself
        _cli.Write("studies/made/summary.json", """{"study":"/x","kind":"study","status":"completed","trials":{"complete":2}}""");
        Assert.True(await _cli.RunAsync("show", "made") == 0, _cli.Error);
        Assert.Contains("completed", _cli.Out);
        Assert.DoesNotContain("a copy", _cli.Out);
    }

    private string Made(int trials)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        return ExampleStudy.Write(_cli.In("studies/made"), spec, ExampleStudy.Trials(spec, trials));
    }
}
