using System.Collections.Concurrent;
using Akka.Actor;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary>
/// Every batch strategy of the catalogue, with the scalings of the learning rate that differ in what they remember: bits that do not depend on
/// workers and servers, and that an interruption, a lost server and a lost coordinator leave as they are.
/// </summary>
public sealed class BatchTests : IDisposable
{
    private const int Train = 103;

    /// <summary>Options by which a strategy shows in so small a run what it does; others have their defaults.</summary>
    private static readonly Dictionary<string, object> Small = new()
    {
        ["fixed"] = new FixedBatchOptions { Size = 20 },
        ["random"] = new RandomBatchOptions { Min = 3, Max = 30 },
        ["growing"] = new GrowingBatchOptions { Size = 7, Factor = 1.5, Every = 1, MaxSize = 30 },
        ["noise-scale"] = new NoiseScaleBatchOptions { Size = 10, MinSize = 4, MaxSize = 60, Interval = 3 },
    };

    private static readonly ConcurrentDictionary<string, Task<Undisturbed>> Runs = [];

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static IEnumerable<string> Names => BatchCatalog.Default.Entries.Select(e => e.Name);

    public static TheoryData<string, LearningRateScaling, int> Everything => [.. from name in Names
        from scaling in new[] { LearningRateScaling.Linear, LearningRateScaling.Adascale }
        from shards in new[] { 1, 4 }
        select (name, scaling, shards)];

