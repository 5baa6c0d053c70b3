using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>Nodes that are asked to go (<c>distopt drain</c>, SIGTERM) hand over first: no job goes back, and no bit changes.</summary>
public sealed class LeaveTests
{
    [Fact]
    [Trait("Category", "Long")]
    public async Task Drained_and_stopped_nodes_hand_over_while_the_job_goes_on()
    {
        await using var cluster = new KillableCluster(workers: 2, servers: 2);
        // no replica: a server that just ended would send everyone back
        const string spec = """
            training: { epochs: 80, workers: 2, servers: 1, gradient_shards: 4 }
            evaluate: { every_epochs: 20 }
            checkpoint: { every_steps: 5000, keep: 2 }
            """;
        var calm = await SameRun.UndisturbedAsync(cluster.Folder, spec);
        await cluster.JoinedAsync(5);
        string id = await cluster.SubmitAsync(spec);
        var job = await cluster.JobAsync(id, j => j.GetProperty("step").GetInt64() > 100, "step beyond 100");
        string first = ServerOf(job);

        await using var drain = await cluster.CommandAsync("drain", first, "--format", "json");
        Assert.True(drain.ExitCode == 0, drain.Describe());
        Assert.True(drain.Json.GetProperty("left").GetBoolean());
        var drained = cluster.Processes.Single(p => p.Name == first);
        Assert.Equal(0, await drained.Process.WaitForExitAsync());
        job = await cluster.JobAsync(id, _ => true, "answer");
        Assert.False(job.TryGetProperty("summary", out _), $"it ended before a server could be handed over: {job}");
        Assert.NotEqual(first, ServerOf(job));

        var worker = cluster.Processes.First(p => p.Kind == NodeKind.Worker);
        worker.Process.Terminate();
        Assert.Equal(0, await worker.Process.WaitForExitAsync());
        await using var unknown = await cluster.CommandAsync("drain", first);
        Assert.True(unknown.ExitCode == 2, unknown.Describe());
        Assert.Contains($"there is no node '{first}'", Assert.Single(unknown.ErrorLines));

        var ended = await cluster.EndAsync(id);
        SameRun.Assert(calm, Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!));
        var summary = ended.GetProperty("summary");
        foreach (string count in (string[])["worker_failures", "server_failures", "rollbacks"]) Assert.Equal(0, summary.GetProperty(count).GetInt32());
    }

    private static string ServerOf(JsonElement job) => job.GetProperty("servers")[0].GetProperty("node").GetString()!;
}
