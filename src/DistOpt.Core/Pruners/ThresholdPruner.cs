using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>Options of <c>threshold</c>; defaults as Optuna's ThresholdPruner.</summary>
public sealed record ThresholdOptions : JudgingOptions, IValidatableObject
{
    [Description("A report below it ends the trial; null = no bound")]
    public double? Lower { get; init; }

    [Description("A report above it ends the trial; null = no bound")]
    public double? Upper { get; init; }

    [Description("Step before which no trial is pruned")]
    [Range(0, long.MaxValue)]
    public long WarmupSteps { get; init; }

    [Description("Steps between two judgements, counted from the warm-up on; the first report in each interval is judged")]
    [Range(1, long.MaxValue)]
    public long IntervalSteps { get; init; } = 1;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Lower is null && Upper is null) yield return new ValidationResult("is null, and so is upper; give one of them", [nameof(Lower)]);
        if (Lower > Upper) yield return new ValidationResult($"is {Lower}, above upper, which is {Upper}; give at most that", [nameof(Lower)]);
        if (Lower is double.NaN) yield return new ValidationResult("is NaN; give a number", [nameof(Lower)]);
        if (Upper is double.NaN) yield return new ValidationResult("is NaN; give a number", [nameof(Upper)]);
    }

    public override IEnumerable<SpecViolation> Check(StudyContext context) => CheckObjectives(context, "threshold");
}

/// <summary>Ends a trial whose latest value is NaN, below a bound or above another, as Optuna's <c>pruners/_threshold.py</c>.</summary>
public sealed class ThresholdPruner : IPruner
{
    private readonly ThresholdOptions _options;
    private readonly ReportTable _running = new();
    private readonly HashSet<int> _ended = [];

    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public ThresholdPruner(ThresholdOptions options, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        _options = options;
    }

    public bool IsOrderIndependent => true;

    public bool ComparesReports => false;

    public void Report(int trial, long step, double value)
    {
        if (!_ended.Contains(trial)) _running.Add(trial, step, value);
    }

    public bool ShouldPrune(int trial) => _running[trial] is { } reports && reports.IsDue(_options.WarmupSteps, _options.IntervalSteps)
        && (double.IsNaN(reports.LastValue) || reports.LastValue < _options.Lower || reports.LastValue > _options.Upper);

    public void End(int trial, TrialState state, double value = double.NaN)
    {
        _ended.Add(trial);
        _running.Remove(trial);
    }
}
