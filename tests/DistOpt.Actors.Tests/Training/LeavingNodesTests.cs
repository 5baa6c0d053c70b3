using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Nodes that say that they leave hand over what they have first: nobody goes back, and the bits are those of the undisturbed run.</summary>
public sealed class LeavingNodesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(3, 1)]
    public async Task Servers_without_a_backup_are_handed_over_while_steps_go_on(int servers, int replicas)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: servers, shards: 5, epochs: 40);
        var expected = await Undisturbed(spec);
        spec = spec with { Training = spec.Training with { Replicas = replicas } };
        await using var harness = LinearCluster.Of(6, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"], ["server"]]);
        var gates = new[] { new StepGate(step: 23), new StepGate(step: 120) };
        harness.Runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            foreach (var gate in gates) gate.Pass(plan, shard);
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        for (int i = 0; i < gates.Length; i++)
        {
            await gates[i].Reached(Token);
            var leaving = harness.Jobs.LeaveAsync(2 + i, Token);
            gates[i].Release();
            await leaving;
        }
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((0, 0, 0), (end.Summary.Rollbacks, end.Summary.ServerFailures, end.Summary.WorkerFailures));
        Assert.Contains(sink.Lines, l => l.Text.StartsWith("node name-2 leaves: others have taken over", StringComparison.Ordinal));
        Assert.DoesNotContain(sink.Lines, l => l.Text.Contains("was lost"));
    }

    [Fact]
    public async Task Workers_that_leave_hand_their_shards_to_others_and_get_none_any_more()
    {
        var spec = JobHarness.SpecOf(workers: 3, servers: 1, shards: 6, epochs: 20);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(4, roles: [["server"], ["worker"], ["worker"], ["worker"]], slots: 2);
        var gate = new StepGate(step: 30);
        harness.Runtimes[2].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        var leaving = harness.Jobs.LeaveAsync(1, Token);
        gate.Release();
        await leaving;
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((0, 0), (end.Summary.Rollbacks, end.Summary.WorkerFailures));
        // its worker has moved to a slot that was free
        Assert.Equal(3, end.Summary.Workers);
    }

    [Fact]
    public async Task A_node_that_nobody_needs_may_leave_at_once_and_gets_nothing_new()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 2);
        await using var harness = LinearCluster.Of(3, slots: 2);

        await harness.Jobs.LeaveAsync(1, Token);
        var (end, _) = await harness.Jobs.RunAsync(spec, Token);

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        Assert.Empty(harness.Runtimes[1].Visits);
    }

    [Fact]
    public async Task Where_nobody_can_take_over_a_checkpoint_is_written_before_the_node_may_leave()
    {
        var spec = JobHarness.SpecOf(workers: 1, servers: 1, shards: 4, epochs: 300) with { Checkpoint = new CheckpointSection { EverySteps = 100_000 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(2, roles: [[], ["worker", "server"]]);
        harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(step: 57);
        // far from the end, however fast steps are
        var last = new StepGate(step: 2000);
        harness.Runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            last.Pass(plan, shard);
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        var leaving = harness.Jobs.LeaveAsync(1, Token);
        gate.Release();
        await harness.Jobs.HeardAsync(d => d.Body is NodeReleased, 1, Token);
        last.Release();
        await leaving;
        harness.Jobs.Join(new LinearRuntime(buffers: true));
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(1, end.Summary.Rollbacks);
        Assert.True(sink.Lines.Any(l => l.Text.Contains("goes back to the checkpoint of step")), string.Join("\n", sink.Lines.Select(l => l.Text)));
    }

    [Fact]
    public async Task Whoever_is_asked_to_drain_hears_it_by_its_name()
    {
        await using var harness = LinearCluster.Of(2);
        // nobody is known before its offer has come
        NodeList nodes;
        do nodes = await harness.Jobs.Coordinator.Ask<NodeList>(new ListNodes(), Token);
        while (nodes.Nodes.Count < 2);
        var known = await harness.Jobs.Coordinator.Ask<DrainAnswer>(new DrainNodeNamed("name-1"), Token);
        var unknown = await harness.Jobs.Coordinator.Ask<DrainAnswer>(new DrainNodeNamed("name-9"), Token);

        // another incarnation of that name: a command that comes again does not reach it
        var former = await harness.Jobs.Coordinator.Ask<DrainAnswer>(new DrainNodeNamed("name-0", new NodeId("node-9")), Token);

        Assert.Equal((true, false, false), (known.Known, unknown.Known, former.Known));
        await harness.Jobs.HeardAsync(d => d.Body is DrainNode, 1, Token);
        Assert.Single(harness.Jobs.Wires, d => d.Body is DrainNode);
    }
}
