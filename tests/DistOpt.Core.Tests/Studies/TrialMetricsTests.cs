using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;
using static DistOpt.Core.Tests.Studies.SimulatedRun;

namespace DistOpt.Core.Tests.Studies;

/// <summary>From the rows of a trial's run to the reports of the trial.</summary>
public sealed class TrialMetricsTests
{
    private const int Epochs = 12;

    private static readonly string[] s_batches = ["fixed 10", "fixed 7", "full", "growing", "random"];

    public static TheoryData<string, int?, long?, string> Runs()
    {
        var data = new TheoryData<string, int?, long?, string>();
        foreach (string batch in s_batches)
            foreach (var (epochs, steps) in ((int?, long?)[])[(1, null), (2, null), (null, 3), (1, 4)])
                foreach (string metric in (string[])["validation.loss", "train.loss"])
                    data.Add(batch, epochs, steps, metric);
        return data;
    }

    /// <summary>Of 25 samples, so that the last batch of an epoch is cut.</summary>
    [Theory, MemberData(nameof(Runs))]
    public void A_run_that_leaves_off_at_a_resource_reports_it_there_and_not_before(string batch, int? everyEpochs, long? everySteps, string metric)
    {
        var spec = Spec(batch, everyEpochs, everySteps);
        int left = 0;
        foreach (var (unit, resource, places) in ((RunUnit, TrialResource, long[])[])
        [
            (RunUnit.Epochs, TrialResource.Epochs, [1, 2, 3]),
            (RunUnit.Steps, TrialResource.Steps, [1, 5, 8]),
            (RunUnit.Samples, TrialResource.Samples, [1, 10, 30, 50, 76]),
        ])
        {
            foreach (long at in places)
            {
                var run = new SimulatedRun(spec, new DataCounts(25, 5, 0), new RunPause(unit, at));
                var metrics = Metrics(new StudySection { Resource = resource, Objectives = Of(metric) }, spec, run);
                var reports = run.Rows.Select(metrics.Add).OfType<TrialReport>().ToList();
                string place = $"{unit} {at}";

                Assert.Equal(reports, metrics.Reports);
                Assert.Equal(run.Rows.Where(r => r.Split == DataSplit.Validation).Select(r => r.Step), reports.Select(r => r.Step));
                Assert.Equal((place, run.Stop, run.Step), (place, StopReason.Paused, reports[^1].Step));
                Assert.All(reports, report => Assert.Equal((place, report.Step, Had(run, report.Step, resource)), (place, report.Step, report.Resource)));
                Assert.All(reports.SkipLast(1), report => Assert.True(report.Resource < at, place));
                Assert.True(reports[^1].Resource >= at, place);
                left += reports.Count > 1 ? 1 : 0;
            }
        }
        Assert.True(left > 0);
    }

    /// <summary>Neither a row that is told every so many steps nor the end of an epoch that is not evaluated.</summary>
    [Theory]
    [InlineData("fixed 10")]
    [InlineData("random")]
    [InlineData("growing")]
    public void Of_train_rows_without_a_validation_part_those_count_where_evaluations_are_due(string batch)
    {
        var spec = Spec(batch, everyEpochs: 2, everySteps: null, logEverySteps: 1);
        var run = new SimulatedRun(spec, new DataCounts(25, 0, 0));
        var metrics = Metrics(new StudySection { Objectives = Of("train.loss") }, spec, run);
        foreach (var row in run.Rows) metrics.Add(row);

        Assert.Equal([2, 4, 6, 8, 10, 12], metrics.Reports.Select(r => r.Resource));
        Assert.All(metrics.Reports, r => Assert.Equal(r.Resource * 25, run.Samples[(int)r.Step]));
        Assert.All(metrics.Reports, r => Assert.Equal([1000.0 + r.Step], r.Values));
    }

    /// <summary>The end of a run is an evaluation wherever it is, and no more than what the run has had.</summary>
    [Theory]
    [InlineData("fixed 10", "validation.loss")]
    [InlineData("random", "validation.loss")]
    [InlineData("fixed 10", "train.loss")]
    [InlineData("random", "train.loss")]
    public void A_run_that_ends_within_an_epoch_has_had_the_epochs_before(string batch, string metric)
    {
        var spec = Spec(batch, everyEpochs: 1, everySteps: null) with { Stop = new StopSection { MaxSteps = 9 } };
        var run = new SimulatedRun(spec, new DataCounts(40, 5, 0));
        var metrics = Metrics(new StudySection { Objectives = Of(metric), Value = TrialValue.Last }, spec, run);
        foreach (var row in run.Rows) metrics.Add(row);

        Assert.Equal((StopReason.MaxSteps, 9), (run.Stop!.Value, run.Step));
        Assert.NotEqual(0, run.Samples[9] % 40);
        Assert.All(metrics.Reports, r => Assert.Equal(run.Samples[(int)r.Step] / 40, r.Resource));
        Assert.Equal([(metric[0] == 't' ? 1000.0 : 2000) + 9], metrics.Values(9)!);
    }

