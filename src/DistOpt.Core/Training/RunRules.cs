using System.Globalization;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Training;

/// <summary>What a spec says of a run's length that cannot be meant, found where the data is open and the length is known, before the first step.</summary>
public static class RunRules
{
    /// <summary>What would never come about in a run of this length.</summary>
    /// <param name="spec">The resolved spec.</param>
    /// <param name="trainCount">Samples in the training part, at least 1.</param>
    public static IEnumerable<SpecViolation> Violations(TrainingSpec spec, long trainCount)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var length = LengthOf(spec, trainCount);
        return WarmUpAndTotal(spec, length).Concat(NothingAveraged(spec, length));
    }

    /// <summary>What a user may have overlooked, one line each; the run goes on.</summary>
    /// <inheritdoc cref="Violations" path="/param"/>
    public static IEnumerable<string> Warnings(TrainingSpec spec, long trainCount)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var begin = LengthOf(spec, trainCount).PositionAt(0, 0, 0);
        double warmUp = WarmedUpSchedule.LengthOf(spec.Schedule, begin.EpochLength);
        if (warmUp > 0 && warmUp >= begin.Horizon)
        {
            yield return $"the learning rate's warm-up takes {Steps(warmUp)} and the run {Steps(begin.Horizon)}: schedule '{spec.Schedule.Kind}' behind it "
                + $"never begins; lower schedule.{(spec.Schedule.WarmupEpochs is null ? "warmup_steps" : "warmup_epochs")}";
        }
        if (spec.Averaging.Options is AveragingOptions && spec.Select.Metric.StartsWith("train.", StringComparison.Ordinal))
        {
            yield return $"select.metric is '{spec.Select.Metric}', which is measured on the weights of the steps, but what it selects is their average "
                + $"(averaging '{spec.Averaging.Kind}'): set data.validation_fraction above 0 and select by validation.loss";
        }
    }

    private static RunLength LengthOf(TrainingSpec spec, long trainCount) => new(spec, BatchPlanner.Of(spec, trainCount), trainCount);

    /// <summary>The same rule as for <c>warmup_steps</c>, which needs no data.</summary>
    private static IEnumerable<SpecViolation> WarmUpAndTotal(TrainingSpec spec, RunLength length)
    {
        if (spec.Schedule is not { WarmupEpochs: { } epochs, Options: IHorizonOptions { TotalSteps: { } total } }) yield break;
        double warmUp = WarmedUpSchedule.LengthOf(spec.Schedule, length.PositionAt(0, 0, 0).EpochLength);
        if (warmUp < total) yield break;
        yield return new("schedule.warmup_epochs", string.Create(CultureInfo.InvariantCulture,
            $"is {epochs}, which are {Steps(warmUp)}, but must be fewer than {total}, the total_steps, which begin with the warm-up"));
    }

    /// <summary>An average that nothing can enter would stand for the weights without a word.</summary>
    private static IEnumerable<SpecViolation> NothingAveraged(TrainingSpec spec, RunLength length)
    {
        // where batches vary nobody knows how many steps there will be
        if (!length.IsExact || AveragingCatalog.Of(spec) is not { } averaging || spec.Averaging.Options is not AveragingOptions options) yield break;
        var run = new AveragedRun(length.Steps, length.StepsPerEpoch);
        if (new AveragingPlan(averaging, run).CountAt(length.Steps) > 0) yield break;
        long interval = averaging.IntervalOf(run);
        string nothing = $"the run has {Steps(length.Steps)}, so nothing is averaged";
        if (options.StartStep is { } step && step >= length.Steps)
        {
            yield return new("averaging.start_step", $"is {step}, but {nothing}; set it below that");
        }
        else if (options.StartEpoch is { } epoch && averaging.StartOf(run) >= length.Steps)
        {
            yield return new("averaging.start_epoch", $"is {epoch}, which is after {Steps(averaging.StartOf(run))}, but {nothing}; set it below that");
        }
        else if (options.EverySteps is { } every)
        {
            yield return new("averaging.every_steps",
                $"is {every}, counted from step {averaging.StartOf(run)} on, but {nothing}; set it to what is left, or begin earlier");
        }
        else
        {
            yield return new("averaging.every_steps", $"is not set, and {spec.Averaging.Kind} then averages every {Steps(interval)}, counted from step "
                + $"{averaging.StartOf(run)} on, but {nothing}; set it to fewer, or train longer");
        }
    }

    private static string Steps(double steps) => string.Create(CultureInfo.InvariantCulture, $"{steps:0.##} {(steps == 1 ? "step" : "steps")}");
}
