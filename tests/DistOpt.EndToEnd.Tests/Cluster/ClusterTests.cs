using System.Text.Json;
using System.Text.RegularExpressions;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>A coordinator with a server and two workers, as processes of their own, that get jobs by <c>submit</c>.</summary>
public partial class ClusterFixture : IAsyncLifetime
{
    private const string Token = "the-token-of-the-tests";

    private readonly List<ProgramProcess> _nodes = [];

    internal TestFolder Folder { get; } = new();

    /// <summary>What the nodes run.</summary>
    private protected virtual string Program => ProgramProcess.Fixture;

    public async ValueTask InitializeAsync()
    {
        var (control, url) = await NodeAsync("coordinator", "--roles", "coordinator,server");
        Folder.Environment["DISTOPT_CLUSTER"] = url;
        Folder.Environment["DISTOPT_TOKEN"] = Token;
        await NodeAsync("one", "--roles", "worker,server", "--join", control, "--worker-slots", "2");
        await NodeAsync("two", "--roles", "worker", "--join", control, "--worker-slots", "2");
        while ((await Folder.JsonAsync("nodes")).GetProperty("nodes").GetArrayLength() < 3) { }
    }

    /// <summary>Starts a node of the tests' own program in a folder of its own; returns control address and API address.</summary>
    internal async Task<(string Control, string Url)> NodeAsync(string name, params string[] args)
    {
        string folder = Directory.CreateDirectory(Folder.In(name)).FullName;
        var environment = new Dictionary<string, string> { ["DISTOPT_TOKEN"] = Token, ["DISTOPT_SECRET"] = "the secret of the tests" };
        var node = ProgramProcess.Start(Program, folder, environment,
            ["node", .. args, "--port", "0", "--tensor-port", "0", "--api-port", "0", "--data-root", folder]);
        _nodes.Add(node);
        var match = Announcement().Match(await node.LineAsync(l => Announcement().IsMatch(l), "announcement of the node"));
        return (match.Groups[1].Value, match.Groups[2].Value);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Enumerable.Reverse(_nodes)) await node.DisposeAsync();
        Folder.Dispose();
    }

    [GeneratedRegex(@"^node (\S+) \(.*(http://\S+)$")]
    private static partial Regex Announcement();
}

public sealed class ClusterTests(ClusterFixture cluster) : IClassFixture<ClusterFixture>
{
    private const string Small = "model: talker\ntraining: { epochs: 2, workers: 4, gradient_shards: 4 }\n";

    [Fact]
    public async Task A_submitted_job_gives_the_bits_of_a_local_run_and_its_output_reaches_the_log()
    {
        string spec = cluster.Folder.Write("small.yaml", Small);
        var local = await cluster.Folder.JsonAsync("train", spec, "--workers", "1", "--servers", "1");

        var submitted = await cluster.Folder.RunAsync("submit", spec, "--watch");
        Assert.True(submitted.ExitCode == 0, submitted.ToString());
        string id = submitted.Out.Split('\n')[0];
        var job = await cluster.Folder.JsonAsync("show", id);

        Assert.Equal("completed", job.GetProperty("status").GetString());
        Assert.Equal(local.GetProperty("weights_sha256").GetString(), job.GetProperty("summary").GetProperty("weights_sha256").GetString());
        Assert.Contains("validation.correct", submitted.Out);
        string run = job.GetProperty("run").GetString()!;
        var logs = await cluster.Folder.RunAsync("logs", id);
        // both worker nodes wrote; positions 0 to 31 of step 0 were cut into four shards
        foreach (int position in new[] { 0, 8, 16, 24 }) Assert.Contains($"step 0 position {position} in process", logs.Out);
        Assert.Contains("step 0 position 8 in process", await File.ReadAllTextAsync(Path.Combine(cluster.Folder.In("coordinator"), run, "log.jsonl"),
            TestContext.Current.CancellationToken));
        byte[] selected = await File.ReadAllBytesAsync(Path.Combine(cluster.Folder.In("coordinator"), run, "model.safetensors"),
            TestContext.Current.CancellationToken);
        var best = await cluster.Folder.JsonAsync("download", id, "--best", "--out", cluster.Folder.In("best"));
        Assert.Equal(4, best.GetProperty("files").GetInt32());
        Assert.Equal(selected, await File.ReadAllBytesAsync(cluster.Folder.In("best/model.safetensors"), TestContext.Current.CancellationToken));
        Assert.Equal(0, (await cluster.Folder.RunAsync("show", cluster.Folder.In("best"))).ExitCode);
    }

    [Fact]
    public async Task Without_the_token_nothing_is_answered()
    {
        using var stranger = new TestFolder();
        stranger.Environment["DISTOPT_CLUSTER"] = cluster.Folder.Environment["DISTOPT_CLUSTER"];

        var result = await stranger.RunAsync("nodes");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("DISTOPT_TOKEN", Assert.Single(result.ErrorLines));
    }

    [Fact]
    public async Task A_job_that_cannot_be_opened_on_a_node_is_refused_with_the_nodes_name()
    {
        // a relative path means another file on every node
        cluster.Folder.Write("coordinator/points.csv", Points(1));
        cluster.Folder.Write("one/points.csv", Points(1));
        cluster.Folder.Write("two/points.csv", Points(2));
        string spec = cluster.Folder.Write("csv.yaml", "data: { name: csv, path: points.csv }\nmodel: linear\ntraining: { epochs: 1, workers: 4 }\n");

        var result = await cluster.Folder.RunAsync("submit", spec, "--watch");

        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.Contains("is refused", result.Error);
        Assert.Contains("data", result.Error);
    }

    [Fact]
    public async Task A_job_that_needs_more_slots_than_there_are_says_what_it_waits_for_and_can_be_cancelled()
    {
        string spec = cluster.Folder.Write("large.yaml", "training: { workers: 50 }\n");
        var submitted = await cluster.Folder.RunAsync("submit", spec);
        string id = submitted.Out.Trim();

        JsonElement job;
        while (!(job = await cluster.Folder.JsonAsync("show", id)).TryGetProperty("waiting_for", out _))
            Assert.Contains(job.GetProperty("status").GetString(), new[] { "opening", "placing" });
        Assert.Contains("more worker slots", job.GetProperty("waiting_for").GetString());

        using var http = new HttpClient { BaseAddress = new Uri(cluster.Folder.Environment["DISTOPT_CLUSTER"]) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", cluster.Folder.Environment["DISTOPT_TOKEN"]);
        using var answer = await http.PostAsync($"/api/v1/jobs/{id}/cancel", null, TestContext.Current.CancellationToken);
        Assert.True(answer.IsSuccessStatusCode);
        while ((job = await cluster.Folder.JsonAsync("show", id)).GetProperty("status").GetString() != "cancelled") { }
    }

    private static string Points(int seed) =>
        "x,y,label\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"{i * seed % 7},{i % 5},{(i % 2 == 0 ? "even" : "odd")}\n"));
}