    [Fact]
    public void Where_nothing_but_the_end_is_evaluated_the_values_are_those_of_the_end()
    {
        var spec = Spec("fixed 10", everyEpochs: null, everySteps: null);
        var run = new SimulatedRun(spec, new DataCounts(25, 0, 0));
        foreach (var value in Enum.GetValues<TrialValue>())
        {
            var metrics = Metrics(new StudySection { Objectives = Of("train.loss"), Value = value }, spec, run);
            foreach (var row in run.Rows) metrics.Add(row);
            Assert.Empty(metrics.Reports);
            Assert.Equal([1036.0], metrics.Values(36)!);
            Assert.Equal([1036.0], metrics.Values(null)!);
        }
    }

    /// <summary>Only the run knows how far into an epoch it is: epochs are counted exactly where their ends alone are evaluated, else never too many.</summary>
    [Theory]
    [InlineData(1, null, "validation.loss")]
    [InlineData(2, null, "validation.loss")]
    [InlineData(1, 7L, "validation.loss")]
    [InlineData(null, 7L, "validation.loss")]
    [InlineData(1, null, "train.loss")]
    [InlineData(1, 7L, "train.loss")]
    public void Where_the_batch_follows_the_noise_reports_have_the_whole_epochs(int? everyEpochs, long? everySteps, string metric)
    {
        var spec = Spec("noise-scale", everyEpochs, everySteps);
        var run = new SimulatedRun(spec, new DataCounts(400, 5, 0));
        foreach (var (resource, unit) in ((TrialResource, long)[])[(TrialResource.Epochs, 1), (TrialResource.Samples, 400)])
        {
            var metrics = Metrics(new StudySection { Resource = resource, Objectives = Of(metric) }, spec, run);
            foreach (var row in run.Rows) metrics.Add(row);
            Assert.Equal(run.Rows.Where(r => r.Split == DataSplit.Validation).Select(r => r.Step), metrics.Reports.Select(r => r.Step));
            foreach (var report in metrics.Reports)
            {
                long epochs = run.Samples[(int)report.Step] / 400;
                // the end of an epoch that may as well be no more than a step that is due, or the end of the run
                bool isUnclear = run.Samples[(int)report.Step] % 400 == 0 && (report.Step % everySteps == 0 || everyEpochs is null);
                Assert.Equal((report.Step, (isUnclear ? epochs - 1 : epochs) * unit), (report.Step, report.Resource));
            }
            Assert.True(metrics.Reports.Count > 2);
        }
        Assert.True(run.Samples.Zip(run.Samples.Skip(1), (a, b) => b - a).Distinct().Count() > 3);
    }

    [Fact]
    public void Objectives_of_both_splits_are_reported_together_with_the_evaluation()
    {
        var metrics = Metrics(new StudySection { Objectives = Of("train.loss", "validation.accuracy"), Resource = TrialResource.Steps });

        Assert.Null(metrics.Add(Row(DataSplit.Train, 5)));
        Assert.Null(metrics.Add(Row(DataSplit.Train, 10)));
        var report = metrics.Add(Row(DataSplit.Validation, 10))!;
        Assert.Equal((10, 10), (report.Resource, report.Step));
        Assert.Equal([1010, 0.01], report.Values);
        Assert.Null(metrics.Add(Row(DataSplit.Test, 10)));
        // the evaluation of a step of which there is no train row
        Assert.Equal([double.NaN, 0.02], metrics.Add(Row(DataSplit.Validation, 20))!.Values);
        Assert.Equal([double.NaN, 0.02], metrics.Values(20)!);
    }

    [Fact]
    public void What_a_row_does_not_have_is_no_number()
    {
        var metrics = Metrics(new StudySection { Objectives = Of("validation.f1", "validation.loss", "train.f1") });
        metrics.Add(Row(DataSplit.Train, 3));
        Assert.Equal([double.NaN, 2003, double.NaN], metrics.Add(Row(DataSplit.Validation, 3))!.Values);
        Assert.Equal([double.NaN, 7, double.NaN], metrics.Add(Row(DataSplit.Validation, 6, metrics: new KeyValuePair<string, double>("loss", 7)))!.Values);
    }

