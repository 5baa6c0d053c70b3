using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Every sample is visited once an epoch, whoever is lost: counted from the tree nodes that the server of key 0 applied.</summary>
public sealed class SampleVisitsTests : IDisposable
{
    private const int Epochs = 6;
    private const int Samples = 103;

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Every_sample_is_applied_once_an_epoch_though_workers_are_lost()
    {
        var spec = JobHarness.SpecOf(workers: 4, servers: 2, shards: 7, epochs: Epochs);
        await using var harness = LinearCluster.Of(5, roles: [["server"], ["worker"], ["worker"], ["worker"], ["worker"]], logsSamples: true);
        var gates = new[] { new StepGate(step: 13), new StepGate(step: 31) };
        harness.Runtimes[1].BeforeLeaf = gates[0].Pass;
        harness.Runtimes[2].BeforeLeaf = gates[1].Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        for (int i = 0; i < 2; i++)
        {
            await gates[i].Reached(Token);
            await Task.WhenAll(harness.Jobs.KillAsync(1 + i), Task.Run(gates[i].Release, Token));
        }
        var (end, _) = await run;

        Assert.Equal((2, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
        AssertVisitedOnce(harness.Jobs);
    }

    /// <summary>The one of key 0, which counts, and another; in the middle of an epoch.</summary>
    [Fact]
    public async Task Every_sample_is_applied_once_an_epoch_though_backups_take_the_place_of_lost_servers()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 7, epochs: Epochs);
        spec = spec with { Training = spec.Training with { Replicas = 1 } };
        await using var harness = LinearCluster.Of(6, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"], ["server"]], logsSamples: true);
        var gates = new[] { new StepGate(step: 15), new StepGate(step: 38) };
        harness.Runtimes[1].BeforeLeaf = (plan, shard) => Array.ForEach(gates, g => g.Pass(plan, shard));

        var run = harness.Jobs.RunAsync(spec, Token);
        for (int i = 0; i < 2; i++)
        {
            await gates[i].Reached(Token);
            await harness.Jobs.SeededAsync(Token);
            await harness.Jobs.KillAsync(2 + i);
            gates[i].Release();
        }
        var (end, _) = await run;

        Assert.Equal(0, end.Summary.Rollbacks);
        Assert.InRange(end.Summary.ServerFailures, 2, 4);
        AssertVisitedOnce(harness.Jobs);
    }

    /// <summary>Sums of an epoch that is begun go on from those in the checkpoint.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Every_sample_is_applied_once_an_epoch_though_everyone_goes_back(bool checkpoints)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 7, epochs: Epochs) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]], logsSamples: true);
        if (checkpoints) harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(step: 28);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        // steps are faster than the disk
        if (checkpoints) await harness.Jobs.StatusAsync(j => j.Checkpoint is not null, Token);
        await harness.Jobs.KillAsync(2);
        gate.Release();
        var (end, _) = await run;

        Assert.Equal((1, 1), (end.Summary.ServerFailures, end.Summary.Rollbacks));
        AssertVisitedOnce(harness.Jobs);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(1, true)]
    public async Task Every_sample_is_applied_once_an_epoch_though_the_coordinator_is_lost(int replicas, bool withServer)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 7, epochs: Epochs) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        spec = spec with { Training = spec.Training with { Replicas = replicas } };
        string[][] roles = [[], ["worker"], ["worker"], ["server"], ["server"], ["server"]];
        List<LinearRuntime> runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true) { LogsSamples = true })];
        await using var harness = new JobHarness(runtimes, roles: roles, isJournaled: true);
        var gate = new StepGate(step: 28);
        runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await gate.Reached(Token);
        if (replicas > 0) await harness.SeededAsync(Token);
        await harness.KillCoordinatorAsync();
        // the server of key 0, which counts
        if (withServer) await harness.KillAsync(3);
        gate.Release();
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        var (summary, _) = await run;

        Assert.Equal((1, withServer && replicas == 0 ? 1 : 0), (summary.CoordinatorRestarts, summary.Rollbacks));
        Assert.Equal(withServer, summary.ServerFailures > 0);
        AssertVisitedOnce(harness);
    }

    /// <summary>In every row that was told of an epoch, also by a server that was lost, or to a coordinator that was.</summary>
    private static void AssertVisitedOnce(JobHarness harness)
    {
        var rows = harness.Wires.SelectMany(w => w.Body switch
        {
            TrainRow row => [row],
            RowsKept kept => kept.NewTrain,
            _ => Array.Empty<TrainRow>(),
        }).ToList();
        Assert.Equal(Enumerable.Range(1, Epochs).Select(e => (long)e * 11), rows.Select(r => r.Step).Distinct().Order());
        foreach (var row in rows)
        {
            var visits = row.Metrics.ToMetrics().Where(m => m.Key.StartsWith("sample-", StringComparison.Ordinal)).ToList();
            Assert.Equal(Samples, visits.Count);
            Assert.All(visits, visit => Assert.Equal((1, 1), (visit.Value.Sum, visit.Value.Weight)));
        }
    }
}
