using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>A run leaves off at a place that is given beforehand, as a trial's does, and goes on from there as if it had not.</summary>
public sealed class PausedRunTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, null)]
    [InlineData(2, null)]
    [InlineData(2, 11)]
    public async Task It_goes_on_to_the_same_rows_and_bits(int servers, int? everySteps)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers, shards: 4, epochs: 4) with { Checkpoint = new CheckpointSection { EverySteps = everySteps } };
        RunSummary expected;
        List<MetricRow> rows;
        await using (var calm = LinearCluster.Of(3))
        {
            var (whole, sink) = await calm.Jobs.RunAsync(spec, Token);
            (expected, rows) = (whole.Summary, [.. sink.Rows.Where(r => r.Split != DataSplit.Test)]);
        }
        long epoch = expected.Steps / 4;

        // in two parts, and the rest
        var (first, early) = await PartAsync(spec, new RunPause(RunUnit.Epochs, 1));
        var (second, middle) = await PartAsync(spec, new RunPause(RunUnit.Steps, 3 * epoch));
        var (last, late) = await PartAsync(spec, pause: null);

        Assert.Equal((RunStatus.Interrupted, StopReason.Paused, epoch), (first.Status, first.StopReason!.Value, first.Steps));
        Assert.Equal((RunStatus.Interrupted, StopReason.Paused, 3 * epoch), (second.Status, second.StopReason!.Value, second.Steps));
        Assert.Equal((RunStatus.Completed, expected.WeightsSha256, expected.Selected), (last.Status, last.WeightsSha256, last.Selected));
        Assert.Equal(expected.Validation, last.Validation);
        // trials do not see the test part
        Assert.Equal((0, 0), (first.Test.Count, last.Test.Count));
        Assert.True(expected.Test.Count > 0);
        Assert.Equal(rows.Select(Row), Together(early, middle, late).Select(Row));
    }

    [Fact]
    public async Task Where_a_part_is_the_end_the_run_is_complete()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 4);
        var shorter = await Undisturbed(spec with { Training = spec.Training with { Epochs = 2 } });

        var (end, _) = await PartAsync(spec, new RunPause(RunUnit.Epochs, 2) { IsEnd = true });

        Assert.Equal((RunStatus.Completed, StopReason.Epochs), (end.Status, end.StopReason!.Value));
        Assert.Equal((shorter.Steps, shorter.WeightsSha256, shorter.Selected), (end.Steps, end.WeightsSha256, end.Selected));
    }

    [Fact]
    public async Task One_of_another_spec_goes_on_with_its_own_where_that_is_said()
    {
        var spec = JobHarness.SpecOf(workers: 1, servers: 1, shards: 2, epochs: 4);
        await PartAsync(spec, new RunPause(RunUnit.Epochs, 2));
        var other = spec with { Optimizer = new OptimizerSpec("adam", new AdamOptions { LearningRate = 5e-3 }) };

        var refused = await Assert.ThrowsAsync<SpecException>(() => PartAsync(other, pause: null));
        var (copied, _) = await PartAsync(other, pause: null, isOfAnother: true);

        Assert.Contains("another spec", refused.Message);
        Assert.Equal(RunStatus.Completed, copied.Status);
        Assert.NotEqual((await Undisturbed(spec)).WeightsSha256, copied.WeightsSha256);
        Assert.NotEqual((await Undisturbed(other)).WeightsSha256, copied.WeightsSha256);
    }

    /// <summary>Nobody has resumed it, and no build is another one: what is explored has changed what there is in a state.</summary>
    [Theory]
    [InlineData("searched are optimizer.amsgrad", "optimizer.amsgrad")]
    [InlineData("nothing that is searched changes them")]
    public async Task A_state_that_does_not_fit_the_trial_that_goes_on_from_it_is_told_as_that(string told, params string[] structural)
    {
        var spec = JobHarness.SpecOf(workers: 1, servers: 1, shards: 2, epochs: 4);
        await PartAsync(spec, new RunPause(RunUnit.Epochs, 2));
        var other = spec with { Optimizer = new OptimizerSpec("adam", new AdamOptions { LearningRate = 1e-3, Amsgrad = true }) };

        var refused = await Assert.ThrowsAsync<SpecException>(() =>
            PartAsync(other, new TrialPart(IsOfAnother: true) { From = 3, Structural = [.. structural] }));

        Assert.StartsWith("study: the trial was to go on from the state of trial 3, which does not fit its own model and optimizer: "
            + "optimizer-max_exp_avg_sq.safetensors is missing; ", refused.Message);
        Assert.Contains(told, refused.Message);
        Assert.DoesNotContain("--resume", refused.Message);
    }

    /// <summary>
    /// The copied run's were better than any that come after; those that the one goes on with by its own spec are its own still. In parts, as a trial's.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task One_of_another_spec_selects_among_its_own_weights_alone(int servers)
    {
        var spec = JobHarness.SpecOf(workers: 1, servers, shards: 2, epochs: 4);
        var other = spec with
        {
            Optimizer = new OptimizerSpec("adam", new AdamOptions { LearningRate = 1 }),
            Stop = spec.Stop with { DivergenceFactor = 1e12 },
        };
        var (donor, before) = await PartAsync(spec, new RunPause(RunUnit.Epochs, 2));

        var (_, first) = await PartAsync(other, new RunPause(RunUnit.Epochs, 3), isOfAnother: true);
        var (copied, second) = await PartAsync(other, pause: null, isOfAnother: true);

        double best = before.Rows.Where(r => r.Split == DataSplit.Validation).Min(r => r.Get("loss")!.Value);
        var own = first.Rows.Concat(second.Rows).Where(r => r.Split == DataSplit.Validation).DistinctBy(r => r.Step).ToList();
        Assert.All(own, r => Assert.True(r.Step > donor.Steps && r.Get("loss") > best));
        var selected = own.MinBy(r => r.Get("loss"))!;
        Assert.Equal((2, selected.Step, selected.Get("loss")), (own.Count, copied.Selected!.Step, copied.Validation["loss"]));
        Assert.Equal(selected.Step, second.SelectedStep);
    }

    /// <summary>As a run directory keeps them: what a part tells again is kept once.</summary>
    private static List<MetricRow> Together(params RecordingSink[] parts)
    {
        var rows = new List<MetricRow>();
        foreach (var part in parts)
        {
            if (part.Start!.Resumed is { } resumed) rows.RemoveAll(r => r.Step > (r.Split == DataSplit.Train ? resumed.TrainRows : resumed.ValidationRows));
            rows.AddRange(part.Rows);
        }
        return rows;
    }

    private Task<(RunSummary Summary, RecordingSink Sink)> PartAsync(TrainingSpec spec, RunPause? pause, bool isOfAnother = false) =>
        PartAsync(spec, new TrialPart(pause, isOfAnother));

    private async Task<(RunSummary Summary, RecordingSink Sink)> PartAsync(TrainingSpec spec, TrialPart part)
    {
        await using var harness = LinearCluster.Of(3);
        harness.Jobs.CheckpointDirectory = _folder;
        harness.Jobs.Resumes = new CheckpointStore(_folder).Steps().Count > 0;
        harness.Jobs.Trial = part;
        var (end, sink) = await harness.Jobs.RunAsync(spec, Token);
        return end.BadInput is { } bad ? throw bad : (end.Summary, sink);
    }

    private static string Row(MetricRow row) => string.Join(" ", [$"{row.Split} {row.Step} {row.Epoch}", .. row.Metrics.Select(m => $"{m.Key} {m.Value:R}")]);
}
