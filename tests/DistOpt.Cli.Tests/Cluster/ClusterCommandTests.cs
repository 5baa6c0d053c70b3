using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt.Cli.Tests.Cluster;

public sealed class ClusterCommandTests
{
    private const string Json = "application/json";

    [Theory]
    [InlineData("submit", "SPEC")]
    [InlineData("watch", "x")]
    [InlineData("logs", "x")]
    [InlineData("nodes")]
    [InlineData("show", "x")]
    public async Task A_cluster_that_does_not_answer_is_bad_input_with_one_clear_line(params string[] args)
    {
        using var cli = new CliRun();
        string spec = cli.Write("s.yaml", "name: x\n");
        string url = $"http://127.0.0.1:{FakeCluster.FreePort()}";
        cli.Environment["DISTOPT_CLUSTER"] = url;
        Assert.Equal(2, await cli.RunAsync([.. args.Select(a => a == "SPEC" ? spec : a)]));
        string line = Assert.Single(cli.ErrorLines());
        Assert.StartsWith($"error: the cluster at {url} does not answer (", line);
        Assert.Contains("DISTOPT_CLUSTER", line);
    }

    [Theory]
    [InlineData(null, "no cluster is named")]
    [InlineData("not a url", "'not a url' is no address")]
    [InlineData("ftp://host", "'ftp://host' is no address")]
    public async Task A_missing_or_wrong_address_is_bad_input(string? url, string text)
    {
        using var cli = new CliRun();
        if (url is not null) cli.Environment["DISTOPT_CLUSTER"] = url;
        Assert.Equal(2, await cli.RunAsync("nodes"));
        Assert.Contains(text, Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task Submit_sends_the_resolved_spec_with_token_and_key_and_prints_the_id()
    {
        string? key = null, authorization = null, spec = null;
        using var cluster = new FakeCluster((request, body) =>
        {
            (key, authorization, spec) = (request.Headers["Idempotency-Key"], request.Headers["Authorization"], body);
            return (202, Json, """{"id":"mine-20260124-153012-4f2a"}""");
        });
        using var cli = new CliRun();
        cli.Environment["DISTOPT_CLUSTER"] = cluster.Url;
        cli.Environment["DISTOPT_TOKEN"] = "secret";
        Assert.Equal(0, await cli.RunAsync("submit", cli.Write("s.yaml", "name: mine\n"), "--set", "training.epochs=3", "--key", "k1"));
        Assert.Equal("mine-20260124-153012-4f2a\n", cli.Out);
        Assert.Equal(("k1", "Bearer secret"), (key, authorization));
        Assert.Contains("epochs: 3", spec);
        Assert.Contains("gradient_shards: 2", spec);
        Assert.Equal(["POST /api/v1/jobs"], cluster.Requests);
    }

    [Fact]
    public async Task A_spec_that_is_wrong_is_never_sent()
    {
        using var cluster = new FakeCluster((_, _) => (500, Json, "{}"));
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("submit", cli.Write("s.yaml", "training: { workers: 0 }\n"), "--cluster", cluster.Url));
        Assert.Empty(cluster.Requests);
    }

    [Fact]
    public async Task Violations_of_the_server_come_through_all_together()
    {
        using var cluster = new FakeCluster((_, _) => (400, "application/problem+json",
            """{"title":"Bad input","status":400,"violations":[{"path":"data.path","message":"'/x' does not exist on node n1"},"node n2 differs"]}"""));
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("submit", cli.Write("s.yaml", "name: x\n"), "--cluster", cluster.Url));
        Assert.Equal("error: data.path: '/x' does not exist on node n1\nerror: node n2 differs\n", cli.Error);
    }

