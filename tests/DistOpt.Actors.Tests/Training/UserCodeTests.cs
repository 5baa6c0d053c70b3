using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>User code that throws on some node: the work is tried once elsewhere, and the bits are those of the undisturbed run.</summary>
public sealed class UserCodeTests
{
    private readonly ConcurrentQueue<string> _thrown = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Gradient_shards_at_which_one_node_throws_are_done_by_another(int servers)
    {
        var spec = JobHarness.SpecOf(workers: 4, servers: servers, shards: 7, epochs: 3);
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(3);
        runtimes[1].BeforeLeaf = (plan, shard) => ThrowIf(plan.Step == 5, $"node 1 step {plan.Step} shard {shard}");
        await using var harness = new JobHarness(runtimes);

        var (end, sink) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        var failure = Assert.Single(end.Summary.Failures);
        Assert.Equal(("name-1", 5L), (failure.Node, failure.Step));
        Assert.Contains("System.InvalidOperationException: node 1 step 5", failure.Why);
        Assert.Contains("worker ", failure.Roles);
        Assert.Contains(nameof(UserCodeTests), failure.Stack);
        Assert.Contains(sink.Lines, l => l is { Level: "warning" } && l.Text.Contains("name-") && l.Text.Contains("tries it once more")
            && l.Text.Contains("System.InvalidOperationException: node 1 step 5") && l.Text.Contains("on name-1"));
        // once there, and never again at that step; and it goes on working
        Assert.Single(_thrown);
        Assert.Contains(runtimes[1].Visits, v => v.Step > 5);
        Assert.Equal((0, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
    }

    [Fact]
    public async Task Work_at_which_two_nodes_throw_fails_the_job_with_both_places_and_stacks()
    {
        var runtimes = Runtimes(3);
        for (int i = 0; i < 3; i++)
        {
            int node = i;
            runtimes[i].BeforeLeaf = (plan, shard) => ThrowIf(plan.Step == 3 && shard == 2, $"node {node}");
        }
        await using var harness = new JobHarness(runtimes);

        var (end, _) = await harness.RunAsync(JobHarness.SpecOf(workers: 3, shards: 3), Token);

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Equal(2, _thrown.Count);
        Assert.Equal(2, _thrown.Distinct().Count());
        Assert.Equal(2, end.Summary.Failures.Count);
        foreach (string thrown in _thrown)
        {
            Assert.Contains($"System.InvalidOperationException: {thrown}", end.Summary.Error);
            Assert.Contains(thrown.Replace("node ", "on name-"), end.Summary.Error);
        }
        Assert.Contains("step 3", end.Summary.Error);
        Assert.Equal(2, end.Summary.Error!.Split(nameof(UserCodeTests) + ".ThrowIf").Length - 1);
    }

    [Theory]
    [InlineData(DataSplit.Validation)]
    [InlineData(DataSplit.Test)]
    public async Task Slices_at_which_one_node_throws_are_evaluated_by_another(DataSplit part)
    {
        var spec = JobHarness.SpecOf(workers: 3, servers: 2, shards: 5, epochs: 2) with { Evaluate = new EvaluateSection { BatchSize = 2 } };
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(3);
        runtimes[2].BeforeSlice = (split, slice) => ThrowIf(split == part && _thrown.IsEmpty, $"slice {slice.Begin}");
        await using var harness = new JobHarness(runtimes);

        var (end, _) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.Single(_thrown);
        Assert.Contains($"of {part.ToString().ToLowerInvariant()} data", Assert.Single(end.Summary.Failures).Why);
    }

    [Fact]
    public async Task A_slice_at_which_everyone_throws_fails_the_job_after_two_tries()
    {
        var runtimes = Runtimes(3);
        for (int i = 0; i < 3; i++)
        {
            int node = i;
            runtimes[i].BeforeSlice = (split, slice) => ThrowIf(split == DataSplit.Validation && slice.Begin == 0, $"node {node}");
        }
        await using var harness = new JobHarness(runtimes);

        var (end, _) = await harness.RunAsync(JobHarness.SpecOf(workers: 3), Token);

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Equal(2, _thrown.Distinct().Count());
        Assert.Equal(2, _thrown.Count);
    }

    [Fact]
    public async Task A_node_that_throws_at_a_second_step_is_given_no_more_work()
    {
        var spec = JobHarness.SpecOf(workers: 3, servers: 2, shards: 6, epochs: 30);
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(3);
        runtimes[1].BeforeLeaf = (plan, _) => ThrowIf(plan.Step is 5 or >= 9, $"step {plan.Step}");
        await using var harness = new JobHarness(runtimes, slots: 1);

        var (end, sink) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.Equal(["step 5", "step 9"], _thrown.Take(2));
        // it may have begun the next step before it was told
        Assert.InRange(_thrown.Count, 2, 3);
        Assert.InRange(end.Summary.Failures.Count, 2, _thrown.Count);
        Assert.Contains(sink.Lines, l => l.Text.Contains("name-1, which is given no more work of this job"));
        // its servers stay
        Assert.Equal(0, end.Summary.Rollbacks);
        Assert.Equal(0, end.Summary.ServerFailures);
    }

    [Fact]
    public async Task A_node_without_anything_else_of_the_job_leaves_it_when_it_throws_at_a_second_step()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 6, epochs: 10);
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(3);
        runtimes[2].BeforeLeaf = (plan, _) => ThrowIf(plan.Step > 4, $"step {plan.Step}");
        await using var harness = new JobHarness(runtimes, slots: 1, roles: [["server"], ["worker"], ["worker"]]);

        var (end, _) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        // it may have begun the next step before it was told
        Assert.Equal(["step 5", "step 6"], _thrown.Take(2));
        Assert.InRange(_thrown.Count, 2, 3);
        Assert.Contains(harness.Wires, w => w.Body is EndJob { Reason: "the job goes on without what ran here" });
    }

