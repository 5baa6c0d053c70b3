using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>
/// Processes of a cluster are killed while a job runs: workers every few seconds whatever else goes on, servers and the coordinator as soon as the job
/// steps again after the last such kill, and sometimes another process during that recovery. It ends by itself with the bits of the undisturbed run.
/// Many more kills: <c>DISTOPT_KILLS=200</c> and the trait <c>Category=Long</c>.
/// </summary>
public sealed partial class KillTests(KillTests.SharedCluster shared) : IClassFixture<KillTests.SharedCluster>
{
    /// <summary>What the short forms run on, one after the other; bits do not depend on replicas, and so the undisturbed run is one as well.</summary>
    public sealed class SharedCluster : IAsyncLifetime
    {
        private KillableCluster? _cluster;
        private JsonElement? _calm;

        internal KillableCluster Cluster => _cluster ??= new KillableCluster(workers: 3, servers: 3, isSupervised: true);

        internal async Task<JsonElement> UndisturbedAsync(string spec) => _calm ??= await SameRun.UndisturbedAsync(Cluster.Folder, spec);

        public ValueTask InitializeAsync() => ValueTask.CompletedTask;

        public async ValueTask DisposeAsync()
        {
            if (_cluster is not null) await _cluster.DisposeAsync();
        }
    }

    /// <summary>One of every kind.</summary>
    private const int Few = 3;

    private const int StepsAnEpoch = 43;

    /// <summary>So many of every kind, where there are many.</summary>
    private const int LeastOfAKind = 5;

    private const int LeastInRecovery = 3;

    private const int Many = 50;

    private static readonly NodeKind[] Kinds = Enum.GetValues<NodeKind>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static int Kills => int.Parse(Environment.GetEnvironmentVariable("DISTOPT_KILLS") ?? "200", CultureInfo.InvariantCulture);

    [Fact]
    public Task The_job_ends_by_itself_with_the_bits_of_the_undisturbed_run() => RunShortAsync(replicas: 1);

    [Fact]
    [Trait("Category", "Long")]
    public Task Without_replicas_the_job_goes_back_to_the_newest_checkpoint_and_ends_with_the_same_bits() => RunShortAsync(replicas: 0);

    [Fact]
    [Trait("Category", "Long")]
    public Task The_job_ends_by_itself_however_often_processes_are_killed() => RunLongAsync(replicas: 1);

    [Fact]
    [Trait("Category", "Long")]
    public Task Without_replicas_the_job_ends_by_itself_however_often_processes_are_killed() => RunLongAsync(replicas: 0);

    /// <summary>Steps go on while the coordinator starts anew.</summary>
    private static int StepsAtLeast(int kills) => kills < Many ? 1200 : 2000;

    /// <summary>
    /// Steps of the job for each kill, so that all fall between 10 and 90 % of them: without replicas it goes back after the kill of a server, and
    /// has come less far until the next one.
    /// </summary>
    private static int StepsAKill(int replicas, int kills) => kills < Many ? 400 : replicas > 0 ? 1200 : 800;

    private Task RunShortAsync(int replicas) => RunAsync(shared.Cluster, shared.UndisturbedAsync, replicas, Few);

    private static async Task RunLongAsync(int replicas)
    {
        await using var cluster = new KillableCluster(workers: 3, servers: 2 + replicas, isSupervised: true);
        await RunAsync(cluster, spec => SameRun.UndisturbedAsync(cluster.Folder, spec), replicas, Kills);
    }

