using System.Globalization;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>The coordinator dies while servers and workers go on: whoever comes after it adopts them.</summary>
public sealed class LossOfCoordinatorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Steps_go_on_to_the_next_barrier_and_the_next_coordinator_adopts_what_runs(bool replicated)
    {
        var spec = Spec(replicated ? 1 : 0);
        var (expected, rows) = await Undisturbed(spec);
        await using var harness = Harness(out var runtimes);
        var gate = new StepGate(step: 25);
        var later = new StepGate(step: 28);
        runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await gate.Reached(Token);
        await harness.KillCoordinatorAsync();
        gate.Release();
        // without anybody who leads it
        await later.Reached(Token);
        later.Release();
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        var (summary, sink) = await run;

        AssertSame(expected, summary);
        Assert.Equal((1, 0, 0, 0), (summary.CoordinatorRestarts, summary.Rollbacks, summary.WorkerFailures, summary.ServerFailures));
        Assert.Equal(rows, Rows(sink));
    }

    [Fact]
    public async Task Coordinators_are_lost_one_after_the_other_and_every_row_is_written_once()
    {
        var spec = Spec(replicas: 1);
        var (expected, rows) = await Undisturbed(spec);
        await using var harness = Harness(out var runtimes);
        var gates = Enumerable.Range(1, 6).Select(i => new StepGate(step: 12 * i)).ToList();
        runtimes[1].BeforeLeaf = (plan, shard) => gates.ForEach(g => g.Pass(plan, shard));

        var run = harness.RunDurableAsync(spec, _folder, Token);
        foreach (var gate in gates)
        {
            await gate.Reached(Token);
            await harness.KillCoordinatorAsync();
            gate.Release();
            harness.RestartCoordinator(new LinearRuntime(buffers: true));
        }
        var (summary, sink) = await run;

        AssertSame(expected, summary);
        Assert.Equal((6, 0), (summary.CoordinatorRestarts, summary.Rollbacks));
        Assert.Equal(rows, Rows(sink));
        // at most the step under way is done again by each
        Assert.InRange(summary.StepsComputed, summary.Steps, summary.Steps + 6);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    public async Task A_server_that_dies_with_the_coordinator_is_replaced_by_its_backup_or_everyone_goes_back(int replicas, int rollbacks)
    {
        var spec = Spec(replicas) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        var (expected, rows) = await Undisturbed(spec);
        await using var harness = Harness(out var runtimes);
        var gate = new StepGate(step: 25);
        runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await gate.Reached(Token);
        if (replicas > 0) await harness.SeededAsync(Token);
        await harness.KillCoordinatorAsync();
        // the server of key 0: the first server node that was offered
        await harness.KillAsync(3);
        gate.Release();
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        var (summary, sink) = await run;

        AssertSame(expected, summary);
        Assert.Equal((1, rollbacks), (summary.CoordinatorRestarts, summary.Rollbacks));
        Assert.True(summary.ServerFailures > 0);
        Assert.Equal(rows, Rows(sink));
        string[] back = [.. sink.Lines.Select(l => l.Text).Where(t => t.Contains("goes back to"))];
        Assert.Equal(rollbacks, back.Length);
        Assert.All(back, text => Assert.Matches(@"^(server state was lost:|another node was lost meanwhile: instead) the job goes back to the checkpoint of step \d+$", text));
        if (rollbacks == 0) return;
        // step 25 was under way when all of it was lost, and is known from the nodes that are left
        long step = long.Parse(back[0][(back[0].LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
        Assert.InRange(summary.StepsComputed - summary.Steps, 25 - step - 1, 25 - step + 1);
    }

    [Fact]
    public async Task What_was_computed_again_counts_though_the_coordinator_dies_before_it_has_stored_it()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 8);
        spec = spec with { Training = spec.Training with { WorkersMin = 1 } };
        string[][] roles = [[], ["worker"], ["server"], ["server"]];
        LinearRuntime[] runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true))];
        await using var harness = new JobHarness(runtimes, slots: 1, roles: roles, isJournaled: true);
        harness.HoldsMessage = body => body is ShardsRedone;
        var hold = new StepGate(step: 0);
        runtimes[1].BeforeLeaf = (plan, shard) => Volatile.Read(ref hold).Pass(plan, shard);

        var run = harness.RunDurableAsync(spec, _folder, Token);
        for (int i = 0; i < 3; i++)
        {
            await hold.Reached(Token);
            var joins = new LinearRuntime(buffers: true);
            var computes = new StepGate(step: 0);
            int assignment = (2 * i) + 1;
            // a step that began before it came has others for all of its shards
            joins.BeforeLeaf = (plan, shard) =>
            {
                if (plan.Assignment == assignment) computes.Pass(plan, shard);
            };
            int node = harness.Join(joins, "worker");
            await harness.HeardAsync(d => d.Body is JobStarted && d.From == harness.IdOf(node), 1, Token);
            hold.Release();
            await computes.Reached(Token);
            var next = new StepGate(step: 0);
            Volatile.Write(ref hold, next);
            await Task.WhenAll(harness.KillAsync(node), Task.Run(computes.Release, Token));
            await next.Reached(Token);
            // two of the four shards are in the place of the lost one's, as soon as this worker and both servers have heard of the loss
            await harness.HeardAsync(d => d.Body is Assign { Placement.Replicas.Length: 1 }, 3 * (i + 1), Token);
        }
        await harness.KillCoordinatorAsync();
        harness.HoldsMessage = null;
        hold.Release();
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        var (summary, _) = await run;

        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(3, summary.WorkerFailures);
        // six shards by three losses, and some of the step under way at the takeover: four of them make a step
        Assert.InRange(summary.StepsComputed - summary.Steps, 2, 3);
    }

    [Fact]
    public async Task A_coordinator_that_was_replaced_is_not_listened_to()
    {
        var spec = Spec(replicas: 0);
        var (expected, _) = await Undisturbed(spec);
        await using var harness = Harness(out var runtimes);
        var gate = new StepGate(step: 25);
        runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await gate.Reached(Token);
        await harness.KillCoordinatorAsync();
        int next = harness.RestartCoordinator(new LinearRuntime(buffers: true));
        await harness.HeardAsync(d => d.Body is JobStarted { JobEpoch: 2 }, 4, Token);
        // what the first one might still have on its way
        foreach (int node in new[] { 1, 2, 3, 4 })
        {
            harness.SendAs(0, node, NodeActors.Agent, new EndJob("it was given up", 1));
            harness.SendAs(0, node, NodeActors.Server(0), new RequestStop((int)StopReason.Cancelled));
            harness.SendAs(0, node, NodeActors.Server(0), new PublishSelected(26));
        }
        gate.Release();
        var (summary, _) = await run;

        Assert.Equal(5, next);
        AssertSame(expected, summary);
    }

    private static TrainingSpec Spec(int replicas)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 8);
        return spec with { Training = spec.Training with { Replicas = replicas, WorkerTimeout = 60 } };
    }

    /// <summary>A coordinator that takes no part, two workers, two servers.</summary>
    private static JobHarness Harness(out IReadOnlyList<LinearRuntime> runtimes)
    {
        string[][] roles = [[], ["worker"], ["worker"], ["server"], ["server"]];
        runtimes = [.. roles.Select(_ => new LinearRuntime(buffers: true))];
        return new JobHarness(runtimes, roles: roles, isJournaled: true);
    }

    private static async Task<(RunSummary Summary, IReadOnlyList<string> Rows)> Undisturbed(TrainingSpec spec)
    {
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], isAlone: true);
        var (end, sink) = await harness.RunAsync(spec with { Training = spec.Training with { Replicas = 0 } }, Token);
        return (end.Summary, Rows(sink));
    }

    private static List<string> Rows(RecordingSink sink) =>
        [.. sink.Rows.Select(r => $"{r.Split} {r.Step} {r.Epoch} {string.Join(" ", r.Metrics.Select(m => $"{m.Key}={m.Value:R}"))}")];
}