    [Fact]
    public async Task A_refused_token_and_a_foreign_server_say_so()
    {
        using var refusing = new FakeCluster((_, _) => (401, Json, ""));
        using var foreign = new FakeCluster((_, _) => (200, "text/html", "<html>"));
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("nodes", "--cluster", refusing.Url));
        Assert.Contains("refuses the token", Assert.Single(cli.ErrorLines()));
        Assert.Equal(2, await cli.RunAsync("nodes", "--cluster", foreign.Url));
        Assert.Contains("not as a DistOpt coordinator does", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task Watch_follows_the_rows_to_the_end_and_misses_none()
    {
        string[] rows = [Row(10, DataSplit.Train), Row(10, DataSplit.Validation), Row(20, DataSplit.Validation), Row(20, DataSplit.Test)];
        int served = 0;
        using var cluster = new FakeCluster((request, _) =>
        {
            if (!request.RawUrl!.Contains("/rows", StringComparison.Ordinal))
                return (200, Json, served < rows.Length ? """{"id":"j","status":"running"}""" : """{"id":"j","status":"completed","nodes":["a","b"]}""");
            int after = int.Parse(request.QueryString["after"]!);
            served = Math.Min(rows.Length, after + 2);
            return (200, "application/x-ndjson", string.Concat(rows[after..served].Select(r => r + "\n")));
        });
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("watch", "j", "--cluster", cluster.Url));
        Assert.Equal(2, cli.Out.Split('\n').Count(l => l.Contains("validation.loss", StringComparison.Ordinal)));
        Assert.Contains("test of step 20: loss 0.5000", cli.Out);
        Assert.Contains("nodes   a, b", cli.Out);
    }

    [Fact]
    public async Task Watch_of_a_failed_job_exits_with_1()
    {
        using var cluster = new FakeCluster((request, _) => request.RawUrl!.Contains("/rows", StringComparison.Ordinal)
            ? (200, "application/x-ndjson", "") : (200, Json, """{"id":"j","status":"failed"}"""));
        using var cli = new CliRun();
        Assert.Equal(1, await cli.RunAsync("watch", "j", "--cluster", cluster.Url, "--format", "json"));
        Assert.Equal("failed", cli.Json().GetProperty("status").GetString());
    }

