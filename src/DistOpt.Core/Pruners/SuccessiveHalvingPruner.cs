using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>Options of <c>successive-halving</c>; defaults as Optuna's SuccessiveHalvingPruner.</summary>
public sealed record SuccessiveHalvingOptions : JudgingOptions, IValidatableObject
{
    [Description("Step of the lowest rung; auto = a hundredth of the last step of the trials that are complete when it is first needed, at least 1")]
    [NullName("auto")]
    [Range(1, long.MaxValue)]
    public long? MinResource { get; init; }

    [Description("eta: from rung to rung the step grows by it, and one of so many trials is kept")]
    [Range(2, 1_000_000)]
    public int ReductionFactor { get; init; } = 4;

    [Description("s: the lowest rung lies at min_resource * eta^s")]
    [Range(0, 60)]
    public int MinEarlyStoppingRate { get; init; }

    [Description("Trials that must have come to a rung before any goes on from it; needs min_resource")]
    [Range(0, 1_000_000)]
    public int BootstrapCount { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (BootstrapCount > 0 && MinResource is null)
        {
            yield return new ValidationResult($"is {BootstrapCount}, which needs min_resource, but that is auto; give it, or set this to 0",
                [nameof(BootstrapCount)]);
        }
    }

    public override IEnumerable<SpecViolation> Check(StudyContext context) => CheckOthers(context, "successive-halving");
}

/// <summary>
/// Asynchronous successive halving in the form of Optuna's <c>pruners/_successive_halving.py</c>: a trial that has come to rung k, at
/// min_resource * eta^(s + k), goes on if its value is among the best floor(n / eta), at least 1, of the n trials that have been judged there, itself
/// included; a report may pass several rungs. NaN at a rung ends the trial. O(log n) for a rung, some 30 bytes for each value in it.
/// </summary>
public sealed class SuccessiveHalvingPruner : IPruner
{
    private readonly SuccessiveHalvingOptions _options;
    private readonly StudyContext _context;
    private readonly ReportTable _running = new();
    private readonly Dictionary<int, int> _rungOf = [];
    private readonly List<SplitHeap> _rungs = [];
    private readonly HashSet<int> _ended = [];
    private long? _minResource;
    private long _lastStep = -1;

    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public SuccessiveHalvingPruner(SuccessiveHalvingOptions options, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        (_options, _context, _minResource) = (options, context, options.MinResource);
    }

    public bool IsOrderIndependent => false;

    public void Report(int trial, long step, double value)
    {
        if (!_ended.Contains(trial)) _running.Add(trial, step, value);
    }

    /// <inheritdoc cref="IPruner.ShouldPrune"/>
    /// <remarks>The trial's value enters the rungs that it has come to: part of what is repeated after an interruption.</remarks>
    public bool ShouldPrune(int trial)
    {
        if (_running[trial] is not { } reports) return false;
        if (_minResource is null && _lastStep >= 0) _minResource = Math.Max(_lastStep / 100, 1);
        if (_minResource is not { } least) return false;
        double loss = _context.Loss(reports.LastValue);
        for (int rung = _rungOf.GetValueOrDefault(trial); ; rung++)
        {
            if (reports.Last < least * Math.Pow(_options.ReductionFactor, _options.MinEarlyStoppingRate + rung)) return false;
            if (double.IsNaN(loss)) return true;
            if (rung == _rungs.Count) _rungs.Add(new SplitHeap(n => Math.Max(1, n / _options.ReductionFactor)));
            _rungs[rung].Add(loss);
            _rungOf[trial] = rung + 1;
            if (_rungs[rung].Count <= _options.BootstrapCount || loss > _rungs[rung].GreatestBelow) return true;
        }
    }

    public void End(int trial, TrialState state, double value = double.NaN)
    {
        if (!_ended.Add(trial)) return;
        _rungOf.Remove(trial);
        if (_running.Remove(trial) is { } reports && state == TrialState.Complete) _lastStep = Math.Max(_lastStep, reports.Last);
    }
}
