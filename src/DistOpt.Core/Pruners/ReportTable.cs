namespace DistOpt.Core.Pruners;

/// <summary>The reports of one trial.</summary>
internal sealed class TrialReports
{
    private readonly Dictionary<long, double> _values = [];

    /// <summary>By step, in the order in which they came.</summary>
    public IReadOnlyDictionary<long, double> Values => _values;

    public int Count => _values.Count;

    /// <summary>The greatest step.</summary>
    public long Last { get; private set; } = -1;

    /// <summary>The greatest step but the last; -1 where there is none.</summary>
    public long Previous { get; private set; } = -1;

    public double LastValue => _values[Last];

    /// <summary>Whether the report counts: false where there is one at the step already.</summary>
    public bool Add(long step, double value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (!_values.TryAdd(step, value)) return false;
        if (step > Last) (Previous, Last) = (Last, step);
        else if (step > Previous) Previous = step;
        return true;
    }

    /// <summary>
    /// Optuna's rule for when to judge: not before the warm-up, and with the first report in each interval from there on.
    /// </summary>
    public bool IsDue(long warmup, long interval) => Last >= warmup && Previous < (Last - warmup) / interval * interval + warmup;
}

/// <summary>The reports of the trials that run.</summary>
internal sealed class ReportTable
{
    private readonly Dictionary<int, TrialReports> _trials = [];

    /// <summary>The reports of a trial; null where it has none, or has ended.</summary>
    public TrialReports? this[int trial] => _trials.GetValueOrDefault(trial);

    /// <inheritdoc cref="TrialReports.Add"/>
    public bool Add(int trial, long step, double value)
    {
        if (!_trials.TryGetValue(trial, out var reports)) _trials.Add(trial, reports = new TrialReports());
        return reports.Add(step, value);
    }

    /// <summary>The trial has ended: its reports, which are forgotten; null where it had none, or ended before.</summary>
    public TrialReports? Remove(int trial) => _trials.Remove(trial, out var reports) ? reports : null;
}
