using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Studies;

/// <summary>What a trial's run has measured, as its study asks for it.</summary>
/// <param name="Resource">What the run had had, in <c>study.resource</c>: whole ones, rounded down, as <see cref="RunPause"/> counts them.</param>
/// <param name="Step">Updates applied.</param>
/// <param name="Values">One for each objective; NaN where it was not measured.</param>
public sealed record TrialReport(long Resource, long Step, double[] Values);

/// <summary>
/// Makes reports of the rows of a trial's run: one for each evaluation. Of objectives of the train split the row of the same step counts, which comes before
/// the evaluation's; where all objectives are of the train split, there need not be a validation part, and those train rows count where evaluations are due.
/// <para>
/// Where the batch follows the noise scale, rows do not tell how far into an epoch they are: epochs and samples are those of whole epochs then. One epoch less
/// is told at an epoch's end that is also due by <c>evaluate.every_steps</c> (for train rows: <c>training.log_every_steps</c>), and one more where
/// the run ends within an epoch and the ends of epochs are evaluated.
/// </para>
/// </summary>
/// <param name="study">The study's section, with objectives.</param>
/// <param name="spec">The trial's resolved spec.</param>
/// <param name="stepsPerEpoch">Steps of an epoch, of the nominal batch where it varies.</param>
/// <param name="trainCount">Samples of an epoch.</param>
public sealed class TrialMetrics(StudySection study, TrainingSpec spec, long stepsPerEpoch, long trainCount)
{
    private readonly DataSplit _told = study.Objectives.Any(o => SplitOf(o.Metric) == DataSplit.Validation) ? DataSplit.Validation : DataSplit.Train;
    private readonly TrialSamples _samples = new(spec, stepsPerEpoch, trainCount);
    private readonly Dictionary<(DataSplit Split, long Step), MetricRow> _rows = [];
    private readonly List<TrialReport> _reports = [];
    private readonly SortedSet<string> _measured = new(StringComparer.Ordinal);
    private long? _lastTrain;

    /// <summary>Metrics that were measured so far, as split.name.</summary>
    public IReadOnlyCollection<string> Measured => _measured;

    /// <summary>Metrics of objectives and constraints that were not.</summary>
    public IReadOnlyList<string> Missing => [.. Wanted(study).Where(m => !_measured.Contains(m))];

    /// <summary>Reports so far, in the order of their steps.</summary>
    public IReadOnlyList<TrialReport> Reports => _reports;

    /// <summary>Metrics that a study asks for: of its objectives, and of its constraints.</summary>
    public static IEnumerable<string> Wanted(StudySection study)
    {
        ArgumentNullException.ThrowIfNull(study);
        return study.Objectives.Select(o => o.Metric).Concat(study.Constraints.Select(c => c.Metric).OfType<string>()).Distinct(StringComparer.Ordinal);
    }

    /// <summary>
    /// Takes a row; gives the report that it completes, if it completes one. Rows may be told again, in their order, after the run has gone back.
    /// </summary>
    public TrialReport? Add(MetricRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        if (row.Split == DataSplit.Test) return null;
        foreach (var (name, _) in row.Metrics) _measured.Add($"{RunJson.Name(row.Split)}.{name}");
        if (row.Split == DataSplit.Train) Follow(row.Step);
        _rows[(row.Split, row.Step)] = row;
        if (row.Split != _told || _reports.LastOrDefault()?.Step >= row.Step || !IsEvaluation(row)) return null;
        var report = new TrialReport(ResourceOf(row), row.Step, ValuesAt(row.Step));
        _reports.Add(report);
        return report;
    }

    /// <summary>The trial's values (<c>study.value</c>); null where nothing was measured.</summary>
    /// <param name="selected">Step of the selected weights; null = none were selected, or the run was ended before its end.</param>
    public double[]? Values(long? selected) => StepOf(selected) is { } step ? ValuesAt(step) : null;

    /// <summary>By how much the values at these weights miss each constraint on metrics.</summary>
    /// <inheritdoc cref="Values"/>
    public double[] Constraints(long? selected)
    {
        long step = StepOf(selected) ?? -1;
        return [.. study.Constraints.Where(c => c.Metric is not null).Select(c => c.Violation(ValueOf(c.Metric!, step) ?? double.NaN))];
    }

    /// <summary>Where the trial's values were measured.</summary>
    private long? StepOf(long? selected)
    {
        if (study.Value == TrialValue.Best && selected is { } best && _rows.ContainsKey((_told, best))) return best;
        // the end of a run is an evaluation, wherever it is
        bool isEndLast = _told == DataSplit.Train && (selected is not null || _reports.Count == 0);
        return isEndLast ? _lastTrain : _reports.LastOrDefault()?.Step;
    }

    /// <summary>Of train rows that no evaluation has followed only the last one is kept, where evaluations have rows of their own.</summary>
    private void Follow(long step)
    {
        if (_told == DataSplit.Validation && _lastTrain is { } before && !_rows.ContainsKey((DataSplit.Validation, before)))
            _rows.Remove((DataSplit.Train, before));
        _lastTrain = step;
    }

    private double[] ValuesAt(long step) => [.. study.Objectives.Select(o => ValueOf(o.Metric, step) ?? double.NaN)];

    private double? ValueOf(string metric, long step) =>
        _rows.TryGetValue((SplitOf(metric), step), out var row) ? row.Get(metric[(metric.IndexOf('.', StringComparison.Ordinal) + 1)..]) : null;

    private static DataSplit SplitOf(string metric) => metric.StartsWith(RunJson.Name(DataSplit.Train) + ".", StringComparison.Ordinal)
        ? DataSplit.Train : DataSplit.Validation;

    /// <summary>Train rows are told also at the ends of epochs that are not evaluated, and every so many steps.</summary>
    private bool IsEvaluation(MetricRow row) => row.Split == DataSplit.Validation || IsDue(spec.Evaluate.EverySteps, row.Step)
        || (spec.Evaluate.EveryEpochs is { } epochs && IsEndOfEpoch(row) && SamplesAt(row) / trainCount % epochs == 0);

    private long ResourceOf(MetricRow row) => study.Resource switch
    {
        TrialResource.Steps => row.Step,
        TrialResource.Seconds => (long)row.WallSeconds,
        TrialResource.Epochs => SamplesAt(row) / trainCount,
        _ => SamplesAt(row),
    };

    private long SamplesAt(MetricRow row) => _samples.After(row.Step) ?? (row.Epoch + (IsEndOfEpoch(row) ? 1L : 0)) * trainCount;

    private bool IsEndOfEpoch(MetricRow row)
    {
        if (_samples.After(row.Step) is { } samples) return samples % trainCount == 0;
        // nothing else can have led to it
        return !IsDue(spec.Evaluate.EverySteps, row.Step) && (row.Split == DataSplit.Train
            ? !IsDue(spec.Training.LogEverySteps, row.Step) : spec.Evaluate.EveryEpochs is not null);
    }

    private static bool IsDue(long? every, long step) => every is { } steps && step % steps == 0;
}
