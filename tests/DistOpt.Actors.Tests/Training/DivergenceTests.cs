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

    /// <summary>
    /// The power penalty of a weight of 200 overflows at a step whose loss and gradient are finite: the update itself makes the weight infinite. The
    /// step after it is not applied, the weights selected before stay, and the checkpoint that is due with the infinite ones is not written.
    /// </summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    public async Task An_update_that_overflows_is_noticed_by_the_next_loss_and_takes_no_good_weights_away(int nodes, int servers)
    {
        const int overflow = 19;
        const double rate = 1e-4;
        string folder = Directory.CreateTempSubdirectory("distopt-").FullName;
        try
        {
            await using var harness = LinearCluster.Of(nodes);
            harness.Jobs.CheckpointDirectory = folder;
            var gate = new StepGate(overflow - 2);
            foreach (var runtime in harness.Runtimes)
            {
                runtime.BeforeLeaf = gate.Pass;
                runtime.AfterLeaf = (plan, shard, gradient) =>
                {
                    // an update of 200, from the sum over the 10 samples of the batch
                    if (plan.Step == overflow - 1 && shard == 3) gradient.Span[1500] = (float)(-200 / rate * 10);
                };
            }
            var spec = Spec(2, servers, norms: false) with
            {
                Optimizer = new OptimizerSpec("sgd", new Core.Optimizers.SgdOptions { LearningRate = rate }),
                Regularization = new RegularizationSection { Power = 1e6, PowerExponent = 16, Biases = true },
                Checkpoint = new CheckpointSection { EverySteps = 10, Keep = 1 },
            };
            var run = harness.Jobs.RunAsync(spec, Token);
            await gate.Reached(Token);
            await harness.Jobs.HeardAsync(w => w.Body is Protocol.CheckpointDone, 1, Token); // that of step 10
            gate.Release();
            var (end, sink) = await run;

            var summary = end.Summary;
            Assert.Equal((RunStatus.Failed, StopReason.Diverged, overflow + 1L), (summary.Status, summary.StopReason!.Value, summary.Steps));
            Assert.Contains($"training diverged at step {overflow + 1}: its loss is infinite", summary.Error);
            Assert.Contains("the weights before it are not finite either, first in 'w' at element 1500 of 3000; its update was not applied", summary.Error);
            Assert.Equal((11L, 11L), (summary.Selected!.Step, sink.SelectedStep));
            Assert.All(sink.Selected!, w => Assert.True(float.IsFinite(w)));
            Assert.Equal([10L], new Core.Checkpoints.CheckpointStore(folder).Steps());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The same overflow, by an update behind which nothing comes.</summary>
    [Theory]
    [InlineData(1, 1, true)]
    [InlineData(2, 3, true)]
    [InlineData(1, 1, false)]
    [InlineData(2, 3, false)]
    public async Task An_update_that_overflows_at_the_last_step_is_noticed_at_the_end(int nodes, int servers, bool hasValidation)
    {
        const int last = 14;
        const double rate = 1e-4;
        int validation = hasValidation ? 20 : 0;
        await using var harness = new JobHarness([.. Enumerable.Range(0, nodes).Select(_ => new LinearRuntime(validation: validation)
        {
            AfterLeaf = (plan, shard, gradient) =>
            {
                if (plan.Step == last - 2 && shard == 3) gradient.Span[1500] = (float)(-200 / rate * 10);
            },
        })]);
        var spec = Spec(2, servers, norms: false) with
        {
            Optimizer = new OptimizerSpec("sgd", new Core.Optimizers.SgdOptions { LearningRate = rate }),
            Regularization = new RegularizationSection { Power = 1e6, PowerExponent = 16, Biases = true },
            Stop = new StopSection { MaxSteps = last },
            Select = new SelectSection { Metric = hasValidation ? "validation.loss" : "train.loss" },
            Data = new DataSpec { ValidationFraction = hasValidation ? 0.1 : 0 },
        };
        var (end, sink) = await harness.RunAsync(spec, Token);
        var summary = end.Summary;
        Assert.Equal((RunStatus.Failed, StopReason.Diverged, (long)last), (summary.Status, summary.StopReason!.Value, summary.Steps));
        string loss = hasValidation ? "the validation loss is infinite and " : "";
        Assert.Contains($"training diverged at its end: after {last} steps {loss}the weights are not finite, first in 'w' at element 1500 of 3000", summary.Error);
        Assert.Equal((11L, 11L), (summary.Selected!.Step, sink.SelectedStep));
        Assert.All(sink.Selected!, w => Assert.True(float.IsFinite(w)));
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