    /// <summary>What remembers most: every strategy with measured noise, from leaves and from consecutive gradients.</summary>
    public static TheoryData<string, int> Measured => [.. from name in Names from shards in new[] { 1, 4 } select (name, shards)];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Everything))]
    public async Task The_bits_do_not_depend_on_workers_servers_and_nodes(string name, LearningRateScaling scaling, int shards)
    {
        var spec = Spec(name, scaling, shards);
        var (expected, rows, visits) = await RunOf(spec);
        Assert.Equal(RunStatus.Completed, expected.Status);
        foreach (var epoch in visits.GroupBy(v => v.Epoch).Where(g => g.Key < expected.Epochs))
            Assert.Equal(Enumerable.Range(0, Train).Select(i => (long)i), epoch.Select(v => v.Sample).Order());
        foreach (var (workers, servers, nodes) in new[] { (1, 3, 1), (4, 2, 3) })
        {
            await using var harness = new JobHarness([.. Enumerable.Range(0, nodes).Select(_ => new LinearRuntime())], isAlone: nodes == 1);
            var (end, sink) = await harness.RunAsync(With(spec, Math.Min(workers, shards), servers), Token);

            Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
            Assert.Equal(expected.WeightsSha256, end.Summary.WeightsSha256);
            Assert.Equal(rows, Rows(sink));
        }
    }

    /// <summary>Goes on with other numbers of workers and servers than before.</summary>
    [Theory, MemberData(nameof(Everything))]
    public async Task A_run_that_is_interrupted_in_the_middle_goes_on_to_the_same_bits(string name, LearningRateScaling scaling, int shards)
    {
        var spec = Spec(name, scaling, shards);
        var (expected, rows, _) = await RunOf(spec);
        var first = new LinearRuntime();
        await using (var harness = new JobHarness([first]) { CheckpointDirectory = _folder })
            await harness.InterruptAsync(spec, first, expected.Steps / 2, Token);
        await using var second = new JobHarness([new LinearRuntime(), new LinearRuntime()]) { CheckpointDirectory = _folder, Resumes = true };

        var (end, sink) = await second.RunAsync(With(spec, Math.Min(3, shards), 2), Token);

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.InRange(sink.Start!.Resumed!.Step, 1, expected.Steps - 1);
        Assert.Equal((expected.WeightsSha256, expected.Steps, expected.Samples), (end.Summary.WeightsSha256, end.Summary.Steps, end.Summary.Samples));
        var told = Rows(sink);
        Assert.NotEmpty(told);
        Assert.Equal(rows[^told.Count..], told);
    }

    [Theory, MemberData(nameof(Measured))]
    public async Task The_backup_of_the_server_that_plans_takes_over_with_the_same_bits(string name, int shards)
    {
        var spec = Spec(name, LearningRateScaling.Adascale, shards);
        var (expected, _, _) = await RunOf(spec);
        spec = spec with { Training = spec.Training with { Servers = 2, Workers = Math.Min(2, shards), Replicas = 1, WorkerTimeout = 120 } };
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        var gate = new StepGate(expected.Steps / 2);
        harness.Runtimes[0].BeforeLeaf = harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.KillAsync(2);
        gate.Release();
        var (end, _) = await run;

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal((expected.WeightsSha256, expected.Steps, 0), (end.Summary.WeightsSha256, end.Summary.Steps, end.Summary.Rollbacks));
        Assert.InRange(end.Summary.ServerFailures, 1, 2);
    }

    [Theory, MemberData(nameof(Measured))]
    public async Task A_lost_server_without_a_backup_sends_everyone_back_and_to_the_same_bits(string name, int shards)
    {
        var spec = Spec(name, LearningRateScaling.Adascale, shards);
        var (expected, _, _) = await RunOf(spec);
        spec = With(spec, Math.Min(2, shards), servers: 2) with { Checkpoint = new CheckpointSection { EverySteps = 2 } };
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(expected.Steps / 2);
        harness.Runtimes[0].BeforeLeaf = harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.StatusAsync(j => j.Checkpoint is not null, Token);
        await harness.Jobs.KillAsync(3);
        gate.Release();
        var (end, _) = await run;

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal((expected.WeightsSha256, expected.Steps, 1), (end.Summary.WeightsSha256, end.Summary.Steps, end.Summary.Rollbacks));
    }

    /// <summary>
    /// Server 0 is lost with a step that its backup knows nothing of, while server 1 has applied it and is lost too: its backup tells what it measured of
    /// leaves that it never had.
    /// </summary>
    [Fact]
    public async Task What_a_lost_server_has_measured_of_leaves_is_told_by_its_backup()
    {
        var spec = Spec("noise-scale", LearningRateScaling.Adascale, 4);
        var (expected, _, _) = await RunOf(spec);
        spec = spec with { Training = spec.Training with { Servers = 2, Workers = 2, Replicas = 1, WorkerTimeout = 120 } };
        await using var harness = LinearCluster.Of(6, slots: 1, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"], ["server"]]);
        long step = expected.Steps / 2;
        harness.Jobs.Holds = header => header is { Kind: TensorKind.Replicate, JobEpoch: 1, To.Index: 0 } && header.Step == step;
        var isProtected = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header.Kind == TensorKind.Replicated && header.Step == step + 1 && header.To.Index == 1) isProtected.TrySetResult();
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await isProtected.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await Task.WhenAll(harness.Jobs.KillAsync(2), harness.Jobs.KillAsync(3));
        var (end, _) = await run;

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal((expected.WeightsSha256, expected.Steps, 0), (end.Summary.WeightsSha256, end.Summary.Steps, end.Summary.Rollbacks));
    }

    [Fact]
    public async Task Another_coordinator_goes_on_with_what_the_servers_have_reached()
    {
        var spec = Spec("noise-scale", LearningRateScaling.Adascale, 4);
        var (expected, rows, _) = await RunOf(spec);
        var runtimes = Enumerable.Range(0, 3).Select(_ => new LinearRuntime()).ToList();
        await using var harness = new JobHarness(runtimes, roles: [[], ["worker", "server"], ["worker", "server"]], isJournaled: true);
        var gate = new StepGate(expected.Steps / 2);
        runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.RunDurableAsync(With(spec, workers: 2, servers: 2), _folder, Token);
        await gate.Reached(Token);
        await harness.KillCoordinatorAsync();
        gate.Release();
        harness.RestartCoordinator(new LinearRuntime());
        var (summary, sink) = await run;

        Assert.Equal((RunStatus.Completed, 1, 0), (summary.Status, summary.CoordinatorRestarts, summary.Rollbacks));
        Assert.Equal((expected.WeightsSha256, expected.Steps, expected.Samples), (summary.WeightsSha256, summary.Steps, summary.Samples));
        Assert.Equal(rows, Rows(sink));
    }

    [Theory]
    [InlineData("noise-scale", LearningRateScaling.None)]
    [InlineData("growing", LearningRateScaling.Linear)]
    [InlineData("fixed", LearningRateScaling.Adascale)]
    [InlineData("fixed", LearningRateScaling.None)]
    public async Task Rows_tell_the_batch_and_its_reason(string name, LearningRateScaling scaling)
    {
        await using var harness = new JobHarness([new LinearRuntime()]);
        var (_, sink) = await harness.RunAsync(Spec(name, scaling, 4), Token);
        var rows = sink.Rows.Where(r => r.Split == DataSplit.Train).ToList();

        Assert.All(rows, r => Assert.Equal(name == "fixed", r.BatchReason is null));
        Assert.Equal(scaling == LearningRateScaling.Adascale, rows.All(r => r.AdascaleGain > 0));
        bool measures = name == "noise-scale" || scaling == LearningRateScaling.Adascale;
        Assert.Equal(measures, rows.Any(r => r.NoiseScale > 0));
        Assert.DoesNotContain(rows.SelectMany(r => r.Metrics), m => m.Key.StartsWith('#'));
        if (name == "growing")
        {
            Assert.Equal((7, "start", 1e-3 * 7 / 5), (rows[0].BatchSize!.Value, rows[0].BatchReason, rows[0].LearningRate!.Value));
            Assert.Contains(rows, r => r is { BatchReason: "growth", BatchSize: > 7 });
        }
    }

    [Theory]
    [InlineData("fixed", false, false)]
    [InlineData("fixed", true, true)]
    [InlineData("noise-scale", false, true)]
    public async Task Rows_tell_the_gradients_norm_where_norms_are_measured_anyway(string name, bool clips, bool isTold)
    {
        await using var harness = new JobHarness([new LinearRuntime()]);
        var spec = Spec(name, LearningRateScaling.None, 4) with { Clip = new ClipSection { GlobalNorm = clips ? 1e-3 : null } };
        var (_, sink) = await harness.RunAsync(spec, Token);
        var rows = sink.Rows.Where(r => r.Split == DataSplit.Train).ToList();
        Assert.NotEmpty(rows);
        // before clipping
        Assert.All(rows, r => Assert.Equal(isTold, r.Get("gradient_norm") > 1e-2));
    }

    private static TrainingSpec Spec(string name, LearningRateScaling scaling, int shards)
    {
        var entry = BatchCatalog.Default.Entries.Single(e => e.Name == name);
        var spec = JobHarness.SpecOf(workers: 1, servers: 1, shards: shards, epochs: name == "full" ? 8 : 4);
        return spec with
        {
            Batch = new BatchSpec(name, Small.TryGetValue(name, out object? small) ? small : Activator.CreateInstance(entry.OptionsType)!)
            {
                LearningRateScaling = scaling,
                BaseSize = scaling == LearningRateScaling.None ? null : 5,
                NoiseSmoothing = 0.8,
                NoiseNorm = name is "growing" or "random" && scaling == LearningRateScaling.Adascale ? NoiseNorm.Plain : NoiseNorm.Auto,
            },
            Clip = new ClipSection { GlobalNorm = shards == 1 ? null : 100 },
            Optimizer = new OptimizerSpec("adam", new AdamOptions { LearningRate = 1e-3 }),
            Training = spec.Training with { LogEverySteps = 2 },
        };
    }

    private static TrainingSpec With(TrainingSpec spec, int workers, int servers) =>
        spec with { Training = spec.Training with { Workers = workers, Servers = servers } };

    private sealed record Undisturbed(RunSummary Summary, List<string> Rows, List<(int Epoch, long Sample)> Visits);

    private static Task<Undisturbed> RunOf(TrainingSpec spec) =>
        Runs.GetOrAdd($"{spec.Batch} {spec.Training.GradientShards}", _ => RunUndisturbed(spec));

    private static async Task<Undisturbed> RunUndisturbed(TrainingSpec spec)
    {
        var runtime = new LinearRuntime();
        var epochs = new ConcurrentDictionary<long, int>();
        runtime.BeforeLeaf = (plan, _) => epochs[plan.Step] = plan.Epoch;
        await using var harness = new JobHarness([runtime]);
        var (end, sink) = await harness.RunAsync(spec, Token);
        return new(end.Summary, Rows(sink), [.. runtime.Visits.Select(v => (epochs[v.Step], v.Sample))]);
    }

    private static List<string> Rows(RecordingSink sink) => [.. sink.Rows.Where(r => r.Split != DataSplit.Test).Select(r =>
        $"{r.Split} {r.Step} {r.Epoch} {r.Get("loss"):R} {r.Get("gradient_norm"):R} "
        + $"{r.LearningRate:R} {r.BatchSize} {r.BatchReason} {r.NoiseScale:R} {r.AdascaleGain:R}")];
}
