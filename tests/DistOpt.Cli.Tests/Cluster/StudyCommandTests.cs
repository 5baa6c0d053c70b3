using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Cluster;

public sealed class StudyCommandTests
{
    private const string Json = "application/json";

    private const string Spec = """
        name: mine
        data: digits
        study: { metric: validation.accuracy, trials: 3 }
        space: { optimizer.learning_rate: { float: [1e-4, 1e-1], log: true } }
        """;

    private const string Live = """
        {"id":"s","name":"mine","kind":"study","status":"running","trials_max":9,"parallel":2,"seconds":12.5,"interruptions":1,
        "objectives":[{"metric":"validation.accuracy","direction":"maximize"}],
        "trials":{"complete":1,"pruned":0,"failed":0,"cancelled":0,"running":1,"paused":2,"waiting":0},
        "best":{"number":3,"value":0.75,"params":{"optimizer.learning_rate":0.01234567}},
        "live":[{"number":4,"state":"running","attempt":2,"bracket":0,"at":3,"value":0.5,"until":9,"seconds":1.5,"params":{"model.activation":"relu"}}],
        "rungs":[{"bracket":0,"rung":0,"resource":1,"entered":4,"promoted":1}]}
        """;

    private const string Ended = """
        {"id":"s","name":"mine","kind":"study","status":"completed","run":"/x","summary":{"study":"/x","name":"mine","status":"completed","stop_reason":"trials",
        "objectives":[{"metric":"validation.accuracy","direction":"maximize"}],"trials":{"complete":2,"pruned":1,"failed":0},
        "best":{"number":1,"value":0.875,"params":{"optimizer.learning_rate":0.01}},"test":{"accuracy":0.8},"seconds":3.5,"interruptions":0}}
        """;

    [Fact]
    public async Task Of_a_study_that_has_failed_it_is_shown_why_and_that_it_can_be_gone_on_with()
    {
        using var cluster = new FakeCluster((_, _) => (200, Json, """
            {"id":"s","name":"mine","kind":"study","status":"failed","run":"/x","summary":{"study":"/x","status":"failed","error":"the disk is gone"}}
            """));
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync("show", "s"));

