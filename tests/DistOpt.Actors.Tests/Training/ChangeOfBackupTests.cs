using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>A backup leaves and another takes its place: what the former one had counts for nothing there.</summary>
public sealed class ChangeOfBackupTests
{
    private const int Server = 2;
    private const int Former = 3;
    private static readonly TimeSpan Limit = Eventually.Patience;
    private static readonly string[][] Roles = [["worker"], ["worker"], ["server"], ["server"], ["server"]];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static TrainingSpec SpecOf(int servers)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: servers, shards: 4, epochs: 10);
        return spec with { Training = spec.Training with { Replicas = 1 } };
    }

    [Fact]
    public async Task It_is_not_called_seeded_before_it_has_the_state()
    {
        // a third node has part in the job already, so that the one takes the other's place at once
        var spec = SpecOf(servers: 2);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: Roles);
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;
        var isSeeding = Signal();
        harness.Jobs.Holds = header =>
        {
            if (header.Kind != TensorKind.Restore) return false;
            isSeeding.TrySetResult();
            return true;
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        var placed = harness.Jobs.Wires.Select(w => w.Body).OfType<StartJob>().First().Placement;
        Assert.Equal(harness.Jobs.IdOf(Server), placed.Servers[0].Peer.Node);
        Assert.Equal(harness.Jobs.IdOf(4), placed.Servers[0].Backup?.Node);
        var leaving = harness.Jobs.LeaveAsync(4, Token);
        await isSeeding.Task.WaitAsync(Limit, Token);
        gate.Release();
        // in the order of its messages
        await SaysAsync(harness.Jobs);
        Assert.DoesNotContain(harness.Jobs.Wires, w => w.Body is BackupSeeded);
        harness.Jobs.LetGo(_ => true);
        await leaving;
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Contains(harness.Jobs.Wires, w => w.Body is BackupSeeded seeded && seeded.Backup == harness.Jobs.IdOf(3));
    }

    [Fact]
    public async Task What_the_former_one_acknowledges_late_does_not_let_the_server_run_ahead_of_it()
    {
        const int step = 60;
        var spec = SpecOf(servers: 1);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: Roles);
        var (isAcknowledged, isSeeding) = (Signal(), Signal());
        harness.Jobs.Holds = header =>
        {
            switch (header.Kind)
            {
                case TensorKind.Restore:
                    isSeeding.TrySetResult();
                    return true;
                case TensorKind.Replicated when header.Step >= step && !isSeeding.Task.IsCompleted:
                    isAcknowledged.TrySetResult();
                    return true;
                default:
                    return false;
            }
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await isAcknowledged.Task.WaitAsync(Limit, Token);
        var leaving = harness.Jobs.LeaveAsync(Former, Token);
        await isSeeding.Task.WaitAsync(Limit, Token);
        harness.Jobs.LetGo(header => header.Kind == TensorKind.Replicated);
        // as many steps as it may be ahead of one that is being seeded, and then it waits
        await SaysAsync(harness.Jobs);
        harness.Jobs.LetGo(_ => true);
        await leaving;
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
    }

    /// <summary>Asks the server whom it waits for, until it says that it is the backup.</summary>
    private static Task SaysAsync(JobHarness jobs) =>
        jobs.SaysAsync(Server, NodeActors.Server(0), waiting => waiting.Whom.Any(w => w.Contains("the backup of server 0")), Token);

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