    [Fact]
    public async Task Where_the_second_node_is_lost_a_third_one_tries()
    {
        var spec = JobHarness.SpecOf(workers: 3, servers: 1, shards: 6, epochs: 4);
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(4);
        var gate = new StepGate(step: 6);
        var second = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        runtimes[1].BeforeLeaf = (plan, shard) => ThrowIf(plan.Step == 6 && shard == 0, "first");
        foreach (int i in new[] { 2, 3 })
        {
            runtimes[i].BeforeLeaf = (plan, shard) =>
            {
                if (plan.Step == 6 && shard == 0 && second.TrySetResult(i)) gate.Pass(plan, shard);
            };
        }
        await using var harness = new JobHarness(runtimes, slots: 1, roles: [["server"], ["worker"], ["worker"], ["worker"]]);

        var run = harness.RunAsync(spec, Token);
        int node = await second.Task.WaitAsync(Eventually.Patience, Token);
        await gate.Reached(Token);
        await Task.WhenAll(harness.KillAsync(node), Task.Run(gate.Release, Token));
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Single(_thrown);
        Assert.Equal(1, end.Summary.WorkerFailures);
        Assert.Equal(2, end.Summary.Failures.Count);
    }

    [Fact]
    public async Task A_worker_that_cannot_be_built_on_one_node_leaves_its_work_to_others()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 3);
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(2);
        runtimes[1].BeforeWorker = () => ThrowIf(true, "no room for the model");
        await using var harness = new JobHarness(runtimes);

        var (end, _) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.Contains("no room for the model", end.Summary.Failures[0].Why);
        // it may have begun the next step before it was told
        Assert.InRange(_thrown.Count, UserFailures.OccasionsMax, UserFailures.OccasionsMax + 1);
    }

    [Fact]
    public async Task A_job_that_cannot_be_opened_on_a_node_fails_with_the_stack_and_shows_it()
    {
        var runtimes = Runtimes(2);
        runtimes[1].BeforeOpen = () => ThrowIf(true, "the data are gone");
        await using var harness = new JobHarness(runtimes);

        var (end, _) = await harness.RunAsync(JobHarness.SpecOf(), Token);

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Contains("name-1", end.Summary.Error);
        Assert.Contains("System.InvalidOperationException: the data are gone", end.Summary.Error);
        Assert.Contains(nameof(ThrowIf), end.Summary.Error);
        Assert.Contains(nameof(ThrowIf), Assert.Single(end.Summary.Failures).Stack);
        Assert.Single(_thrown);
    }

    [Fact]
    public async Task A_lone_worker_tries_once_more_itself()
    {
        var spec = JobHarness.SpecOf(workers: 1, shards: 4, epochs: 2);
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(1);
        runtimes[0].BeforeLeaf = (plan, shard) => ThrowIf(plan.Step is 3 or 7 && !_thrown.Contains($"step {plan.Step}"), $"step {plan.Step}");
        await using var harness = new JobHarness(runtimes, isAlone: true);

        var (end, _) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.Equal(["step 3", "step 7"], _thrown);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Whatever_throws_once_anywhere_the_bits_are_the_same(int seed)
    {
        var spec = JobHarness.SpecOf(workers: 2 + seed % 3, servers: 1 + seed % 2, shards: 5 + seed, epochs: 6);
        spec = spec with { Evaluate = new EvaluateSection { EveryEpochs = null, EverySteps = 1 + seed, BatchSize = 3 } };
        var expected = await Undisturbed(spec);
        var runtimes = Runtimes(3);
        var once = new ConcurrentDictionary<string, bool>();
        foreach (var runtime in runtimes)
        {
            runtime.BeforeLeaf = (plan, shard) => ThrowIf((plan.Step * 31 + shard) % (7 + seed) == 0 && once.TryAdd($"{plan.Step}", true), $"step {plan.Step}");
            runtime.BeforeSlice = (split, slice) => ThrowIf((slice.Begin + seed) % 5 == 0 && once.TryAdd($"{split}", true), $"slice {slice.Begin}");
        }
        await using var harness = new JobHarness(runtimes);

        var (end, _) = await harness.RunAsync(spec, Token);

        AssertSame(expected, end.Summary);
        Assert.True(_thrown.Count > 5, $"{_thrown.Count} thrown");
        Assert.NotEmpty(end.Summary.Failures);
    }

    // its name is looked for in stacks
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowIf(bool throws, string what)
    {
        if (!throws) return;
        _thrown.Enqueue(what);
        throw new InvalidOperationException(what);
    }

    private static List<LinearRuntime> Runtimes(int count) => [.. Enumerable.Range(0, count).Select(_ => new LinearRuntime(buffers: true))];
}
