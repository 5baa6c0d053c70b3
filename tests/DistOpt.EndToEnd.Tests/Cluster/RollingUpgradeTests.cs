using System.Globalization;
using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>
/// A job begins on nodes of one build and ends on nodes of the next: one after the other leaves, as a service manager asks it to, and comes back with
/// the other build. Bits are those of the undisturbed run, and nothing is computed from a checkpoint.
/// </summary>
public sealed class RollingUpgradeTests
{
    /// <summary>Steps of the job for each node that is replaced, so that all are while it runs.</summary>
    private const int StepsANode = 1500;

    private const int StepsAnEpoch = 43;

    [Fact]
    [Trait("Category", "Long")]
    public Task A_cluster_is_upgraded_node_by_node_while_a_job_runs() => RunAsync(rounds: 1);

    /// <summary>Forth and back again, several times: an upgrade may also be taken back.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public Task A_cluster_is_upgraded_and_taken_back_again_and_again_while_a_job_runs() => RunAsync(rounds: 6);

    [Fact]
    public async Task A_node_two_minor_versions_on_ends_with_exit_code_4_and_the_cluster_says_why()
    {
        var (own, _, afterNext) = OtherBuild.Versions;
        string program = await OtherBuild.AfterNextAsync();
        await using var cluster = new KillableCluster(workers: 0, servers: 0);
        await cluster.JoinedAsync(1);
        cluster.Program = program;

        var node = cluster.Add(NodeKind.Worker);

        Assert.True(await node.Process.WaitForExitAsync() == 4, node.Process.Describe());
        var coordinator = cluster.Processes[0];
        string line = Assert.Single(node.Process.ErrorLines, l => l.Contains("could not join"));
        Assert.Contains($"{coordinator.Name} runs protocol {own} (build 0.1.0 ", line);
        Assert.Contains($"this node protocol {afterNext} (build 0.1.0 ", line);
        Assert.Contains(coordinator.Process.ErrorLines, l => l.Contains($"runs protocol {afterNext} (build 0.1.0 ")
            && l.Contains($"this node protocol {own} (build 0.1.0 "));
        await cluster.NodesAsync(all => all.GetArrayLength() == 1, "one node");
    }

    private static async Task RunAsync(int rounds)
    {
        var (own, next, _) = OtherBuild.Versions;
        string newer = await OtherBuild.NextAsync();
        const int nodes = 5;
        string spec = string.Create(CultureInfo.InvariantCulture, $$"""
            training: { epochs: {{StepsANode * nodes * rounds / StepsAnEpoch}}, workers: 2, servers: 2, gradient_shards: 4, replicas: 1 }
            evaluate: { every_epochs: 10 }
            checkpoint: { every_steps: 500, keep: 2 }
            """);
        await using var cluster = new KillableCluster(workers: 2, servers: 2);
        var calm = await SameRun.UndisturbedAsync(cluster.Folder, spec);
        await cluster.JoinedAsync(nodes);
        string id = await cluster.SubmitAsync(spec);
        long step = 0;

        for (int round = 0; round < rounds; round++)
        {
            (cluster.Program, string version) = round % 2 == 0 ? (newer, next) : (ProgramProcess.Cli, own);
            // the coordinator in the middle: it leads nodes older than itself, and was led by them
            var old = cluster.Processes.OrderBy(p => p.Kind switch { NodeKind.Server => 0, NodeKind.Coordinator => 1, _ => 2 }).ThenBy(p => p.Number).ToList();
            foreach (var node in old)
            {
                await StepsAsync($"before {node.Kind} {node.Number} is replaced", []);
                var replacement = await cluster.RestartAsync(node);
                string name = (await replacement.Process.LineAsync(l => KillableCluster.NameOf(l) is not null, "announcement of the node")).Split(' ')[1];
                await cluster.NodesAsync(all => all.EnumerateArray().Any(n => n.Text("name") == name && n.Text("protocol") == version),
                    $"{name} with {version}");
                // workers and servers are needed where they have gone: it has part in the job
                await StepsAsync($"with {name} of protocol {version}", replacement.Kind == NodeKind.Coordinator ? [] : [name]);
            }
            var versions = await cluster.NodesAsync(all => all.GetArrayLength() == nodes, $"{nodes} nodes");
            Assert.All(versions.EnumerateArray(), n => Assert.Equal(version, n.Text("protocol")));
        }
        var ended = await cluster.EndAsync(id);

        var summary = ended.GetProperty("summary");
        TestContext.Current.TestOutputHelper?.WriteLine($"{summary}");
        SameRun.Assert(calm, Path.Combine(cluster.Folder.In("coordinator"), ended.Text("run")));
        Assert.Equal(0, summary.GetProperty("rollbacks").GetInt32());
        Assert.Equal(0, summary.GetProperty("worker_failures").GetInt32());
        Assert.Equal(0, summary.GetProperty("server_failures").GetInt32());
        Assert.Equal(rounds, summary.GetProperty("coordinator_restarts").GetInt32());

        async Task StepsAsync(string when, string[] names)
        {
            long since = step;
            var job = await cluster.JobAsync(id, j => j.Text("status") == "training" && j.GetProperty("step").GetInt64() > since
                && j.GetProperty("workers").GetInt32() == 2 && !j.TryGetProperty("unprotected", out _)
                && names.All(n => j.GetProperty("nodes").EnumerateArray().Any(o => o.GetString() == n)), $"steps after {since}, {when}");
            Assert.True(!job.TryGetProperty("summary", out _), $"it ended {when}: {job}\n{cluster.Describe()}");
            TestContext.Current.TestOutputHelper?.WriteLine($"{DateTime.UtcNow:HH:mm:ss} {when}: {job}");
            step = job.GetProperty("step").GetInt64() + 20;
        }
    }
}
