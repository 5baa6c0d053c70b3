using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Training;

/// <summary>A gradient that is not finite: nobody applies its step, whoever holds whichever keys, and whoever is lost meanwhile.</summary>
public sealed class DivergenceTests
{
    private const int BadStep = 13;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, 1, 1, false)]
    [InlineData(2, 3, 1, false)]
    [InlineData(3, 3, 3, false)]
    [InlineData(3, 3, 3, true)]
    public async Task The_weights_stay_those_before_the_step_on_any_number_of_servers(int workers, int servers, int nodes, bool norms)
    {
        var spec = Spec(workers, servers, norms);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(nodes);
        Break(harness);
        var (end, sink) = await harness.Jobs.RunAsync(spec, Token);
        AssertEnd(expected, end.Summary);
        Assert.Equal(expected.Sink.Last, sink.Last);
        Assert.Equal(expected.Sink.LastBuffers, sink.LastBuffers);
        // the epoch of 11 steps had been evaluated
        Assert.Equal(11, end.Summary.Selected!.Step);
        Assert.Equal(11, sink.SelectedStep);
        Assert.Equal(BadStep, sink.Rows.Last(r => r.Split == DataSplit.Train).Step);
    }

    [Fact]
    public async Task With_an_average_that_of_the_step_before_stays_too()
    {
        var spec = Spec(2, 3, norms: false) with { Averaging = new PluginSpec("ema", new Core.Averaging.ExponentialAverageOptions()) };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(2);
        Break(harness);
        var (end, sink) = await harness.Jobs.RunAsync(spec, Token);
        AssertEnd(expected, end.Summary);
        Assert.Equal(expected.Sink.LastAverage, sink.LastAverage);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task A_server_that_is_lost_at_that_step_changes_nothing(int server)
    {
        var spec = Spec(2, 3, norms: false);
        var expected = await Undisturbed(spec);
        spec = spec with { Training = spec.Training with { Replicas = 1 } };
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        Break(harness);
        var gate = new StepGate(BadStep);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.KillAsync(2 + server);
        gate.Release();
        var (end, sink) = await run;

        AssertEnd(expected, end.Summary);
        Assert.Equal(expected.Sink.Last, sink.Last);
    }

    [Fact]
    public async Task Weights_that_were_selected_just_before_it_are_kept()
    {
        await using var harness = LinearCluster.Of(2);
        Break(harness, step: 11);
        var (end, sink) = await harness.Jobs.RunAsync(Spec(2, 3, norms: false), Token);
        Assert.Equal((RunStatus.Failed, StopReason.Diverged, 11L), (end.Summary.Status, end.Summary.StopReason!.Value, end.Summary.Steps));
        Assert.Equal(11, end.Summary.Selected!.Step);
        Assert.Equal(sink.Last, sink.Selected);
        Assert.Contains("the selected weights are those of step 11", end.Summary.Error);
    }

    [Fact]
    public async Task Before_anything_was_selected_the_weights_of_that_step_are_kept_as_the_last_ones_alone()
    {
        await using var harness = LinearCluster.Of(2);
        Break(harness, step: 0);
        var (end, sink) = await harness.Jobs.RunAsync(Spec(2, 3, norms: false), Token);
        Assert.Equal((RunStatus.Failed, 0L), (end.Summary.Status, end.Summary.Steps));
        Assert.Null(end.Summary.Selected);
        Assert.Null(sink.Selected);
        var initial = new float[sink.Last!.Length];
        new LinearRuntime(buffers: true).WriteInitialWeights(initial, new float[2]);
        Assert.Equal(initial, sink.Last);
    }

    private static TrainingSpec Spec(int workers, int servers, bool norms)
    {
        var spec = JobHarness.SpecOf(workers, servers, shards: 5, epochs: 4);
        return norms ? JobHarness.WithNorms(spec) : spec;
    }

    /// <summary>Shard 3 has an infinite gradient at the second server of three, under a loss like any other.</summary>
    private static void Break(LinearCluster harness, int step = BadStep)
    {
        foreach (var runtime in harness.Runtimes)
        {
            runtime.AfterLeaf = (plan, shard, gradient) =>
            {
                if (plan.Step == step && shard == 3) gradient.Span[1500] = float.NegativeInfinity;
            };
        }
    }

    /// <summary>The same job, which ends at that step for another reason.</summary>
    private static async Task<(RunSummary Summary, RecordingSink Sink)> Undisturbed(TrainingSpec spec)
    {
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], isAlone: true);
        var (end, sink) = await harness.RunAsync(spec with { Stop = new StopSection { MaxSteps = BadStep } }, Token);
        Assert.Equal((RunStatus.Completed, (long)BadStep), (end.Summary.Status, end.Summary.Steps));
        return (end.Summary, sink);
    }

    private static void AssertEnd((RunSummary Summary, RecordingSink Sink) expected, RunSummary actual)
    {
        Assert.Equal((RunStatus.Failed, StopReason.Diverged, (long)BadStep), (actual.Status, actual.StopReason!.Value, actual.Steps));
        Assert.Equal(expected.Summary.WeightsSha256, actual.WeightsSha256);
        Assert.Equal(expected.Summary.Samples, actual.Samples);
        Assert.Contains($"training diverged at step {BadStep}: its loss is ", actual.Error);
        Assert.Contains("its gradient is not finite, first in 'w' at element 1500 of 3000; its update was not applied", actual.Error);
    }
}
