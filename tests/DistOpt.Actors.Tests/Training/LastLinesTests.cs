using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary>What nodes wrote: it is in the job's log once, and the last of it stands with their loss.</summary>
public sealed class LastLinesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_lost_node_is_shown_with_what_it_had_and_its_last_lines()
    {
        var runtimes = Runtimes(3);
        var (gate, after) = (new StepGate(step: 7), new StepGate(step: 8));
        runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            after.Pass(plan, shard);
        };
        await using var harness = new JobHarness(runtimes, roles: [["server"], ["worker"], ["worker"]]);

        var run = harness.RunAsync(JobHarness.SpecOf(workers: 2, epochs: 4), Token);
        await gate.Reached(Token);
        for (int i = 0; i < 30; i++) harness.Write(2, $"line {i}");
        await harness.LoggedAsync(2, 30, Token);
        await Task.WhenAll(harness.KillAsync(2), Task.Run(gate.Release, Token));
        var status = await harness.StatusAsync(s => s.Failures.Count > 0, Token);
        // whoever has seen its end tells more
        harness.Tell(new NodeGone(harness.IdOf(2), "its process ended with exit code 134 (SIGABRT)") { LastLines = ["line 29", "terminate called"] });
        var amended = await harness.StatusAsync(s => s.Failures[0].Why.Contains("exit code"), Token);
        after.Release();
        var (end, _) = await run;

        var failure = Assert.Single(status.Failures);
        Assert.Equal("worker 1", failure.Roles);
        Assert.Equal("it was killed", failure.Why);
        Assert.Equal(Enumerable.Range(10, 20).Select(i => $"line {i}"), failure.LastLines);
        Assert.Null(failure.Stack);
        Assert.Equal("its process ended with exit code 134 (SIGABRT)", Assert.Single(amended.Failures).Why);
        Assert.Equal([.. Enumerable.Range(11, 19).Select(i => $"line {i}"), "terminate called"], amended.Failures[0].LastLines);
        Assert.Equal(amended.Failures, end.Summary.Failures);
    }

    [Fact]
    public async Task Lines_that_are_written_without_a_coordinator_are_logged_once_by_the_next_one_and_losses_are_remembered()
    {
        string[][] roles = [[], ["worker"], ["worker"], ["worker"], ["server"]];
        var runtimes = Runtimes(roles.Length);
        var (gate, later) = (new StepGate(step: 25), new StepGate(step: 27));
        runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            gate.Pass(plan, shard);
            later.Pass(plan, shard);
        };
        await using var harness = new JobHarness(runtimes, roles: roles, isJournaled: true);
        var spec = JobHarness.SpecOf(workers: 3, servers: 1, shards: 6, epochs: 8);

        var run = harness.RunDurableAsync(spec, _folder, Token);
        await gate.Reached(Token);
        harness.Write(3, "the last words of node 3");
        harness.Write(1, "before");
        await harness.LoggedAsync(3, 1, Token);
        await harness.LoggedAsync(1, 1, Token);
        await harness.KillAsync(3);
        await harness.HeardAsync(d => d.Body is JobStarted { Assignment: 1 }, 3, Token);
        await harness.KillCoordinatorAsync();
        gate.Release();
        await later.Reached(Token);
        for (int i = 0; i < 5; i++) harness.Write(1, $"alone {i}");
        harness.Write(2, "alone too");
        harness.RestartCoordinator(new LinearRuntime(buffers: true));
        await harness.LoggedAsync(1, 6, Token);
        await harness.LoggedAsync(2, 1, Token);
        harness.Write(1, "after");
        await harness.LoggedAsync(1, 7, Token);
        later.Release();
        var (summary, sink) = await run;

        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(["before", "alone 0", "alone 1", "alone 2", "alone 3", "alone 4", "after"], sink.Lines.Where(l => l.Node == "name-1").Select(l => l.Text));
        Assert.Equal(["alone too"], sink.Lines.Where(l => l.Node == "name-2").Select(l => l.Text));
        var failure = Assert.Single(summary.Failures);
        Assert.Equal(["the last words of node 3"], failure.LastLines);
    }

    [Fact]
    public async Task Lines_that_are_written_while_the_job_is_prepared_are_in_its_log()
    {
        var runtimes = Runtimes(2);
        JobHarness? harness = null;
        runtimes[1].BeforeOpen = () => harness!.Write(1, "opening the data");
        await using (harness = new JobHarness(runtimes))
        {
            var (end, sink) = await harness.RunAsync(JobHarness.SpecOf(), Token);

            Assert.Equal(RunStatus.Completed, end.Summary.Status);
            Assert.Single(sink.Lines, l => l is { Node: "name-1", Text: "opening the data" });
        }
    }

    private static List<LinearRuntime> Runtimes(int count) => [.. Enumerable.Range(0, count).Select(_ => new LinearRuntime(buffers: true))];
}
