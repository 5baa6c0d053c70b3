using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>Options of <c>wilcoxon</c>; defaults as Optuna's WilcoxonPruner.</summary>
public sealed record WilcoxonOptions : JudgingOptions
{
    [Description("A trial is pruned where the probability of differences like these between equals is below it")]
    [Range(0.0, 1.0)]
    public double PThreshold { get; init; } = 0.1;

    [Description("Steps (with study.repeats: runs) that a trial must have in common with the best one before it may be pruned")]
    [Range(0, 1_000_000)]
    public int StartupSteps { get; init; } = 2;

    public override IEnumerable<SpecViolation> Check(StudyContext context)
    {
        foreach (var violation in CheckOthers(context, "wilcoxon")) yield return violation;
        // it judges after each run but the last, and of n runs that are all worse the probability between equals is 2^-n
        int pairs = context.Repeats - 1;
        if (pairs < 1 || (pairs >= StartupSteps && Math.Pow(2, -pairs) < PThreshold)) yield break;
        int enough = Math.Max(StartupSteps, PThreshold > 0 ? (int)Math.Floor(-Math.Log2(PThreshold)) + 1 : int.MaxValue - 1);
        yield return new SpecViolation(Path, $"is wilcoxon, which with study.repeats {context.Repeats} can end no trial: of {pairs} runs that are all worse the "
            + FormattableString.Invariant($"probability between equals is {Math.Pow(2, -pairs)}, p_threshold {PThreshold}, startup_steps {StartupSteps}; ")
            + (PThreshold > 0 ? $"use study.repeats {enough + 1} or more, or a greater p_threshold" : "use a p_threshold above 0"));
    }
}

/// <summary>
/// For objectives that are a mean over steps (folds, instances; the runs of a configuration where a study repeats it): ends a trial that is worse, by the
/// one-sided signed-rank test of the differences at steps in common, than the best complete trial, unless the mean of its reports is not worse than the best
/// trial's, as Optuna's <c>pruners/_wilcoxon.py</c>. Steps may come in any order. Where either has a value that is not finite nothing is ended. A judgement
/// costs O(s log s) in the trial's steps and, up to 50 of them, O(s^3) for the exact distribution; it does not depend on the number of trials.
/// </summary>
public sealed class WilcoxonPruner : IPruner
{
    private readonly WilcoxonOptions _options;
    private readonly StudyContext _context;
    private readonly ReportTable _running = new();
    private readonly HashSet<int> _ended = [];
    private (double Loss, int Trial, TrialReports? Reports)? _best;

    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public WilcoxonPruner(WilcoxonOptions options, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        (_options, _context) = (options, context);
    }

    public bool IsOrderIndependent => false;

    public bool ComparesReports => !JudgesRuns;

    public bool JudgesRuns => _context.Repeats > 1;

    public void Report(int trial, long step, double value)
    {
        if (!_ended.Contains(trial)) _running.Add(trial, step, value);
    }

    public bool ShouldPrune(int trial)
    {
        if (_running[trial] is not { } reports || _best is not { Reports: { } best }) return false;
        if (!reports.Values.Values.All(double.IsFinite) || !best.Values.Values.All(double.IsFinite)) return false;
        var differences = new List<double>();
        foreach (var (step, value) in reports.Values)
            if (best.Values.TryGetValue(step, out double other)) differences.Add(_context.Loss(value) - _context.Loss(other));
        if (differences.Count == 0 || differences.Count < _options.StartupSteps) return false;
        bool isBest = _context.Loss(Mean(reports)) <= _context.Loss(Mean(best));
        return !isBest && SignedRankTest.PValueGreater([.. differences]) < _options.PThreshold;
    }

    public void End(int trial, TrialState state, double value = double.NaN)
    {
        if (!_ended.Add(trial)) return;
        var reports = _running.Remove(trial);
        double loss = _context.Loss(value);
        if (state != TrialState.Complete || double.IsNaN(loss)) return;
        // of equal ones that with the lowest number, whichever ended first
        if (_best is not { } best || loss < best.Loss || (loss == best.Loss && trial < best.Trial)) _best = (loss, trial, reports);
    }

    private static double Mean(TrialReports reports)
    {
        double sum = 0;
        foreach (double value in reports.Values.Values) sum += value;
        return sum / reports.Count;
    }
}
