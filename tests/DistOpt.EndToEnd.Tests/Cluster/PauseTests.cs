using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>
/// Processes of a cluster stand still (SIGSTOP: a machine that swaps, a debugger, a hypervisor that moves it), with all their connections open.
/// Shortly: nobody is thrown out. For long: whoever it was is thrown out, the job goes on without it, and it ends with exit code 3 once it runs again.
/// </summary>
[Collection(Alone.Name)]
public sealed class PauseTests
{
    private const int StepsAnEpoch = 43;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    [Trait("Category", "Long")]
    public async Task Whoever_stands_still_for_three_seconds_is_not_thrown_out()
    {
        await using var cluster = new KillableCluster(workers: 2, servers: 2);
        var (id, calm) = await BeginAsync(cluster, steps: 2_000);
        string names = NodesOf(await cluster.JobAsync(id, IsWhole, "protected servers"));

        foreach (var kind in (NodeKind[])[NodeKind.Worker, NodeKind.Server, NodeKind.Coordinator])
        {
            var job = await cluster.JobAsync(id, IsWhole, "protected servers");
            Assert.True(!job.TryGetProperty("summary", out _), $"it ended before the {kind} stood still: {job}");
            await StandStillAsync(cluster.HoldersOf(job, kind).First(), TimeSpan.FromSeconds(3));
            long step = job.GetProperty("step").GetInt64();
            job = await cluster.JobAsync(id, j => IsWhole(j) && j.GetProperty("step").GetInt64() > step + 100, $"steps after {step}");
            if (!job.TryGetProperty("summary", out _)) Assert.Equal(names, NodesOf(job));
        }
        var ended = await cluster.EndAsync(id);

        SameRun.Assert(calm, RunOf(cluster, ended));
        var summary = ended.GetProperty("summary");
        foreach (string count in (string[])["worker_failures", "server_failures", "rollbacks", "coordinator_restarts"]) Assert.Equal(0, summary.GetProperty(count).GetInt32());
        Assert.All(cluster.Processes, p => Assert.False(p.Process.HasExited, p.Process.Describe()));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Whoever_stands_still_for_thirty_seconds_is_thrown_out_and_ends_with_exit_code_3()
    {
        await using var cluster = new KillableCluster(workers: 3, servers: 3);
        var (id, calm) = await BeginAsync(cluster, steps: 120_000);

        foreach (var kind in (NodeKind[])[NodeKind.Worker, NodeKind.Server])
        {
            var job = await cluster.JobAsync(id, IsWhole, "protected servers");
            var victim = cluster.HoldersOf(job, kind).First();
            string name = victim.Name!;
            await StandStillAsync(victim, TimeSpan.FromSeconds(30));
            int code = await victim.Process.WaitForExitAsync();
            Assert.True(code == 3, victim.Process.Describe());
            cluster.Replace(victim);
            job = await cluster.JobAsync(id, IsWhole, "protected servers");
            Assert.True(!job.TryGetProperty("summary", out _), $"it ended before the {kind} was thrown out: {job}");
            Assert.DoesNotContain(name, NodesOf(job));
        }
        // nobody else decides while the only coordinator stands still, and so nobody is thrown out
        var before = await cluster.JobAsync(id, IsWhole, "protected servers");
        await StandStillAsync(cluster.HoldersOf(before, NodeKind.Coordinator).First(), TimeSpan.FromSeconds(30));
        var ended = await cluster.EndAsync(id);

        SameRun.Assert(calm, RunOf(cluster, ended));
        var summary = ended.GetProperty("summary");
        Assert.Equal(0, summary.GetProperty("rollbacks").GetInt32());
        Assert.Equal(1, summary.GetProperty("worker_failures").GetInt32());
        Assert.InRange(summary.GetProperty("server_failures").GetInt32(), 1, 2);
        Assert.All(cluster.Processes, p => Assert.False(p.Process.HasExited, p.Process.Describe()));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task With_a_slow_server_memory_stays_within_the_limits()
    {
        // 8.3 M parameters: a push is 33 MB
        const string spec = """
            model: { kind: mlp, hidden: [4000, 2000] }
            optimizer: { kind: sgd, learning_rate: 0.01 }
            training: { epochs: 100000, workers: 2, servers: 1, gradient_shards: 4 }
            checkpoint: { every_steps: 1000000 }
            """;
        await using var cluster = new KillableCluster(workers: 2, servers: 1);
        await cluster.JoinedAsync(4);
        string id = await cluster.SubmitAsync(spec);
        long Step(JsonElement job) => job.GetProperty("step").GetInt64();
        var job = await cluster.JobAsync(id, j => Step(j) >= 40, "step 40");
        var server = cluster.HoldersOf(job, NodeKind.Server).First();
        long[] usual = [.. cluster.Processes.Select(p => p.Process.ResidentBytes())];
        long[] most = [.. usual];
        long begin = Step(job);

        // it runs for a tenth of the time
        for (int i = 0; i < 60; i++)
        {
            await StandStillAsync(server, TimeSpan.FromMilliseconds(450));
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            await pause.WaitForNextTickAsync(Token);
            for (int p = 0; p < most.Length; p++) most[p] = Math.Max(most[p], cluster.Processes[p].Process.ResidentBytes());
        }
        job = await cluster.JobAsync(id, j => Step(j) > begin + 5, "more steps");

        // what one sender may have on the way (tensor_window_bytes), and as much again for what the runtime does not give back at once
        const long limit = 2 * (64L << 20);
        TestContext.Current.TestOutputHelper?.WriteLine($"{Step(job) - begin} steps; MiB before and at most: "
            + string.Join(", ", cluster.Processes.Select((p, i) => $"{p.Kind} {usual[i] >> 20} {most[i] >> 20}")));
        for (int p = 0; p < most.Length; p++)
            Assert.True(most[p] - usual[p] < limit, $"{cluster.Processes[p].Kind}: {usual[p] >> 20} MiB before, {most[p] >> 20} MiB with a slow server");
        Assert.Equal(0, job.GetProperty("worker_failures").GetInt32());
        Assert.Equal(0, job.GetProperty("rollbacks").GetInt32());
    }

    private static async Task<(string Id, JsonElement Calm)> BeginAsync(KillableCluster cluster, int steps)
    {
        string spec = $$"""
            training: { epochs: {{steps / StepsAnEpoch}}, workers: 2, servers: 1, gradient_shards: 4, replicas: 1 }
            evaluate: { every_epochs: 20 }
            checkpoint: { every_steps: 1000, keep: 2 }
            """;
        var calm = await SameRun.UndisturbedAsync(cluster.Folder, spec);
        await cluster.JoinedAsync(cluster.Processes.Count);
        return (await cluster.SubmitAsync(spec), calm);
    }

    private static async Task StandStillAsync(ClusterProcess process, TimeSpan time)
    {
        process.Process.Pause();
        using var pause = new PeriodicTimer(time);
        await pause.WaitForNextTickAsync(Token);
        process.Process.Continue();
    }

    private static bool IsWhole(JsonElement job) => job.GetProperty("status").GetString() == "training" && job.GetProperty("workers").GetInt32() == 2
        && !job.TryGetProperty("unprotected", out _) && job.GetProperty("step").GetInt64() > 100;

    private static string NodesOf(JsonElement job) =>
        string.Join(" ", job.GetProperty("nodes").EnumerateArray().Select(n => n.GetString()).Order(StringComparer.Ordinal));

    private static string RunOf(KillableCluster cluster, JsonElement job) => Path.Combine(cluster.Folder.In("coordinator"), job.GetProperty("run").GetString()!);
}
