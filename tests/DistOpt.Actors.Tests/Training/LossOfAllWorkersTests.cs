using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Every worker is lost, and the servers are there: they hold the state until other workers come, and nobody goes back.</summary>
public sealed class LossOfAllWorkersTests
{
    private static readonly string[] Worker = ["worker"], Server = ["server"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(1, true)]
    [InlineData(3, true)]
    public async Task Steps_go_on_with_the_next_worker_to_come(int servers, bool norms)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers, shards: 5, epochs: 4);
        var summary = await LoseInAStepAsync(norms ? JobHarness.WithNorms(spec) : spec, (harness, release) => LoseAsync(harness, release, 1, 2));

        Assert.Equal((2, 0, 0), (summary.WorkerFailures, summary.ServerFailures, summary.Rollbacks));
    }

    [Fact]
    public async Task A_server_goes_with_them_and_its_backup_takes_its_place()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 5, epochs: 4);
        spec = spec with { Training = spec.Training with { Replicas = 1 } };
        var summary = await LoseInAStepAsync(spec, async (harness, release) =>
        {
            await LoseAsync(harness, release, 1, 2, 3);
            harness.Jobs.Join(new LinearRuntime(buffers: true), Server);
        });

        Assert.Equal(0, summary.Rollbacks);
    }

    [Fact]
    public async Task A_server_without_a_backup_goes_after_them_and_everyone_begins_anew()
    {
        var summary = await LoseInAStepAsync(JobHarness.SpecOf(workers: 2, servers: 2, shards: 5, epochs: 4), async (harness, release) =>
        {
            await LoseAsync(harness, release, 1, 2);
            await harness.Jobs.KillAsync(3);
        });

        Assert.Equal((2, 1, 1), (summary.WorkerFailures, summary.ServerFailures, summary.Rollbacks));
    }

    [Fact]
    public async Task They_are_lost_while_they_evaluate()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 5, epochs: 4);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(6, roles: [[], Worker, Worker, Server, Server, Server]);
        var gate = new EvaluationGate();
        foreach (int worker in (int[])[1, 2]) harness.Runtimes[worker].BeforeEvaluation = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached;
        await LoseAsync(harness, gate.Release, 1, 2);
        harness.Jobs.Join(new LinearRuntime(buffers: true), Worker);
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((2, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_none_comes_the_job_fails_and_says_so_and_an_attempt_at_a_trial_is_lost(bool isTrial)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 4);
        spec = spec with { Training = spec.Training with { NodeTimeout = 0.5 } };
        await using var harness = LinearCluster.Of(4, roles: [[], Worker, Worker, Server]);
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token, trial: isTrial ? new TrialPart() : null);
        await gate.Reached(Token);
        await LoseAsync(harness, gate.Release, 1, 2);
        var (end, _) = await run;

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Equal(isTrial ? end.Summary.Error : null, end.Lost);
        Assert.Contains("(training.node_timeout): the job waits for a node with a worker slot", end.Summary.Error);
    }

    /// <summary>
    /// Runs a job whose nodes are lost in the middle of a step; another worker joins, and it ends as the undisturbed one. Nodes 1 and 2 are its workers,
    /// 3 to 5 may hold servers.
    /// </summary>
    private static async Task<RunSummary> LoseInAStepAsync(TrainingSpec spec, Func<LinearCluster, Action, Task> lose)
    {
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(6, roles: [[], Worker, Worker, Server, Server, Server]);
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await lose(harness, gate.Release);
        harness.Jobs.Join(new LinearRuntime(buffers: true), Worker);
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        return end.Summary;
    }

    /// <summary>The nodes are lost, and the job has taken notice.</summary>
    private static async Task LoseAsync(LinearCluster harness, Action release, params int[] nodes)
    {
        // dead from here on, and stopped once they are let go
        var kills = nodes.Select(harness.Jobs.KillAsync).ToList();
        release();
        await Task.WhenAll(kills);
        await harness.Jobs.HeardAsync(w => w.Body is Assign { Placement.Replicas.Length: 0 }, 1, Token);
    }
}