        Assert.Contains("the disk is gone", cli.Out);
        Assert.Contains("distopt resume s", cli.Out);
        // it does not say that there are none
        Assert.DoesNotContain("none yet", cli.Out);
    }

    [Fact]
    public async Task Infinite_values_are_shown_as_such_and_keep_a_requirement_from_being_met()
    {
        string live = Live.Replace("\"value\":0.75", "\"value\":\"-Infinity\"").Replace("\"value\":0.5", "\"value\":\"Infinity\"");
        using var cluster = new FakeCluster((_, _) => (200, Json, live));
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync("show", "s"));

        Assert.Contains("trial 3, -inf", cli.Out);
        Assert.Contains("  inf ", cli.Out);
        var error = new StringWriter();
        var required = new Requirement("validation.accuracy>=0.5", "validation", "accuracy", ">=", 0.5);
        using var summary = System.Text.Json.JsonDocument.Parse(live);
        Assert.False(Requirement.MetByStudy([required], summary.RootElement, error));
        Assert.Contains("validation.accuracy is -", error.ToString());
    }

    [Fact]
    public async Task Why_a_study_is_not_measured_is_shown_in_place_of_its_test()
    {
        using var cluster = new FakeCluster((_, _) => (200, Json, Ended.Replace("\"test\":{\"accuracy\":0.8}", "\"test_error\":\"no memory\"")));
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync("show", "s"));

        Assert.Contains("is not known: no memory", cli.Out);
    }

    [Fact]
    public async Task A_study_is_submitted_as_it_was_resolved()
    {
        string? spec = null;
        using var cluster = new FakeCluster((_, body) => (202, Json, (spec = body) is null ? "" : """{"id":"s"}"""));
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync("submit", cli.Write("s.yaml", Spec), "--set", "study.trials=7"));

        Assert.Equal("s\n", cli.Out);
        Assert.Contains("trials: 7", spec);
        Assert.Contains("optimizer.learning_rate:", spec);
    }

    [Fact]
    public async Task Its_trials_are_set_and_it_is_given_those_of_another_study()
    {
        string? body = null, type = null;
        using var cluster = new FakeCluster((r, text) =>
        {
            (body, type) = (text, r.ContentType);
            return (202, Json, """{"id":"s"}""");
        });
        using var cli = Of(cluster);
        string other = cli.Write("other.csv", "state,params_rate,values_0\nCOMPLETE,0.01,0.5\nCOMPLETE,5,0.5\n");
        string[] line = ["submit", cli.Write("s.yaml", Spec), "--trials", "7", "--parallel", "4", "--import", other, "--import-as", "rate=optimizer.learning_rate"];

        Assert.True(await cli.RunAsync([.. line, "--dry-run"]) == 0, cli.Error);
        string shown = cli.Out;
        Assert.Contains("# the sampler begins with 1 trial of another study", shown);
        Assert.Empty(cluster.Requests);
        Assert.True(await cli.RunAsync(line) == 0, cli.Error);

        Assert.Contains("warning: --import: left out: ", cli.Error);
        Assert.StartsWith("application/json", type);
        var sent = System.Text.Json.JsonDocument.Parse(body!).RootElement;
        string spec = sent.GetProperty("spec").GetString()!;
        Assert.StartsWith(spec, shown);
        Assert.Contains("trials: 7", spec);
        Assert.Contains("parallel: 4", spec);
        Assert.Contains("{\"optimizer.learning_rate\":0.01}", Assert.Single(sent.GetProperty("imported").GetString()!.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task A_dry_run_needs_no_cluster_and_a_training_spec_has_no_trials()
    {
        using var cli = new CliRun();
        Assert.True(await cli.RunAsync("submit", cli.Write("s.yaml", Spec), "--dry-run", "--format", "json") == 0, cli.Error);
        Assert.Contains("trials: 3", cli.Json().GetProperty("spec").GetString());
        Assert.True(await cli.RunAsync("submit", cli.Write("t.yaml", "data: digits\n"), "--dry-run") == 0, cli.Error);
        Assert.Contains("optimizer:", cli.Out);
        Assert.Equal(2, await cli.RunAsync("submit", cli.In("t.yaml"), "--trials", "3", "--parallel", "2", "--import", "x.csv"));
        Assert.Equal(["--trials", "--parallel", "--import", "error"],
            cli.ErrorLines().Select(l => l.Split(": ")[1]).Select(p => p.StartsWith("--", StringComparison.Ordinal) ? p : "error"));
    }

    [Fact]
    public async Task What_is_wrong_with_a_study_is_said_once_and_nothing_is_sent()
    {
        using var cluster = new FakeCluster((_, _) => (500, Json, "{}"));
        using var cli = Of(cluster);

        Assert.Equal(2, await cli.RunAsync("submit", cli.Write("s.yaml", Spec.Replace("trials: 3", "trials: 0"))));
        Assert.Contains("study.trials (line 3): is 0", Assert.Single(cli.ErrorLines()));
        Assert.Empty(cluster.Requests);
    }

    [Theory]
    [InlineData("", "POST /api/v1/jobs/s/pause ", "pause s")]
    [InlineData("{\"trial\":3}", "POST /api/v1/jobs/s/pause ", "pause s --trial 3")]
    [InlineData("", "POST /api/v1/jobs/s/resume ", "resume s")]
    [InlineData("{\"accept_new_code\":true}", "POST /api/v1/jobs/s/resume ", "resume s --accept-new-code")]
    [InlineData("{\"trials\":40}", "POST /api/v1/jobs/s/set ", "set s --trials 40")]
    [InlineData("", "POST /api/v1/jobs/s/cancel ", "cancel s")]
    [InlineData("{\"trial\":0}", "POST /api/v1/jobs/s/cancel ", "cancel s --trial 0")]
    [InlineData("{\"parallel\":4}", "POST /api/v1/jobs/s/set ", "set s --parallel 4")]
    [InlineData("attributes: { note: slow, keep: true }", "POST /api/v1/jobs/s/set ", "set s --attribute note=slow --attribute keep=true")]
    [InlineData("trial: 3\nattributes: { tags: [1, a] }", "POST /api/v1/jobs/s/set ", "set s --attribute tags=[1,a] --trial 3")]
    [InlineData("{\"parallel\":4,\"from_trial\":9}", "POST /api/v1/jobs/s/set ", "set s --parallel 4 --from-trial 9")]
    [InlineData("point: {optimizer.learning_rate: 0.01, model.hidden: [64, 32]}", "POST /api/v1/jobs/s/enqueue ",
        "enqueue s optimizer.learning_rate=0.01 model.hidden=[64,32]")]
    [InlineData("from_trial: 9\npoint: {optimizer.learning_rate: 0.01}", "POST /api/v1/jobs/s/enqueue ", "enqueue s optimizer.learning_rate=0.01 --from-trial 9")]
    [InlineData("of_trial: 3\nfrom_trial: 9\npoint: {}", "POST /api/v1/jobs/s/enqueue ", "enqueue s --of-trial 3 --from-trial 9")]
    public async Task A_command_is_sent_with_its_key(string body, string request, string line)
    {
        string? sent = null, key = null;
        using var cluster = new FakeCluster((r, text) =>
        {
            (sent, key) = (text, r.Headers["Idempotency-Key"]);
            return (202, Json, "{}");
        });
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync([.. line.Split(' '), "--key", "k"]));

        Assert.Equal(request.Trim(), Assert.Single(cluster.Requests));
        Assert.Equal(body.Replace(" ", "", StringComparison.Ordinal), sent!.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("k", key);
        Assert.StartsWith("s: ", cli.Out);
    }

    [Theory]
    [InlineData("pause s --trial -1", "--trial: is -1")]
    [InlineData("set s --parallel 0", "--parallel: is 0")]
    [InlineData("set s --trials 0", "--trials: is 0")]
    [InlineData("set s --trial 0 --trials 3", "--trial: is given without --attribute")]
    [InlineData("set s --attribute n=1 --trials 3", "--attribute: is given beside --trials")]
    [InlineData("set s --attribute n", "n: is no attribute; write name=value")]
    [InlineData("set s", "--parallel: is missing: give it, or --trials, or --space")]
    [InlineData("set s --parallel 1 --trials 3", "--parallel: is one of --parallel, --trials; set one after the other")]
    [InlineData("enqueue s learning_rate", "learning_rate: is no value of a parameter")]
    [InlineData("enqueue s", "parameters: are missing: give values such as optimizer.learning_rate=0.01, or --of-trial")]
    [InlineData("enqueue s a=1 --from-trial -1", "--from-trial: is -1, but must be at least 0")]
    public async Task A_wrong_command_is_not_sent(string line, string text)
    {
        using var cluster = new FakeCluster((_, _) => (500, Json, "{}"));
        using var cli = Of(cluster);

        Assert.Equal(2, await cli.RunAsync(line.Split(' ')));
        Assert.Contains(text, Assert.Single(cli.ErrorLines()));
        Assert.Empty(cluster.Requests);
    }

    [Fact]
    public async Task Show_tells_trials_by_state_the_best_one_what_runs_and_rungs()
    {
        using var cluster = new FakeCluster((_, _) => (200, Json, Live));
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync("show", "s"));

        string text = string.Join('\n', cli.Out.Split('\n').Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        Assert.Contains("trials 1 complete, 1 running, 2 paused of 9", text);
        Assert.Contains("best trial 3, 0.7500 optimizer.learning_rate=0.01235", text);
        Assert.Contains("4 running 2 3 0.5000 9 1.5 s model.activation=relu", text);
        Assert.Contains("0 0 1 4 1", text);
    }

    [Fact]
    public async Task Show_tells_of_imported_trials_those_that_a_user_has_paused_and_why_there_is_no_best()
    {
        foreach (string study in (string[])[Live.Replace("\"best\":", "\"imported\":7,\"best\":"), Ended.Replace("\"best\":", "\"imported\":7,\"best\":")])
        {
            using var imported = new FakeCluster((_, _) => (200, Json, study));
            using var of = Of(imported);
            Assert.Equal(0, await of.RunAsync("show", "s"));
            Assert.Matches("\nimported trials +7\n", of.Out);
        }

        using var paused = new FakeCluster((_, _) => (200, Json, Live.Replace("\"waiting\":0}", "\"waiting\":0,\"suspended\":1}")));
        using var cli = Of(paused);
        Assert.Equal(0, await cli.RunAsync("show", "s"));
        Assert.Contains("1 complete, 1 running, 2 paused, 1 suspended of 9\n", cli.Out);

        string none = Ended.Replace("\"best\":{\"number\":1,\"value\":0.875,\"params\":{\"optimizer.learning_rate\":0.01}}", "\"best\":null,\"no_best\":\"no trial is feasible\"");
        using var infeasible = new FakeCluster((_, _) => (200, Json, none));
        using var without = Of(infeasible);
        Assert.Equal(0, await without.RunAsync("show", "s"));
        Assert.Matches("\nbest +none: no trial is feasible\n", without.Out);
        Assert.Contains("give it more trials, N in all: distopt set s --trials N\n", without.Out);
    }

    [Fact]
    public void A_trial_that_misses_a_constraint_is_told_as_infeasible()
    {
        using var trial = System.Text.Json.JsonDocument.Parse("""
            {"number":1,"state":"complete","cause":"done","params":{"x":0.5},"value":0.875,"constraints":[-1,0.25],"intermediate":[],"attempts":1,"seconds":1}
            """);
        Assert.Equal("trial    1 complete  0.8750  infeasible  x=0.5", StudyStatusText.Ended(trial.RootElement));
        using var kept = System.Text.Json.JsonDocument.Parse(trial.RootElement.GetRawText().Replace("0.25", "0"));
        Assert.Equal("trial    1 complete  0.8750  x=0.5", StudyStatusText.Ended(kept.RootElement));
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("test.accuracy>=0.79", 0)]
    [InlineData("validation.accuracy>=0.88", 1)]
    public async Task Watching_a_study_shows_its_trials_and_its_end(string? require, int code)
    {
        using var cluster = new FakeCluster((r, _) => r.HttpMethod == "POST" ? (202, Json, """{"id":"s"}""")
            : r.Url!.AbsolutePath.EndsWith("/rows", StringComparison.Ordinal)
                ? (200, "application/jsonl", r.Url.Query.Contains("after=0", StringComparison.Ordinal)
                    ? """{"number":1,"state":"complete","cause":"finished","params":{"optimizer.learning_rate":0.01},"value":0.875,"intermediate":[],"attempts":1,"seconds":1}""" + "\n" : "")
                : (200, Json, Ended));
        using var cli = Of(cluster);
        string[] more = require is null ? [] : ["--require", require];

        Assert.Equal(code, await cli.RunAsync(["submit", cli.Write("s.yaml", Spec), "--watch", .. more]));

        Assert.Contains("trial    1 complete  0.8750  optimizer.learning_rate=0.01", cli.Out);
        Assert.Contains("2 complete, 1 pruned", cli.Out);
        Assert.Contains("accuracy=0.8", cli.Out);
        Assert.Equal(code == 1, cli.Error.Contains("required validation.accuracy>=0.88", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Jobs_and_studies_are_listed()
    {
        const string Jobs = """
            {"jobs":[{"id":"a","name":"x","kind":"job","status":"training","step":3,"total_steps":10,"nodes":[]},
            {"id":"s","name":"y","kind":"study","status":"running"}]}
            """;
        using var cluster = new FakeCluster((_, _) => (200, Json, Jobs));
        using var cli = Of(cluster);

        Assert.Equal(0, await cli.RunAsync("jobs"));

        string[] lines = cli.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["a", "x", "job", "training", "3", "10"], lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(["s", "y", "study", "running", "-", "-"], lines[2].Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    private static CliRun Of(FakeCluster cluster)
    {
        var cli = new CliRun();
        cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        return cli;
    }
}
