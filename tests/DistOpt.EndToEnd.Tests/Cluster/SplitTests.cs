using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.Hosting.Tests.Journal;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>
/// The network between three machines falls apart in the middle of a job: the side without the coordinator, or with fewer of several, ends by itself, the
/// other goes on, and what the cut machine had pushed counts once.
/// </summary>
[Trait("Category", "Long")]
[Collection(Alone.Name)]
public sealed class SplitTests : IDisposable
{
    private static readonly string[] Machines = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

    private readonly TestFolder _folder = new();

    /// <summary>Whose API commands are sent to, and who sends them.</summary>
    private string _asked = Machines[0];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_minority_ends_with_exit_code_3_and_no_push_counts_twice()
    {
        if (NetworkNamespaces.Missing() is { } missing) Assert.Skip(missing);
        const string spec = """
            training: { epochs: 300, workers: 3, servers: 3, gradient_shards: 6, replicas: 1 }
            evaluate: { every_epochs: 20 }
            checkpoint: { every_steps: 1000, keep: 2 }
            """;
        var calm = await SameRun.UndisturbedAsync(_folder, spec);
        using var network = NetworkNamespaces.Make(Machines);
        await InitAsync();
        var nodes = new List<ProgramProcess>();
        try
        {
            foreach (string machine in Machines) nodes.Add(await NodeAsync(network, machine));
            await using var submit = await UseAsync(network, "submit", _folder.In("spec.yaml"), "--format", "json");
            string id = submit.Json.GetProperty("id").GetString()!;
            // every machine has a worker, a server and a backup
            await StatusAsync(network, id, IsWhole);

            network.Cut(Machines[2]);
            var job = await StatusAsync(network, id, j => j.GetProperty("nodes").GetArrayLength() == 2);
            long step = job.GetProperty("step").GetInt64();
            job = await StatusAsync(network, id, j => j.GetProperty("step").GetInt64() > step + 200);
            Assert.False(job.TryGetProperty("summary", out _), $"it ended before the cut: {job}");
            int code = await nodes[2].WaitForExitAsync();
            Assert.True(code == 3, nodes[2].Describe());

            // the machine comes back, as a new node, and takes part again
            network.Mend(Machines[2]);
            nodes[2] = await NodeAsync(network, Machines[2]);
            await StatusAsync(network, id, j => j.GetProperty("nodes").GetArrayLength() == 3);
            await using var watch = await UseAsync(network, "watch", id, "--format", "json");
            Assert.True(watch.ExitCode == 0, watch.Describe());
            var ended = watch.Json;

            var summary = ended.GetProperty("summary");
            SameRun.Assert(calm, Path.Combine(_folder.In("data-" + Machines[0]), ended.GetProperty("run").GetString()!));
            Assert.Equal(0, summary.GetProperty("rollbacks").GetInt32());
            Assert.Equal(1, summary.GetProperty("worker_failures").GetInt32());
        }
        finally
        {
            foreach (var node in Enumerable.Reverse(nodes)) await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task Of_three_coordinators_the_larger_side_goes_on_without_the_one_that_led()
    {
        if (NetworkNamespaces.Missing() is { } missing) Assert.Skip(missing);
        string spec = $$"""
            training: { epochs: 300, workers: 3, servers: 3, gradient_shards: 6, replicas: 1 }
            evaluate: { every_epochs: 20 }
            checkpoint: { every_steps: 1000, keep: 2 }
            storage: { kind: shared, path: {{Directory.CreateDirectory(_folder.In("shared")).FullName}} }
            """;
        var calm = await SameRun.UndisturbedAsync(_folder, spec);
        const string database = "10.0.0.9";
        using var network = NetworkNamespaces.Make([.. Machines, database]);
        await using var postgres = await PostgresServer.OnAsync(network.On(database), database);
        Assert.SkipWhen(postgres.Missing is not null, postgres.Missing ?? "");
        await InitAsync();
        string[] settings = ["--roles", "coordinator,server,worker", "--journal", postgres.Database, "--split-brain", "keep-majority"];
        var nodes = new List<ProgramProcess>();
        try
        {
            foreach (string machine in Machines) nodes.Add(await NodeAsync(network, machine, settings));
            await using var submit = await UseAsync(network, "submit", _folder.In("spec.yaml"), "--format", "json");
            string id = submit.Json.GetProperty("id").GetString()!;
            await StatusAsync(network, id, IsWhole);

            network.Cut(Machines[0]);
            _asked = Machines[1];
            var job = await StatusAsync(network, id, j => j.GetProperty("status").GetString() == "training" && j.GetProperty("nodes").GetArrayLength() == 2);
            Assert.False(job.TryGetProperty("summary", out _), $"it ended before the cut: {job}");
            int code = await nodes[0].WaitForExitAsync();
            Assert.True(code == 3, nodes[0].Describe());
            long step = job.GetProperty("step").GetInt64();
            job = await StatusAsync(network, id, j => j.GetProperty("step").GetInt64() > step + 200);
            Assert.False(job.TryGetProperty("summary", out _), $"it ended too early: {job}");

            network.Mend(Machines[0]);
            nodes[0] = await NodeAsync(network, Machines[0], [.. settings, "--join", $"{Machines[1]}:4053"]);
            await StatusAsync(network, id, j => j.GetProperty("nodes").GetArrayLength() == 3);
            await using var watch = await UseAsync(network, "watch", id, "--format", "json");
            Assert.True(watch.ExitCode == 0, watch.Describe());
            // what the first coordinator wrote of the run lies on its own machine
            var summary = watch.Json.GetProperty("summary");
            foreach (string same in (string[])["weights_sha256", "steps", "samples", "selected", "test"])
            {
                var (expected, actual) = (calm.GetProperty(same), summary.GetProperty(same));
                Assert.True(JsonElement.DeepEquals(expected, actual), $"{same}: {actual} in place of {expected}");
            }
            Assert.Equal(0, summary.GetProperty("rollbacks").GetInt32());
            Assert.Equal(1, summary.GetProperty("coordinator_restarts").GetInt32());
        }
        finally
        {
            foreach (var node in Enumerable.Reverse(nodes)) await node.DisposeAsync();
        }
    }

    private async Task InitAsync()
    {
        var made = await ProgramProcess.RunAsync(ProgramProcess.Cli, _folder.Path, null,
            "cluster", "init", "--nodes", string.Join(',', Machines), "--out", "cluster");
        Assert.True(made.ExitCode == 0, made.Describe());
    }

    /// <summary>It goes on, all machines have part in it, and no server is without a backup.</summary>
    private static bool IsWhole(JsonElement job) => job.GetProperty("step").GetInt64() > 500
        && job.GetProperty("nodes").GetArrayLength() == Machines.Length && !job.TryGetProperty("unprotected", out _);

    private async Task<ProgramProcess> NodeAsync(NetworkNamespaces network, string machine, params string[] settings)
    {
        string data = Directory.CreateDirectory(_folder.In("data-" + machine)).FullName;
        var node = ProgramProcess.StartThrough(network.On(machine), ProgramProcess.Cli, data, null,
        [
            "node", "--config", _folder.In($"cluster/{machine}/node.yaml"), "--data-root", data,
            "--worker-slots", "1", "--coordinator-timeout", "10", "--join-timeout", "60", .. settings,
        ]);
        return await node.AnnouncedAsync(machine);
    }

    private Task<ProgramProcess> UseAsync(NetworkNamespaces network, params string[] args) => ProgramProcess.RunThroughAsync(
        network.On(_asked), ProgramProcess.Cli, _folder.Path,
        new Dictionary<string, string>
        {
            ["DISTOPT_CLUSTER"] = $"https://{_asked}:4055",
            ["DISTOPT_CA"] = _folder.In($"cluster/{_asked}/ca.pem"),
            ["DISTOPT_TOKEN_FILE"] = _folder.In($"cluster/{_asked}/token"),
        }, args);

    /// <summary>The job's status once it is as wanted, or has ended. Each question is a process, which is pause enough.</summary>
    private async Task<JsonElement> StatusAsync(NetworkNamespaces network, string id, Func<JsonElement, bool> isAsWanted)
    {
        long limit = TimeProvider.System.GetTimestamp();
        JsonElement job = default;
        while (TimeProvider.System.GetElapsedTime(limit) < 2 * ProgramProcess.Patience)
        {
            Token.ThrowIfCancellationRequested();
            await using var show = await UseAsync(network, "show", id, "--format", "json");
            Assert.True(show.ExitCode == 0, show.Describe());
            job = show.Json;
            if (job.TryGetProperty("summary", out _) || isAsWanted(job)) return job;
        }
        throw new TimeoutException($"the job is still {job}");
    }
}