    private static async Task RunAsync(KillableCluster cluster, Func<string, Task<JsonElement>> undisturbed, int replicas, int kills)
    {
        int epochs = (StepsAtLeast(kills) + (StepsAKill(replicas, kills) * kills)) / StepsAnEpoch;
        string spec = string.Create(CultureInfo.InvariantCulture, $$"""
            training: { epochs: {{epochs}}, workers: 3, servers: 2, gradient_shards: 6, replicas: {{replicas}}, log_every_steps: 10 }
            evaluate: { every_epochs: 10 }
            checkpoint: { every_steps: 200, keep: 2 }
            """);
        var calm = await undisturbed(spec);
        await cluster.JoinedAsync(cluster.Processes.Count);
        string id = await cluster.SubmitAsync(spec, $"with {replicas} replicas");
        long total = calm.GetProperty("steps").GetInt64();

        var plan = new KillPlan(cluster, replicas, begin: total / 10, kills);
        // each wait has its limit, and the way to there is long in the long form
        for (long near = 0; near < total / 10; near += StepsAKill(replicas, kills))
            await cluster.JobAsync(id, j => j.GetProperty("step").GetInt64() > near, $"steps after {near}");
        var checkpoints = new List<(int Rollbacks, long Step)>();
        while (plan.Next is { } what)
        {
            var job = await cluster.JobAsync(id, j => plan.Due(j) is not null, what);
            Assert.True(!job.TryGetProperty("summary", out _), $"it ended after {plan.Killed} of {kills} kills: {job}\n{cluster.Describe()}");
            var kind = plan.Due(job)!.Value;
            Assert.InRange(job.GetProperty("step").GetInt64(), total / 10, total * 9 / 10);
            if (kind == NodeKind.Server && job.TryGetProperty("checkpoint_step", out var checkpoint))
                checkpoints.Add((job.GetProperty("rollbacks").GetInt32(), checkpoint.GetInt64()));
            await plan.KillAsync(id, job, kind);
        }
        var ended = await cluster.EndAsync(id);
        var summary = ended.GetProperty("summary");
        TestContext.Current.TestOutputHelper?.WriteLine($"{plan}: {summary}");
        SameRun.Assert(calm, Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!));
        int coordinators = plan.Of(NodeKind.Coordinator), servers = plan.Of(NodeKind.Server);
        // one that is killed before it has stored that it took the job up is none
        Assert.InRange(summary.GetProperty("coordinator_restarts").GetInt32(), coordinators - plan.Successors, coordinators);
        Assert.True(summary.GetProperty("worker_failures").GetInt32() >= plan.Of(NodeKind.Worker), $"{plan}: {summary}");
        Assert.True(kills < Many || (Kinds.All(k => plan.Of(k) >= LeastOfAKind) && plan.InRecovery >= LeastInRecovery), $"{plan}");
        Assert.All(Kinds, k => Assert.True(plan.Of(k) > 0, $"no {k} was killed: {plan}"));
        int rollbacks = summary.GetProperty("rollbacks").GetInt32();
        if (replicas > 0)
        {
            double goodput = summary.GetProperty("steps").GetDouble() / summary.GetProperty("steps_computed").GetDouble();
            Assert.Equal(0, rollbacks);
            Assert.True(goodput >= 0.9, $"goodput {goodput}");
        }
        else
        {
            // a coordinator that is killed between the loss and the placement after it takes the knowledge of it along
            Assert.InRange(rollbacks, servers - coordinators, summary.GetProperty("server_failures").GetInt32());
            int told = AssertNewest(checkpoints, Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!, "log.jsonl"));
            Assert.InRange(told, rollbacks - coordinators, rollbacks);
            Assert.True(told > 0, "nobody went back");
        }
    }

    /// <summary>Whoever goes back goes to a checkpoint that is no older than the newest one at the time of each loss before.</summary>
    /// <param name="checkpoints">For each loss: how often the job had gone back until then, and the newest checkpoint.</param>
    /// <returns>How often somebody went back.</returns>
    private static int AssertNewest(List<(int Rollbacks, long Step)> checkpoints, string log)
    {
        int told = 0;
        foreach (string line in File.ReadLines(log))
        {
            var back = BackTo().Match(JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()!);
            if (!back.Success) continue;
            long step = back.Groups[1].Success ? long.Parse(back.Groups[1].Value, CultureInfo.InvariantCulture) : 0;
            long newest = checkpoints.Where(c => c.Rollbacks <= told).Select(c => c.Step).DefaultIfEmpty(0).Max();
            Assert.True(step >= newest, $"the checkpoint of step {newest} was there: {line}");
            told++;
        }
        return told;
    }

    [GeneratedRegex("state was lost: the job goes back to (?:the checkpoint of step ([0-9]+)|its beginning)")]
    private static partial Regex BackTo();

    /// <summary>Whom to kill when.</summary>
    private sealed class KillPlan(KillableCluster cluster, int replicas, long begin, int kills)
    {
        /// <summary>Every so many of servers and coordinators are followed by another kill during the recovery.</summary>
        private const int DoubleEvery = 3;

        private readonly Dictionary<NodeKind, int> _done = [];
        private readonly Random _random = new(1);
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private TimeSpan _nextWorker;

        /// <summary>Steps that are to come first; 0 = none after the first ones.</summary>
        private long _step;
        private int _others;

        public int Killed => _done.Values.Sum();

        public int InRecovery { get; private set; }

        /// <summary>Coordinators that were killed while they took over from one that had been.</summary>
        public int Successors { get; private set; }

        /// <summary>What is waited for; null = it is done.</summary>
        public string? Next => Killed >= kills && Kinds.All(k => Of(k) > 0) ? null : $"steps after {_step} or a worker to kill, after {this}";

        public int Of(NodeKind kind) => _done.GetValueOrDefault(kind);

        /// <summary>Which kind of process is to be killed in this state of the job: one with unfinished work; null = none yet.</summary>
        public NodeKind? Due(JsonElement job)
        {
            if (job.TryGetProperty("summary", out _) || job.GetProperty("status").GetString() != "training") return null;
            bool Has(NodeKind kind) => cluster.HoldersOf(job, kind).Any();
            var other = _others % 2 == 0 ? NodeKind.Server : NodeKind.Coordinator;
            // where there are few it comes last: a job of few steps would be over before it is back
            bool isTooEarly = other == NodeKind.Coordinator && kills < Many && Killed < kills - 1;
            // the state of a server that has no backup at the moment is not protected
            bool isUnprotected = replicas > 0 && job.TryGetProperty("unprotected", out _);
            // steps of before may be repeated first where there is no backup
            if (job.GetProperty("step").GetInt64() > Math.Max(begin, _step) && !isTooEarly && !isUnprotected && Has(other)) return other;
            bool isWorkersTurn = _others > 0 && _clock.Elapsed >= _nextWorker && job.GetProperty("step").GetInt64() >= begin;
            return isWorkersTurn && Has(NodeKind.Worker) ? NodeKind.Worker : null;
        }

        public async Task KillAsync(string id, JsonElement job, NodeKind kind)
        {
            // the oldest one
            ClusterProcess? First(NodeKind of) => cluster.HoldersOf(job, of).FirstOrDefault();
            var victim = First(kind)!;
            TestContext.Current.TestOutputHelper?.WriteLine($"{DateTime.UtcNow:HH:mm:ss} kill {Killed}: {kind}, {job}");
            await cluster.KillAsync(victim);
            Count(kind);
            if (kind == NodeKind.Worker)
            {
                _nextWorker = _clock.Elapsed + TimeSpan.FromSeconds(2 + (3 * _random.NextDouble()));
                return;
            }
            _step = job.GetProperty("step").GetInt64() + 20;
            if (++_others % DoubleEvery != 0 || Killed >= kills) return;
            var second = First(kind == NodeKind.Server && InRecovery / 2 % 2 == 1 ? NodeKind.Coordinator : NodeKind.Worker) ?? First(NodeKind.Coordinator)!;
            using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
            limit.CancelAfter(ProgramProcess.Patience);
            while (await cluster.IsAsync(id, j => IsUnaware(j, kind, victim)) is true) await look.WaitForNextTickAsync(limit.Token);
            await cluster.KillAsync(second);
            Count(second.Kind);
            InRecovery++;
            if (kind == NodeKind.Coordinator && second.Kind == NodeKind.Coordinator) Successors++;
        }

        public override string ToString() => $"{string.Join(", ", _done.Select(d => $"{d.Value} {d.Key}"))} killed, {InRecovery} of them during a recovery";

        private static bool IsUnaware(JsonElement job, NodeKind kind, ClusterProcess victim) => job.GetProperty("status").GetString() == "training"
            && kind == NodeKind.Server && job.GetProperty("servers").EnumerateArray().Any(s => s.GetProperty("node").GetString() == victim.Name);

        private void Count(NodeKind kind) => _done[kind] = Of(kind) + 1;
    }
}
