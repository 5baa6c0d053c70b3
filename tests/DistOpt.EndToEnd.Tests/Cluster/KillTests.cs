using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>
/// Processes of a cluster are killed one after the other, and sometimes two at once, while a job runs: it ends by itself with the bits of the
/// undisturbed run. Many more kills: <c>DISTOPT_KILLS=200</c> and the trait <c>Category=Long</c>.
/// </summary>
public sealed partial class KillTests
{
    /// <summary>
    /// Steps of the job for each kill, so that all fall between 10 and 90 % of them: without replicas it goes back after the kill of a server, and
    /// has come less far until the next one.
    /// </summary>
    private static int StepsAKill(int replicas) => replicas > 0 ? 1000 : 400;

    private const int StepsAnEpoch = 43;

    private static readonly NodeKind[] Kinds = Enum.GetValues<NodeKind>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public Task The_job_ends_by_itself_with_the_bits_of_the_undisturbed_run() => RunAsync(replicas: 1, kills: 3);

    [Fact]
    [Trait("Category", "Long")]
    public Task The_job_ends_by_itself_however_often_processes_are_killed() => RunAsync(replicas: 1, Kills);

    [Fact]
    [Trait("Category", "Long")]
    public Task Without_replicas_the_job_ends_by_itself_however_often_processes_are_killed() => RunAsync(replicas: 0, Kills);

    private static int Kills => int.Parse(Environment.GetEnvironmentVariable("DISTOPT_KILLS") ?? "200", CultureInfo.InvariantCulture);

