using System.Text.Json;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Cli.Tests.Cluster;

/// <summary><c>explain</c>, <c>plot</c> and <c>export</c> of a study that is on a cluster say what they say of its downloaded folder.</summary>
public sealed class StudySourceTests : IDisposable
{
    private const string Json = "application/json";

    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("explain")]
    [InlineData("export", "--to", "trials.csv", "--overwrite")]
    public async Task What_is_told_of_a_study_by_its_id_is_what_its_folder_tells(params string[] command)
    {
        string[] options = [.. command.Skip(1).Select(o => o == "trials.csv" ? _cli.In(o) : o)];
        string folder = Made(90);
        using var cluster = Serving(folder, "study");
        Assert.True(await _cli.RunAsync([command[0], folder, .. options]) == 0, _cli.Error);
        var (expected, file) = (_cli.Out, Written());

        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        Assert.True(await _cli.RunAsync([command[0], "made", .. options]) == 0, _cli.Error);

        Assert.Equal(expected, _cli.Out);
        Assert.Equal(file, Written());
        // runs of trials are not fetched
        Assert.Equal(["study.yaml", "trials.jsonl"], cluster.Requests.Where(r => r.Contains("/files/", StringComparison.Ordinal)).Select(r => r[(r.LastIndexOf('/') + 1)..]).Order());
        Assert.DoesNotContain(Directory.GetDirectories(Path.GetTempPath(), "distopt-study-*"), d => Directory.Exists(Path.Combine(d, "made")));

        string? Written() => File.Exists(_cli.In("trials.csv")) ? File.ReadAllText(_cli.In("trials.csv")) : null;
    }

    [Fact]
    public async Task Pictures_of_a_study_of_the_cluster_are_put_beside_where_it_would_be_downloaded_to()
    {
        using var cluster = Serving(Made(30), "study");

        Assert.True(await _cli.RunAsync("plot", "made", "--kind", "edf,history", "--cluster", cluster.Url) == 0, _cli.Error);

        string[] files = [.. new[] { "history", "edf" }.Select(k => Path.Combine("studies", "made-plots", k + ".png"))];
        Assert.Equal(files.Order(), _cli.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l["written: ".Length..]).Select(Ending).Order());

        static string Ending(string path) => string.Join(Path.DirectorySeparatorChar, path.Split(Path.DirectorySeparatorChar).TakeLast(3));
    }

    /// <summary>The cluster tells them as a file of lines, in which some may be that have ended when the other file is asked for.</summary>
    [Fact]
    public async Task Trials_of_a_live_study_that_are_paused_or_run_are_known_too()
    {
        string folder = Made(30);
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        var paused = ExampleStudy.Trials(spec, 33).Skip(29).Select((t, i) => t with
        {
            State = i < 2 ? TrialState.Paused : TrialState.Running,
            Cause = TrialEndCause.NotPromoted,
            Values = [],
        });
        File.WriteAllText(Path.Combine(folder, StudyDirectory.OpenName), string.Concat(paused.Select(t => StudyJson.TrialLine(t, spec, "n1") + "\n")));
        File.WriteAllText(Path.Combine(folder, "attributes.jsonl"), """{"trial":31,"name":"odd","value":true}""" + "\n");
        using var cluster = Serving(folder, "study");
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;

        Assert.True(await _cli.RunAsync("explain", "made", "--format", "json") == 0, _cli.Error);
        var open = _cli.Json().GetProperty("not_ended");
        Assert.Equal((1, 2), (open.GetProperty("paused").GetInt32(), open.GetProperty("under_way").GetInt32()));
        Assert.True(await _cli.RunAsync("export", "made", "--to", _cli.In("t.csv")) == 0, _cli.Error);
        string[] rows = File.ReadAllLines(_cli.In("t.csv"));
        Assert.Equal(33, rows.Length - 1);
        Assert.Contains("RUNNING", rows[31]);

        Assert.True(await _cli.RunAsync("show", "made", "--trial", "31", "--format", "json") == 0, _cli.Error);
        Assert.Equal(("running", true), (_cli.Json().GetProperty("state").GetString(), _cli.Json().GetProperty("attributes").GetProperty("odd").GetBoolean()));
        Assert.True(await _cli.RunAsync("show", "made", "--trial", "29") == 0, _cli.Error);
        Assert.Contains("pruned (not_promoted)", _cli.Out);
        Assert.Equal(2, await _cli.RunAsync("show", "made", "--trial", "33"));
        Assert.Contains("--trial: is 33, of which nothing is known; trials of 'made' have numbers up to 32", Assert.Single(_cli.ErrorLines()));
    }

    [Fact]
    public async Task What_a_trial_has_copied_of_others_and_its_bracket_are_told_where_there_are_such()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        int rate = spec.Space.Space.IndexOf("optimizer.learning_rate");
        TrialRecord[] trials = [.. ExampleStudy.Trials(spec, 2)];
        var parameters = trials[1].Parameters;
        trials[1] = trials[1] with { Exploits = [new TrialExploit(4, 0, parameters.SetItem(rate, 0.03125), parameters.SetItem(rate, 0.015625))] };
        string folder = ExampleStudy.Write(_cli.In("copies"), spec, trials);
        Assert.True(await _cli.RunAsync("show", folder, "--trial", "1") == 0, _cli.Error);
        Assert.Contains("trial 0 at epoch 4, with optimizer.learning_rate 0.03125 -> 0.015625", _cli.Out);
        Assert.True(await _cli.RunAsync("show", folder, "--trial", "1", "--format", "json") == 0, _cli.Error);
        Assert.Equal(4, _cli.Json().GetProperty("exploits")[0].GetProperty("step").GetInt32());
        Assert.True(await _cli.RunAsync("show", folder, "--trial", "0") == 0, _cli.Error);
        Assert.DoesNotContain("copied", _cli.Out);
        // a scheduler of one bracket
        Assert.DoesNotContain("bracket", _cli.Out);
    }

    [Fact]
    public async Task The_best_trials_are_listed_the_best_first()
    {
        string folder = Made(60);
        Assert.True(await _cli.RunAsync("show", folder, "--top", "3", "--format", "json") == 0, _cli.Error);
        var trials = _cli.Json().GetProperty("trials").EnumerateArray().ToList();
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        Assert.Equal(ExampleStudy.Trials(spec, 60).Where(t => t.State == TrialState.Complete).OrderByDescending(t => t.Values[0]).Take(3).Select(t => t.Number),
            trials.Select(t => t.GetProperty("number").GetInt32()));
        Assert.True(await _cli.RunAsync("show", folder, "--top", "2") == 0, _cli.Error);
        Assert.Equal(3, _cli.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.StartsWith("trial", _cli.Out, StringComparison.Ordinal);
        Assert.Equal(2, await _cli.RunAsync("show", folder, "--top", "0", "--trial", "-1"));
        Assert.Equal(["--top", "--trial", "--top"], _cli.ErrorLines().Select(l => l.Split(": ")[1]));
    }

    /// <summary>What nobody tells is said to be missing, which is no news of a study that is over.</summary>
    [Theory]
    [InlineData("running", true)]
    [InlineData("completed", false)]
    public async Task It_is_said_that_paused_trials_of_a_cluster_are_not_told(string status, bool isSaid)
    {
        using var cluster = Serving(Made(30), "study", status);
        string note = "note: trials that are paused or running are not told: the study has not been opened, or is just ending";
        foreach (string[] command in (string[][])[["explain", "made"], ["plot", "made", "--kind", "edf"]])
        {
            Assert.True(await _cli.RunAsync([.. command, "--cluster", cluster.Url]) == 0, _cli.Error);
            Assert.Equal(isSaid ? [note] : [], _cli.ErrorLines());
        }
    }

    [Fact]
    public async Task A_folder_here_comes_before_a_study_of_that_name_on_the_cluster()
    {
        string folder = Made(30);
        using var cluster = new FakeCluster((_, _) => (500, Json, "{}"));
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        Assert.True(await _cli.RunAsync("explain", folder) == 0, _cli.Error);
        Assert.Empty(cluster.Requests);
    }

    [Theory]
    [InlineData("explain")]
    [InlineData("plot")]
    public async Task A_job_is_told_from_a_study(string command)
    {
        using var cluster = Serving(Made(3), "training");
        Assert.Equal(2, await _cli.RunAsync(command, "made", "--cluster", cluster.Url));
        Assert.Equal("error: study: 'made' is a job of the cluster and no study; for a job, 'distopt download made' first and name its folder", Assert.Single(_cli.ErrorLines()));
    }

    [Fact]
    public async Task What_the_cluster_does_not_know_is_said_as_it_says_it()
    {
        using var cluster = new FakeCluster((_, _) => (404, "application/problem+json", """{"title":"no job 'typo' is known here"}"""));
        _cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        Assert.Equal(2, await _cli.RunAsync("plot", "typo"));
        Assert.Equal("error: no job 'typo' is known here", Assert.Single(_cli.ErrorLines()));
    }

    private string Made(int trials)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string folder = ExampleStudy.Write(_cli.In("served/made"), spec, ExampleStudy.Trials(spec, trials));
        Directory.CreateDirectory(Path.Combine(folder, "trials", "0"));
        File.WriteAllText(Path.Combine(folder, "trials", "0", "metrics.jsonl"), "{}\n");
        return folder;
    }

    /// <summary>A study's directory as a coordinator serves it.</summary>
    private static FakeCluster Serving(string folder, string kind, string status = "running") => new((request, _) =>
    {
        string[] path = request.Url!.AbsolutePath["/api/v1/jobs/".Length..].Split('/', 3);
        return path.Length switch
        {
            1 => (200, Json, $$"""{"id":"made","name":"made","kind":"{{kind}}","status":"{{status}}"}"""),
            2 => (200, Json, JsonSerializer.Serialize(new { files = RunFileList.OfStudy(folder).Select(f => new { path = f.Path, bytes = f.Bytes }) })),
            _ => (200, "application/octet-stream", File.ReadAllText(Path.Combine(folder, Uri.UnescapeDataString(path[2])))),
        };
    });
}
