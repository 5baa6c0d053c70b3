using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Averaging;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>
/// Running averages, over the whole catalogue: they are what is evaluated, selected and measured in the end, and their bits survive whatever those
/// of the weights do. The model has buffers, so that theirs are seen too.
/// </summary>
public sealed class AveragingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Statistics that are measured anew with the average, beside those that are averaged.</summary>
    private const string Updated = " updated";

    public static TheoryData<string> All => [.. AveragingCatalog.Default.Entries.Select(e => e.Name), "ema" + Updated, "swa" + Updated];

    [Theory, MemberData(nameof(All))]
    public async Task The_bits_of_the_average_do_not_depend_on_servers_workers_and_nodes(string name)
    {
        var spec = Spec(name, workers: 1);
        var expected = await Alone(spec);
        Assert.Equal(name == "none", expected.Sink.LastAverage is null);
        foreach (var (workers, servers, nodes) in new[] { (2, 1, 1), (4, 3, 1), (2, 3, 2), (3, 2, 3) })
        {
            await using var harness = LinearCluster.Of(nodes);
            var (end, sink) = await harness.Jobs.RunAsync(spec with { Training = spec.Training with { Workers = workers, Servers = servers } }, Token);
            AssertSame(expected.Summary, end.Summary);
            AssertSame(expected.Sink, sink);
        }
    }

    /// <summary>What the model file holds is what was measured: by the metrics of its evaluation, and by those of the test.</summary>
    [Theory, MemberData(nameof(All))]
    public async Task The_average_is_evaluated_selected_and_tested(string name)
    {
        var spec = Spec(name, epochs: 6);
        var (summary, sink) = await Alone(spec);
        var runtime = new LinearRuntime(buffers: true);
        double Loss(float[] weights, DataSplit split)
        {
            var buffer = new Core.Parameters.FlatBuffer(weights.Length);
            weights.CopyTo(buffer.Span);
            using var worker = runtime.CreateWorker(buffer);
            var sums = worker.Evaluate(split, new Core.Batching.PositionRange(0, runtime.Data.Of(split)), default);
            return sums.TryGet(MetricSums.Loss, out var loss) ? loss.Value : double.NaN;
        }

        Assert.Equal(summary.Test["loss"], Loss(sink.Selected!, DataSplit.Test), 1e-9);
        Assert.Equal(summary.Validation["loss"], Loss(sink.Selected!, DataSplit.Validation), 1e-9);
        double last = sink.Rows.Last(r => r.Split == DataSplit.Validation).Get("loss")!.Value;
        Assert.Equal(last, Loss(sink.LastAverage?[..sink.Last!.Length] ?? sink.Last!, DataSplit.Validation), 1e-9);
        // the weights themselves are trained as without
        Assert.Equal((await Alone(Spec("none", epochs: 6))).Summary.WeightsSha256, summary.WeightsSha256);
        if (name != "none") Assert.NotEqual(Loss(sink.Last!, DataSplit.Validation), last);
    }

    /// <summary>Wherever the average stands for the weights: in evaluations, in the test, and in both files. Weights themselves keep theirs.</summary>
    [Theory]
    [InlineData("ema" + Updated)]
    [InlineData("swa" + Updated)]
    public async Task Statistics_are_measured_anew_wherever_the_average_stands_for_the_weights(string name)
    {
        var (summary, sink) = await Alone(Spec(name, epochs: 6));
        double selected = LinearRuntime.StatisticOf(sink.Selected);
        Assert.Equal([(float)selected, LinearRuntime.Updated], sink.SelectedBuffers!);
        Assert.Equal(selected, summary.Validation[LinearRuntime.Statistic], 1e-6);
        Assert.Equal(selected, summary.Test[LinearRuntime.Statistic], 1e-6);
        int weights = sink.Last!.Length;
        Assert.Equal([LinearRuntime.StatisticOf(sink.LastAverage!.AsSpan(0, weights)), LinearRuntime.Updated], sink.LastAverage![weights..]);
        Assert.NotEqual(LinearRuntime.Updated, sink.LastBuffers![1]);
        var evaluations = sink.Rows.Where(r => r.Split == DataSplit.Validation).Select(r => r.Get(LinearRuntime.Statistic)).ToList();
        // swa begins with the last quarter: before, the weights are evaluated
        Assert.Equal(name.StartsWith("swa", StringComparison.Ordinal), evaluations[0] is null);
        Assert.NotNull(evaluations[^1]);
        // without the option they are the averaged ones
        var (plain, files) = await Alone(Spec(name[..^Updated.Length], epochs: 6));
        Assert.False(plain.Test.ContainsKey(LinearRuntime.Statistic));
        Assert.NotEqual(LinearRuntime.Updated, files.SelectedBuffers![1]);
        Assert.Equal(files.Selected, sink.Selected);
    }

    /// <summary>An evaluation between two epochs, and none at all: the last average is selected without having been copied by anybody.</summary>
    [Theory, MemberData(nameof(All))]
    public async Task Without_a_validation_part_the_last_average_is_selected(string name)
    {
        var spec = Spec(name) with { Select = new SelectSection { Metric = "train.loss" }, Evaluate = new EvaluateSection { EveryEpochs = null, BatchSize = 7 } };
        await using var harness = new JobHarness([new LinearRuntime(validation: 0, buffers: true), new LinearRuntime(validation: 0, buffers: true)]);
        var (end, sink) = await harness.RunAsync(spec, Token);
        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        Assert.Equal(end.Summary.Steps, end.Summary.Selected!.Step);
        Assert.Equal(name == "none" ? sink.Last! : sink.LastAverage![..sink.Last!.Length], sink.Selected!);
        Assert.Single(sink.Rows, r => r.Split == DataSplit.Test);
    }

    [Theory, MemberData(nameof(All))]
    public async Task A_run_that_is_resumed_in_the_middle_goes_on_to_the_same_average_on_other_servers(string name)
    {
        var spec = Spec(name, epochs: 4, servers: 3);
        var expected = await Alone(spec);
        foreach (int step in new[] { 5, 23, 30 })
        {
            string folder = Path.Combine(_folder, $"{step}");
            await using (var first = LinearCluster.Of(2))
            {
                first.Jobs.CheckpointDirectory = folder;
                await first.Jobs.InterruptAsync(spec, first.Runtimes[0], step, Token);
            }
            Assert.InRange(new CheckpointStore(folder).Steps()[0], step, step + 5);
            await using var second = LinearCluster.Of(1);
            (second.Jobs.CheckpointDirectory, second.Jobs.Resumes) = (folder, true);
            var (end, sink) = await second.Jobs.RunAsync(spec with { Training = spec.Training with { Workers = 4, Servers = 2 } }, Token);
            AssertSame(expected.Summary, end.Summary);
            AssertSame(expected.Sink, sink);
        }
    }

    /// <summary>In the middle of training, and at a barrier, while the average is being evaluated.</summary>
    [Theory, MemberData(nameof(All))]
    public async Task A_backup_that_takes_over_has_the_average(string name)
    {
        var spec = Spec(name, epochs: 4, servers: 3);
        var expected = await Alone(spec);
        spec = spec with { Training = spec.Training with { Replicas = 1 } };
        foreach (bool atBarrier in new[] { false, true })
        {
            await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
            var gate = new StepGate(step: 39);
            int evaluations = 0;
            if (atBarrier)
            {
                harness.Runtimes[1].BeforeEvaluation = () =>
                {
                    // with 20 samples in slices of 7 on two workers, this node has at least one in each evaluation
                    if (Interlocked.Increment(ref evaluations) == 4) gate.Pass(new StepPlan(100, 0, 0, 1, 0), 0);
                };
            }
            else
            {
                harness.Runtimes[1].BeforeLeaf = gate.Pass;
            }

            var run = harness.Jobs.RunAsync(spec, Token);
            await gate.Reached(Token);
            await harness.Jobs.KillAsync(2);
            await harness.Jobs.KillAsync(4);
            gate.Release();
            var (end, sink) = await run;

            AssertSame(expected.Summary, end.Summary);
            AssertSame(expected.Sink, sink);
            Assert.InRange(end.Summary.ServerFailures, 1, 3);
        }
    }

    /// <summary>What user code failed at is tried once more, by a node that has fetched the average too.</summary>
    [Theory, MemberData(nameof(All))]
    public async Task A_slice_that_failed_is_evaluated_elsewhere_on_the_average(string name)
    {
        var spec = Spec(name);
        var expected = await Alone(spec);
        await using var harness = LinearCluster.Of(2);
        int evaluations = 0;
        harness.Runtimes[1].BeforeSlice = (split, _) =>
        {
            if (split == DataSplit.Validation && Interlocked.Increment(ref evaluations) == 4) throw new InvalidOperationException("once");
        };
        var (end, sink) = await harness.Jobs.RunAsync(spec, Token);
        AssertSame(expected.Summary, end.Summary);
        AssertSame(expected.Sink, sink);
        Assert.Single(end.Summary.Failures);
    }

    [Theory, MemberData(nameof(All))]
    public async Task A_rollback_to_a_checkpoint_takes_the_average_with_it(string name)
    {
        var spec = Spec(name, epochs: 4, servers: 2) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        var expected = await Alone(spec);
        await using var harness = LinearCluster.Of(4, roles: [["worker"], ["worker"], ["server"], ["server"]]);
        harness.Jobs.CheckpointDirectory = _folder;
        StepGate early = new(step: 27), gate = new(step: 39);
        harness.Runtimes[1].BeforeLeaf = (plan, shard) =>
        {
            early.Pass(plan, shard);
            gate.Pass(plan, shard);
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await early.Reached(Token);
        await harness.Jobs.StatusAsync(j => j.Checkpoint is not null, Token);
        early.Release();
        await gate.Reached(Token);
        await harness.Jobs.KillAsync(3);
        harness.Jobs.Join(new LinearRuntime(buffers: true), "server");
        gate.Release();
        var (end, sink) = await run;

        AssertSame(expected.Summary, end.Summary);
        AssertSame(expected.Sink, sink);
        Assert.Equal(1, end.Summary.Rollbacks);
    }

    [Theory]
    [InlineData(20, true)]
    [InlineData(5, false)]
    public async Task A_run_that_ends_before_averaging_began_says_so(long start, bool isWarned)
    {
        var spec = Spec("ema") with
        {
            Averaging = new PluginSpec("ema", new ExponentialAverageOptions { StartStep = start }),
            Stop = new StopSection { Target = new TargetSection { Metric = "train.loss", AtMost = 1e9 } },
        };
        var (summary, sink) = await Alone(spec);
        Assert.Equal((StopReason.Target, 11L), (summary.StopReason!.Value, summary.Steps));
        Assert.Equal(isWarned, sink.Lines.Any(l => l is { Level: "warning" }
            && l.Text == "averaging 'ema' had not begun when training ended after 11 steps: no average was made"));
        Assert.Equal(isWarned, sink.LastAverage is null);
    }

    [Fact]
    public async Task An_average_that_nothing_would_enter_is_refused_before_the_run()
    {
        var spec = Spec("ema") with { Averaging = new PluginSpec("ema", new ExponentialAverageOptions { StartStep = 44 }) };
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], isAlone: true);
        var (end, sink) = await harness.RunAsync(spec, Token);
        Assert.Equal("averaging.start_step", Assert.Single(end.BadInput!.Violations).Path);
        Assert.Null(sink.Start);
    }

    private static TrainingSpec Spec(string name, int workers = 2, int servers = 1, int epochs = 4)
    {
        string kind = name.Split(' ')[0];
        object options = Activator.CreateInstance(AveragingCatalog.Default.Entries.Single(e => e.Name == kind).OptionsType)!;
        if (name != kind) options = (AveragingOptions)options with { UpdateBatchNorm = true };
        return JobHarness.SpecOf(workers, servers, epochs: epochs) with { Averaging = new PluginSpec(kind, options) };
    }

    private static async Task<(RunSummary Summary, RecordingSink Sink)> Alone(TrainingSpec spec)
    {
        await using var harness = new JobHarness([new LinearRuntime(buffers: true)], isAlone: true);
        var (end, sink) = await harness.RunAsync(spec, Token);
        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        return (end.Summary, sink);
    }
}