    private static async Task RunAsync(int replicas, int kills)
    {
        int epochs = StepsAKill(replicas) * kills / StepsAnEpoch;
        string spec = string.Create(CultureInfo.InvariantCulture, $$"""
            training: { epochs: {{epochs}}, workers: 3, servers: 2, gradient_shards: 6, replicas: {{replicas}} }
            evaluate: { every_epochs: 10 }
            checkpoint: { every_steps: 200, keep: 2 }
            """);
        await using var cluster = new KillableCluster(workers: 3, servers: 2 + replicas, isSupervised: true);
        var calm = await SameRun.UndisturbedAsync(cluster.Folder, spec);
        int nodes = cluster.Processes.Count;
        await cluster.JoinedAsync(nodes);
        string id = await cluster.SubmitAsync(spec);
        long total = calm.GetProperty("steps").GetInt64();

        var done = new Dictionary<NodeKind, int>();
        long step = total / 10;
        int rollbacks = 0;
        var checkpoints = new List<(int Rollbacks, long Step)>();
        // each wait has its limit, and the way to there is long in the long form
        for (long near = 0; near < step; near += StepsAKill(replicas)) await cluster.JobAsync(id, j => j.GetProperty("step").GetInt64() > near, $"steps after {near}");
        for (int kill = 0; kill < kills;)
        {
            var kind = (NodeKind)(kill % 3);
            // it steps again, with everybody who was there before, and nothing could be lost that has a replica
            // those who hold it have told their names, which the harness knows them by
            var job = await cluster.JobAsync(id, j => IsWhole(j, step, replicas) && Kinds.All(k => cluster.HoldersOf(j, k).Any()),
                $"steps after {step}, after {kill} kills");
            Assert.True(!job.TryGetProperty("summary", out _), $"it ended after {kill} of {kills} kills: {job}\n{cluster.Describe()}");
            Assert.InRange(job.GetProperty("step").GetInt64(), total / 10, total * 9 / 10);
            rollbacks = job.GetProperty("rollbacks").GetInt32();
            var victim = Victim(cluster, job, kind);
            // every seventh during the recovery from the one before it
            bool isDouble = kill % 7 == 3 && kill + 1 < kills;
            var second = isDouble ? Victim(cluster, job, kind == NodeKind.Worker ? NodeKind.Coordinator : NodeKind.Worker) : null;
            TestContext.Current.TestOutputHelper?.WriteLine($"{DateTime.UtcNow:HH:mm:ss} kill {kill}: {kind} {second?.Kind}, {job}");
            if (kind == NodeKind.Server && replicas == 0 && job.TryGetProperty("checkpoint_step", out var checkpoint))
                checkpoints.Add((rollbacks, checkpoint.GetInt64()));
            await cluster.KillAsync(victim);
            if (second is not null)
            {
                using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
                limit.CancelAfter(ProgramProcess.Patience);
                while (await cluster.IsAsync(id, j => IsWhole(j, 0, replicas)) is true) await look.WaitForNextTickAsync(limit.Token);
                await cluster.KillAsync(second);
                Count(second.Kind);
            }
            Count(kind);
            step = job.GetProperty("step").GetInt64() + 20;

            void Count(NodeKind killed)
            {
                done[killed] = done.GetValueOrDefault(killed) + 1;
                kill++;
            }
        }
        var ended = await cluster.EndAsync(id);
        var summary = ended.GetProperty("summary");
        SameRun.Assert(calm, Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!));
        Assert.Equal(done.GetValueOrDefault(NodeKind.Coordinator), summary.GetProperty("coordinator_restarts").GetInt32());
        Assert.True(summary.GetProperty("worker_failures").GetInt32() >= done.GetValueOrDefault(NodeKind.Worker), $"{summary}");
        double goodput = summary.GetProperty("steps").GetDouble() / summary.GetProperty("steps_computed").GetDouble();
        TestContext.Current.TestOutputHelper?.WriteLine($"{string.Join(", ", done.Select(d => $"{d.Value} {d.Key}"))}: {summary}");
        if (replicas > 0)
        {
            Assert.Equal(0, summary.GetProperty("rollbacks").GetInt32());
            Assert.True(goodput >= 0.9, $"goodput {goodput}");
        }
        else
        {
            Assert.InRange(summary.GetProperty("rollbacks").GetInt32(), rollbacks, done.GetValueOrDefault(NodeKind.Server) * 2);
            AssertNewest(checkpoints, Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!, "log.jsonl"));
        }
    }

    /// <summary>Whoever goes back goes to a checkpoint that is no older than the newest one at the time of each loss before.</summary>
    /// <param name="checkpoints">For each loss: how often the job had gone back until then, and the newest checkpoint.</param>
    private static void AssertNewest(List<(int Rollbacks, long Step)> checkpoints, string log)
    {
        int told = 0;
        foreach (string line in File.ReadLines(log))
        {
            var step = BackTo().Match(JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()!);
            if (!step.Success) continue;
            long newest = checkpoints.Where(c => c.Rollbacks <= told).Select(c => c.Step).DefaultIfEmpty(0).Max();
            Assert.True(long.Parse(step.Groups[1].Value, CultureInfo.InvariantCulture) >= newest, $"the checkpoint of step {newest} was there: {line}");
            told++;
        }
        Assert.True(told > 0, "nobody went back");
    }

    [GeneratedRegex("goes back to the checkpoint of step ([0-9]+)")]
    private static partial Regex BackTo();

    private static bool IsWhole(JsonElement job, long step, int replicas) => job.GetProperty("status").GetString() == "training"
        && job.GetProperty("step").GetInt64() > step && job.GetProperty("workers").GetInt32() == 3
        && !(replicas > 0 && job.TryGetProperty("unprotected", out _));

    /// <summary>
    /// One with unfinished work: a worker's process (all of them have gradient shards of every step, since there are no more workers than shards and
    /// the job has all its workers), the server of a part of the weights, the coordinator of the running job.
    /// </summary>
    private static ClusterProcess Victim(KillableCluster cluster, JsonElement job, NodeKind kind)
    {
        var victim = cluster.HoldersOf(job, kind).FirstOrDefault();
        Assert.True(victim is not null, $"no {kind} has part in {job}\n{cluster.Describe()}");
        return victim;
    }
}
