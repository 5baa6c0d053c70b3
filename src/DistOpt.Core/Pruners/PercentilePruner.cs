using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>Options of <c>median</c>; defaults as Optuna's MedianPruner.</summary>
public record MedianOptions : JudgingOptions
{
    [Description("Trials that must be complete before any is pruned")]
    [Range(0, 1_000_000)]
    public int StartupTrials { get; init; } = 5;

    [Description("Step before which no trial is pruned")]
    [Range(0, long.MaxValue)]
    public long WarmupSteps { get; init; }

    [Description("Steps between two judgements, counted from the warm-up on; the first report in each interval is judged")]
    [Range(1, long.MaxValue)]
    public long IntervalSteps { get; init; } = 1;

    [Description("Complete trials that must have a report at the same step")]
    [Range(1, 1_000_000)]
    public int MinTrials { get; init; } = 1;

    public override IEnumerable<SpecViolation> Check(StudyContext context) => CheckOthers(context, this is PercentileOptions ? "percentile" : "median");
}

/// <summary>Options of <c>percentile</c>.</summary>
public sealed record PercentileOptions : MedianOptions
{
    [Description("Percentage of the trials that is kept")]
    [Range(0.0, 100.0)]
    public double Percentile { get; init; } = 25;
}

/// <summary>
/// Ends a trial whose best value so far is worse than a percentile of what complete trials reported at exactly this step, as Optuna's
/// <c>pruners/_percentile.py</c> (median: 50). A trial that has reported nothing but NaN is ended; NaN of others is left out. A judgement costs
/// O(1), the end of a complete trial O(log n) for each of its reports, of which each takes some 30 bytes.
/// </summary>
public sealed class PercentilePruner : IPruner
{
    private readonly MedianOptions _options;
    private readonly StudyContext _context;
    private readonly double _percentile;
    private readonly ReportTable _running = new();
    private readonly Dictionary<int, double> _best = [];
    private readonly Dictionary<long, RunningPercentile> _complete = [];
    private readonly HashSet<int> _ended = [];
    private int _completed;

    /// <param name="options">Median, or percentile.</param>
    /// <param name="context">The study.</param>
    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public PercentilePruner(MedianOptions options, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        (_options, _context) = (options, context);
        _percentile = options is PercentileOptions { Percentile: var percentile } ? percentile : 50;
    }

    public bool IsOrderIndependent => false;

    public void Report(int trial, long step, double value)
    {
        if (_ended.Contains(trial) || !_running.Add(trial, step, value)) return;
        double loss = _context.Loss(value), best = _best.GetValueOrDefault(trial, double.NaN);
        _best[trial] = double.IsNaN(best) || loss < best ? loss : best;
    }

    public bool ShouldPrune(int trial)
    {
        if (_completed == 0 || _completed < _options.StartupTrials) return false;
        if (_running[trial] is not { } reports || !reports.IsDue(_options.WarmupSteps, _options.IntervalSteps)) return false;
        double best = _best[trial];
        if (double.IsNaN(best)) return true;
        return _complete.TryGetValue(reports.Last, out var others) && others.Count >= _options.MinTrials && best > others.Value;
    }

    public void End(int trial, TrialState state, double value = double.NaN)
    {
        if (!_ended.Add(trial)) return;
        _best.Remove(trial);
        var reports = _running.Remove(trial);
        if (state != TrialState.Complete) return;
        _completed++;
        if (reports is null) return;
        foreach (var (step, reported) in reports.Values)
        {
            if (!_complete.TryGetValue(step, out var others)) _complete.Add(step, others = new RunningPercentile(_percentile));
            others.Add(_context.Loss(reported));
        }
    }
}