    [Fact]
    public async Task Watch_tells_whom_the_job_waits_for_and_what_is_unprotected_until_it_changes()
    {
        string[] jobs =
        [
            "\"unprotected\":\"server 0 on n1\",\"limit\":\"2 gradient shards\"", "\"waiting_for\":\"worker 1 on n2 (step 5), for 6 s\"",
            "\"waiting_for\":\"worker 1 on n2 (step 5), for 9 s\"", "\"waiting_for\":\"worker 1 on n2 (step 5), for 31 s\"",
            "\"waiting_for\":\"worker 1 on n2 (step 5), for 61 s\"", "\"waiting_for\":\"worker 1 on n2 (step 5), for 63 s\"", "\"limit\":\"2 gradient shards\"",
        ];
        int asked = 0;
        using var cluster = new FakeCluster((request, _) => request.RawUrl!.Contains("/rows", StringComparison.Ordinal) ? (200, "application/x-ndjson", "")
            // once more at first: whether it is a job or a study
            : (200, Json, asked++ <= jobs.Length ? $$"""{"id":"j","status":"training",{{jobs[Math.Max(0, asked - 2)]}}}""" : """{"id":"j","status":"completed"}"""));
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("watch", "j", "--cluster", cluster.Url));
        Assert.Equal(["without a backup: server 0 on n1", "limit: 2 gradient shards", "waits for worker 1 on n2 (step 5), for 6 s", "every server has a backup",
            "waits for worker 1 on n2 (step 5), for 31 s", "waits for worker 1 on n2 (step 5), for 63 s", "waits no more", "limit: 2 gradient shards"],
            cli.Out.Split('\n').Where(l => new[] { "backup", "limit", "waits" }.Any(w => l.Contains(w, StringComparison.Ordinal))));
    }

    /// <summary>Its supervisor starts another under its name at once.</summary>
    [Fact]
    public async Task Drain_waits_until_that_incarnation_has_left_and_names_it_to_the_cluster()
    {
        int asked = 0;
        using var cluster = new FakeCluster((request, _) => request.HttpMethod == "POST" ? (202, Json, "")
            : (200, Json, $$"""{"nodes":[{"name":"n1:4053","incarnation":"n1:4053#{{(asked++ < 2 ? "aa" : "bb")}}"}]}"""));
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("drain", "n1:4053", "--cluster", cluster.Url));
        Assert.Contains("has handed over its work and left", cli.Out);
        Assert.Equal("POST /api/v1/nodes/n1%3A4053/drain?incarnation=n1%3A4053%23aa",
            Assert.Single(cluster.Requests, r => r.StartsWith("POST", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Drain_ends_with_1_when_the_node_has_not_left_in_time()
    {
        using var cluster = new FakeCluster((request, _) => request.HttpMethod == "POST" ? (202, Json, "")
            : (200, Json, """{"nodes":[{"name":"n1:4053","incarnation":"n1:4053#aa"}]}"""));
        using var cli = new CliRun();
        Assert.Equal(1, await cli.RunAsync("drain", "n1:4053", "--cluster", cluster.Url, "--timeout", "0"));
        Assert.Contains("node n1:4053 has not left within 0 s (--timeout)", Assert.Single(cli.ErrorLines()));
    }

    [Theory]
    [InlineData(false, "inference.json,metrics.jsonl,model.safetensors")]
    [InlineData(true, "inference.json,model.safetensors")]
    public async Task Download_copies_the_run_directory_or_the_selected_weights_alone(bool best, string expected)
    {
        using var cluster = new FakeCluster((request, _) => request.RawUrl!.EndsWith("/jobs/j", StringComparison.Ordinal) ? (200, Json, """{"id":"j","kind":"job"}""")
            : request.RawUrl!.EndsWith("/files", StringComparison.Ordinal)
            ? (200, Json, """{"files":[{"path":"inference.json","bytes":2},{"path":"metrics.jsonl","bytes":3},{"path":"model.safetensors","bytes":4}]}""")
            : (200, "application/octet-stream", request.RawUrl!.Split('/')[^1]));
        using var cli = new CliRun();
        string folder = cli.In("there");
        Assert.Equal(0, await cli.RunAsync(["download", "j", "--out", folder, "--cluster", cluster.Url, .. best ? ["--best"] : Array.Empty<string>()]));
        Assert.Equal(expected, string.Join(',', Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal)));
        Assert.Equal("model.safetensors", File.ReadAllText(Path.Combine(folder, "model.safetensors")));
        Assert.Equal(2, await cli.RunAsync("download", "j", "--out", folder, "--cluster", cluster.Url));
        Assert.Contains("is not empty", cli.Error);
    }

    /// <summary>A study that goes on begins trials anew; one that has ended does not change.</summary>
    [Theory]
    [InlineData("running", 0)]
    [InlineData("completed", 1)]
    [InlineData("cancelled", 1)]
    public async Task A_listed_file_that_is_not_there_is_an_error_unless_the_study_goes_on(string status, int code)
    {
        using var cluster = new FakeCluster((request, _) => request.RawUrl!.EndsWith("/jobs/j", StringComparison.Ordinal)
            ? (200, Json, $$"""{"id":"j","kind":"study","status":"{{status}}"}""")
            : request.RawUrl!.EndsWith("/files", StringComparison.Ordinal)
            ? (200, Json, """{"files":[{"path":"study.yaml","bytes":2},{"path":"trials/0/log.jsonl","bytes":3},{"path":"trials/1/log.jsonl","bytes":4}]}""")
            : request.RawUrl!.Contains("/trials/", StringComparison.Ordinal) ? (404, "application/problem+json", """{"title":"no"}""")
            : (200, "application/octet-stream", "ab"));
        using var cli = new CliRun();
        Assert.Equal(code, await cli.RunAsync("download", "j", "--out", cli.In("there"), "--cluster", cluster.Url));
        Assert.Equal(["study.yaml"], Directory.GetFiles(cli.In("there"), "*", SearchOption.AllDirectories).Select(Path.GetFileName));
        Assert.StartsWith(code == 0 ? "note: 2 files went away meanwhile, such as trials/0/log.jsonl: 'j' goes on, and trials begin anew"
            : "error: 2 of 3 files of 'j', which has ended, are not to be had, although the cluster lists them: trials/0/log.jsonl, trials/1/log.jsonl; ",
            Assert.Single(cli.ErrorLines()));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("/etc/x")]
    [InlineData("..")]
    public async Task A_cluster_that_names_a_file_elsewhere_writes_nothing(string path)
    {
        using var cluster = new FakeCluster((_, _) => (200, Json, $$"""{"files":[{"path":"{{path}}","bytes":2}]}"""));
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("download", "j", "--out", cli.In("there"), "--cluster", cluster.Url));
        Assert.False(Directory.Exists(cli.In("there")));
    }

    [Fact]
    public async Task Nodes_are_a_table()
    {
        using var cluster = new FakeCluster((_, _) => (200, Json, """[{"name":"n1","roles":["coordinator","worker"],"slots":2},{"name":"n2","roles":["worker"],"slots":16}]"""));
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("nodes", "--cluster", cluster.Url));
        Assert.Equal("name  roles               slots\nn1    coordinator,worker  2\nn2    worker              16\n", cli.Out);
    }

    private static string Row(long step, DataSplit split) => RunJson.RowLine(new MetricRow(step, 0, split, [new("loss", 0.5)], null, null, null, 1));
}
