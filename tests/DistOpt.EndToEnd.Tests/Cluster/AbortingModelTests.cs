using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>Models whose native code ends the process that builds them.</summary>
public sealed class AbortingModelTests
{
    private const int Aborted = 134;

    [Fact]
    [Trait("Category", "Long")]
    public async Task A_model_that_aborts_when_it_is_built_takes_each_node_along_once_and_is_refused_with_its_last_words_after_that()
    {
        await using var cluster = new KillableCluster(workers: 1, servers: 1, ProgramProcess.Fixture);
        await cluster.JoinedAsync(3);
        string good = await cluster.SubmitAsync("training: { epochs: 100000, workers: 1, gradient_shards: 1 }\n", "good");
        await cluster.JobAsync(good, j => j.GetProperty("step").GetInt64() > 0, "steps");

        string bad = await cluster.SubmitAsync(Aborting(spares: ""), "bad");
        await AbortedAsync(cluster, NodeKind.Coordinator);
        await RefusedAsync(cluster, bad);
        // no coordinator opens anything like it any more without trying
        await RefusedAsync(cluster, await cluster.SubmitAsync(Aborting(spares: "nobody"), "again"));
        var coordinator = cluster.Processes.Single(p => p.Kind == NodeKind.Coordinator);

        Assert.False(coordinator.Process.HasExited, coordinator.Process.Describe());
        // nothing of it has disturbed the other job
        long step = (await cluster.JobAsync(good, j => j.GetProperty("status").GetString() == "training", "the good job")).GetProperty("step").GetInt64();
        await cluster.JobAsync(good, j => j.GetProperty("step").GetInt64() > step, "further steps of the good job");

        // on all nodes but the coordinator's; they are started again with the folders that they had
        await using var cancel = await cluster.CommandAsync("cancel", good);
        Assert.True(cancel.ExitCode == 0, cancel.Describe());
        string elsewhere = await cluster.SubmitAsync(Aborting(spares: cluster.Folder.In("coordinator")), "elsewhere");
        await AbortedAsync(cluster, NodeKind.Server);
        await AbortedAsync(cluster, NodeKind.Worker);
        Assert.Contains("(on node 127.0.0.1:", await RefusedAsync(cluster, elsewhere));

        Assert.All(cluster.Processes, p => Assert.False(p.Process.HasExited, p.Process.Describe()));
    }

    private static async Task AbortedAsync(KillableCluster cluster, NodeKind kind)
    {
        var process = cluster.Processes.Single(p => p.Kind == kind);
        Assert.True(await process.Process.WaitForExitAsync() == Aborted, process.Process.Describe());
        cluster.Replace(process, keepsFolder: true);
    }

    private static async Task<string> RefusedAsync(KillableCluster cluster, string id)
    {
        await using var watch = await cluster.CommandAsync("watch", id);
        Assert.True(watch.ExitCode == 2, watch.Describe());
        Assert.Contains("had ended while it opened data digits, model crasher", watch.Error);
        Assert.Contains("exit code 134 (SIGABRT)", watch.Error);
        Assert.Matches(@"process \d+ fails", watch.Error);
        return watch.Error;
    }

    private static string Aborting(string spares) => $$"""
        model: { kind: crasher, how: abort, opening: true, spares: "{{spares}}" }
        training: { epochs: 1, workers: 1, gradient_shards: 1 }
        """;
}
