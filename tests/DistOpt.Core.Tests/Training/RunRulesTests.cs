using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

/// <summary>What a spec says of the length of a run of 45 samples in batches of 10: 5 steps an epoch.</summary>
public sealed class RunRulesTests
{
    private const long Train = 45;

    private static TrainingSpec Spec(int epochs, StopSection? stop = null) => new()
    {
        Training = new TrainingSection { Epochs = epochs, GradientShards = 1 },
        Batch = new BatchSpec { Kind = "fixed", Options = new FixedBatchOptions { Size = 10 } },
        Stop = stop ?? new StopSection(),
        Averaging = new PluginSpec("none", new NoAveragingOptions()),
    };

    [Theory]
    [InlineData(59, null, false)]
    [InlineData(60, null, true)]
    [InlineData(0, 11.9, true)]
    [InlineData(0, 11.7, false)]
    [InlineData(61, null, true)]
    public void A_warm_up_that_leaves_the_schedule_nothing_is_warned_of(long steps, double? epochs, bool isWarned)
    {
        var spec = Spec(12) with
        {
            Schedule = new ScheduleSpec { Kind = "cosine", Options = new CosineScheduleOptions(), WarmupSteps = steps, WarmupEpochs = epochs },
        };
        Assert.Empty(RunRules.Violations(spec, Train));
        string[] expected = isWarned
            ? [$"the learning rate's warm-up takes {Math.Max(60, steps)} steps and the run 60 steps: schedule 'cosine' behind it never begins; lower schedule."
                + (epochs is null ? "warmup_steps" : "warmup_epochs")]
            : [];
        Assert.Equal(expected, RunRules.Warnings(spec, Train));
    }

    [Fact]
    public void A_warm_up_in_epochs_is_held_to_total_steps_like_one_in_steps()
    {
        var spec = Spec(12) with
        {
            Schedule = new ScheduleSpec { Kind = "cosine", Options = new CosineScheduleOptions { TotalSteps = 20 }, WarmupEpochs = 4 },
        };
        Assert.Equal(["schedule.warmup_epochs: is 4, which are 20 steps, but must be fewer than 20, the total_steps, which begin with the warm-up"],
            RunRules.Violations(spec, Train).Select(v => v.ToString()));
        Assert.Empty(RunRules.Violations(spec with { Schedule = spec.Schedule with { WarmupEpochs = 3 } }, Train));
    }

    [Theory]
    [InlineData("ema", null, 60L, null, null, "averaging.start_step: is 60, but the run has 60 steps, so nothing is averaged; set it below that")]
    [InlineData("ema", null, 59L, null, null, null)]
    [InlineData("ema", 2, null, null, 10L, "averaging.start_epoch: is 2, which is after 10 steps, but the run has 10 steps, so nothing is averaged; set it below that")]
    [InlineData("ema", 2, null, null, 11L, null)]
    [InlineData("swa", null, 50L, 11L, null,
        "averaging.every_steps: is 11, counted from step 50 on, but the run has 60 steps, so nothing is averaged; set it to what is left, or begin earlier")]
    [InlineData("swa", null, 50L, 10L, null, null)]
    [InlineData("swa", null, null, null, 4L, "averaging.every_steps: is not set, and swa then averages every 5 steps, counted from step 0 on, but the run has 4 steps, "
        + "so nothing is averaged; set it to fewer, or train longer")]
    [InlineData("swa", null, null, null, 5L, null)]
    [InlineData("swa", null, null, null, null, null)]
    [InlineData("ema", null, null, null, 1L, null)]
    public void An_average_that_nothing_would_enter_is_refused(string kind, int? startEpoch, long? startStep, long? every, long? maxSteps, string? expected)
    {
        AveragingOptions options = kind == "ema" ? new ExponentialAverageOptions() : new StochasticAverageOptions();
        options = options with { StartEpoch = startEpoch, StartStep = startStep, EverySteps = every };
        var spec = Spec(12, new StopSection { MaxSteps = maxSteps }) with { Averaging = new PluginSpec(kind, options) };
        Assert.Equal(expected is null ? [] : [expected], RunRules.Violations(spec, Train).Select(v => v.ToString()));
        // and so it is
        var planner = new StepPlanner(spec, new ConstantSchedule(), 0.1, 10, new DataCounts(Train, 0, 0));
        while (planner.Current.Stop is null) planner.Advance();
        Assert.Equal(expected is null, planner.Current.UsesAverage);
    }

    /// <summary>Without a validation part there is nothing else to select by.</summary>
    [Fact]
    public void A_train_metric_that_selects_averages_is_warned_of()
    {
        var spec = Spec(12) with { Averaging = new PluginSpec("ema", new ExponentialAverageOptions()), Select = new SelectSection { Metric = "train.loss" } };
        Assert.StartsWith("select.metric is 'train.loss', which is measured on the weights of the steps, but what it selects is their average",
            Assert.Single(RunRules.Warnings(spec, Train)));
        Assert.Empty(RunRules.Warnings(spec with { Select = new SelectSection() }, Train));
        Assert.Empty(RunRules.Warnings(spec with { Averaging = new PluginSpec("none", new NoAveragingOptions()) }, Train));
    }
}
