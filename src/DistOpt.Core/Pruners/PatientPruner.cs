using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Pruners;

/// <summary>Options of <c>patient</c>; defaults as Optuna's PatientPruner, with which patience must be given.</summary>
public sealed record PatientOptions : JudgingOptions
{
    [Description("Reports that may pass without a better one before the trial may be pruned")]
    [Range(0, 1_000_000)]
    public int Patience { get; init; } = 5;

    [Description("What counts as better: more than this")]
    [Range(0.0, double.MaxValue)]
    public double MinDelta { get; init; }

    [Description("The pruner that is asked once patience is used up; none = the trial is pruned at once")]
    [Plugin("pruners")]
    public PluginSpec Wrapped { get; init; } = new("none");

    public override IEnumerable<SpecViolation> Check(StudyContext context)
    {
        foreach (var violation in CheckObjectives(context, "patient")) yield return violation;
        if (Wrapped.Options is JudgingOptions { Objective: { } objective })
            yield return new(Path + ".wrapped.objective", $"is '{objective}', but both judge by the same one; give it as objective of patient");
        foreach (var violation in (Wrapped.Options as PrunerOptions)?.Check(context) ?? []) yield return violation;
    }
}

/// <summary>
/// Lets another pruner end a trial only when the best of its last patience + 1 reports is worse, by more than min_delta, than the best before them, as
/// Optuna's <c>pruners/_patient.py</c>; NaN is left out. O(patience) for a judgement.
/// </summary>
public sealed class PatientPruner : IPruner
{
    private readonly PatientOptions _options;
    private readonly IPruner? _wrapped;
    private readonly StudyContext _context;
    private readonly Dictionary<int, Series> _running = [];
    private readonly HashSet<int> _ended = [];

    /// <param name="options">Patience and min_delta.</param>
    /// <param name="wrapped">The other pruner; null = none, a trial is ended at once.</param>
    /// <param name="context">The study.</param>
    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public PatientPruner(PatientOptions options, IPruner? wrapped, StudyContext context)
    {
        StudyContext.Demand(options.Check(context));
        (_options, _wrapped, _context) = (options, wrapped, context);
    }

    public bool IsOrderIndependent => _wrapped?.IsOrderIndependent ?? true;

    public bool JudgesRuns => _wrapped?.JudgesRuns ?? false;

    public void Report(int trial, long step, double value)
    {
        _wrapped?.Report(trial, step, value);
        if (_ended.Contains(trial)) return;
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (!_running.TryGetValue(trial, out var series)) _running.Add(trial, series = new Series());
        series.Add(step, _context.Loss(value), _options.Patience + 1);
    }

    public bool ShouldPrune(int trial)
    {
        if (!_running.TryGetValue(trial, out var series) || !series.HasMore) return false;
        double last = double.NaN;
        foreach (double loss in series.Last.Values) last = Best(last, loss);
        // NaN on either side is no reason to prune
        return series.Before + _options.MinDelta < last && (_wrapped?.ShouldPrune(trial) ?? true);
    }

    public void End(int trial, TrialState state, double value = double.NaN)
    {
        _wrapped?.End(trial, state, value);
        _ended.Add(trial);
        _running.Remove(trial);
    }

    private static double Best(double a, double b) => double.IsNaN(a) || b < a ? b : a;

    /// <summary>The last reports of a trial by their steps, and the best of those before.</summary>
    private sealed class Series
    {
        private readonly HashSet<long> _before = [];

        public SortedList<long, double> Last { get; } = [];

        /// <summary>NaN where there was nothing but NaN.</summary>
        public double Before { get; private set; } = double.NaN;

        public bool HasMore => _before.Count > 0;

        public void Add(long step, double loss, int size)
        {
            if (_before.Contains(step) || !Last.TryAdd(step, loss) || Last.Count <= size) return;
            Before = Best(Before, Last.GetValueAtIndex(0));
            _before.Add(Last.GetKeyAtIndex(0));
            Last.RemoveAt(0);
        }
    }
}