    [Theory]
    [InlineData(TrialValue.Best, 3L, 3)]
    [InlineData(TrialValue.Best, 6L, 6)]
    [InlineData(TrialValue.Best, null, 9)]
    // of a step that was not measured here
    [InlineData(TrialValue.Best, 4L, 9)]
    [InlineData(TrialValue.Last, 3L, 9)]
    [InlineData(TrialValue.Last, null, 9)]
    public void Values_and_constraints_are_those_of_the_selected_weights_or_of_the_last_evaluation(TrialValue value, long? selected, int step)
    {
        var metrics = Metrics(new StudySection
        {
            Objectives = Of("validation.loss"),
            Value = value,
            Constraints =
            [
                new ConstraintSection { Metric = "train.loss", AtMost = 1005 },
                new ConstraintSection { Parameters = "x", AtMost = 1 },
                new ConstraintSection { Metric = "validation.accuracy", AtLeast = 0.005 },
                new ConstraintSection { Metric = "validation.f1", AtLeast = 0.5 },
            ],
        });
        Assert.Null(metrics.Values(selected));
        Assert.Equal([double.PositiveInfinity, double.PositiveInfinity, double.PositiveInfinity], metrics.Constraints(selected));
        for (int at = 1; at <= 10; at++)
        {
            metrics.Add(Row(DataSplit.Train, at));
            if (at % 3 == 0) metrics.Add(Row(DataSplit.Validation, at));
        }

        Assert.Equal([2000.0 + step], metrics.Values(selected)!);
        double[] missed = metrics.Constraints(selected);
        Assert.Equal([step - 5.0, double.PositiveInfinity], [missed[0], missed[2]]);
        Assert.Equal(0.005 - step / 1000.0, missed[1], 1e-12);
        // a trial of which that was never measured has not missed it by ever so much: it cannot be told
        Assert.Equal(["validation.f1"], metrics.Missing);
    }

    [Fact]
    public void Rows_that_are_told_again_after_the_run_has_gone_back_are_reported_once()
    {
        var metrics = Metrics(new StudySection { Objectives = Of("train.loss", "validation.loss"), Resource = TrialResource.Steps });
        foreach (int step in (int[])[10, 20, 30, 20, 30, 30, 40])
        {
            metrics.Add(Row(DataSplit.Train, step));
            metrics.Add(Row(DataSplit.Validation, step));
        }
        Assert.Equal([10, 20, 30, 40], metrics.Reports.Select(r => r.Step));
        Assert.Equal([1020, 2020], metrics.Values(20)!);
        Assert.Equal([1040, 2040], metrics.Values(40)!);
    }

    /// <summary>The samples of steps are counted on from the last one that was asked for.</summary>
    [Fact]
    public void A_run_that_has_gone_back_has_had_no_more_for_that()
    {
        var spec = Spec("random", everyEpochs: 1, everySteps: 2);
        var run = new SimulatedRun(spec, new DataCounts(25, 5, 0));
        var metrics = Metrics(new StudySection { Objectives = Of("train.loss"), Resource = TrialResource.Samples }, spec, run);
        int half = run.Rows.Count / 2;
        foreach (var row in run.Rows.Take(half).Concat(run.Rows.Skip(half / 2))) metrics.Add(row);
        Assert.Equal(run.Rows.Count(r => r.Split == DataSplit.Validation), metrics.Reports.Count);
        Assert.All(metrics.Reports, r => Assert.Equal(run.Samples[(int)r.Step], r.Resource));
    }

    [Fact]
    public void Seconds_are_whole_ones_of_the_run()
    {
        var metrics = Metrics(new StudySection { Objectives = Of("validation.loss"), Resource = TrialResource.Seconds });
        Assert.Equal(0, metrics.Add(Row(DataSplit.Validation, 1, seconds: 0.9))!.Resource);
        Assert.Equal(2, metrics.Add(Row(DataSplit.Validation, 2, seconds: 2.999))!.Resource);
        Assert.Equal(3, metrics.Add(Row(DataSplit.Validation, 3, seconds: 3))!.Resource);
    }

    private static ImmutableArray<ObjectiveSection> Of(params string[] metrics) => [.. metrics.Select(m => new ObjectiveSection { Metric = m })];

    private static long Had(SimulatedRun run, long step, TrialResource resource) => resource switch
    {
        TrialResource.Epochs => run.Samples[(int)step] / run.TrainCount,
        TrialResource.Steps => step,
        _ => run.Samples[(int)step],
    };

    private static TrialMetrics Metrics(StudySection study, TrainingSpec spec, SimulatedRun run) => new(study, spec, run.StepsPerEpoch, run.TrainCount);

    private static TrialMetrics Metrics(StudySection study) => new(study, Spec("fixed 10", 1, null), 10, 100);

    private static TrainingSpec Spec(string batch, int? everyEpochs, long? everySteps, long? logEverySteps = null) => new()
    {
        Seed = 5,
        Training = new TrainingSection { Epochs = Epochs, GradientShards = 1, LogEverySteps = logEverySteps },
        Evaluate = new EvaluateSection { EveryEpochs = everyEpochs, EverySteps = everySteps },
        Batch = new BatchSpec(batch.Split(' ')[0], batch switch
        {
            "full" => new FullBatchOptions(),
            "growing" => new GrowingBatchOptions { Size = 4, Factor = 1.5, Every = 1, MaxSize = 20 },
            "random" => new RandomBatchOptions { Min = 3, Max = 9 },
            "noise-scale" => new NoiseScaleBatchOptions { Size = 8, MinSize = 2, MaxSize = 60, Interval = 5 },
            _ => new FixedBatchOptions { Size = int.Parse(batch.Split(' ')[1], CultureInfo.InvariantCulture) },
        }),
    };
}
