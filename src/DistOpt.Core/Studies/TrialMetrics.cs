using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Studies;

/// <summary>What a trial's run has measured, as its study asks for it.</summary>
/// <param name="Resource">What the run had had, in <c>study.resource</c>.</param>
/// <param name="Step">Updates applied.</param>
/// <param name="Values">One for each objective.</param>
public sealed record TrialReport(long Resource, long Step, double[] Values);

/// <summary>
/// Makes reports of the rows of a trial's run: one for each evaluation at which every objective was measured. Of objectives of the train split the row of the
/// same step counts, which comes before the evaluation's.
/// </summary>
/// <param name="study">The study's section, with objectives.</param>
/// <param name="spec">The trial's resolved spec.</param>
/// <param name="stepsPerEpoch">Steps of an epoch, of the nominal batch where it varies.</param>
/// <param name="trainCount">Samples of an epoch.</param>
public sealed class TrialMetrics(StudySection study, TrainingSpec spec, long stepsPerEpoch, long trainCount)
{
    private readonly Dictionary<(DataSplit Split, long Step), MetricRow> _rows = [];
    private readonly List<TrialReport> _reports = [];

    /// <summary>Reports so far, in the order of their steps.</summary>
    public IReadOnlyList<TrialReport> Reports => _reports;

    private bool NeedsValidation => study.Objectives.Any(o => SplitOf(o.Metric) == DataSplit.Validation);

    /// <summary>Takes a row; gives the report that it completes, if it completes one.</summary>
    public TrialReport? Add(MetricRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        if (row.Split == DataSplit.Test) return null;
        _rows[(row.Split, row.Step)] = row;
        if (NeedsValidation != (row.Split == DataSplit.Validation) || _reports.LastOrDefault()?.Step >= row.Step) return null;
        double[] values = [.. study.Objectives.Select(o => ValueOf(o.Metric, row.Step) ?? double.NaN)];
        var report = new TrialReport(ResourceOf(row), row.Step, values);
        _reports.Add(report);
        return report;
    }

    /// <summary>The trial's values (<c>study.value</c>); null where nothing was measured.</summary>
    /// <param name="selected">Step of the selected weights; null = none were selected.</param>
    public double[]? Values(long? selected) => study.Value == TrialValue.Last || selected is null ? _reports.LastOrDefault()?.Values
        : (_reports.LastOrDefault(r => r.Step == selected) ?? _reports.LastOrDefault())?.Values;

    /// <summary>By how much the values at these weights miss each constraint on metrics.</summary>
    /// <inheritdoc cref="Values"/>
    public double[] Constraints(long? selected)
    {
        long step = (study.Value == TrialValue.Best ? selected : null) ?? _reports.LastOrDefault()?.Step ?? -1;
        return [.. study.Constraints.Where(c => c.Metric is not null).Select(c => c.Violation(ValueOf(c.Metric!, step) ?? double.NaN))];
    }

    private double? ValueOf(string metric, long step) =>
        _rows.TryGetValue((SplitOf(metric), step), out var row) ? row.Get(metric[(metric.IndexOf('.', StringComparison.Ordinal) + 1)..]) : null;

    private static DataSplit SplitOf(string metric) => metric.StartsWith(RunJson.Name(DataSplit.Train) + ".", StringComparison.Ordinal)
        ? DataSplit.Train : DataSplit.Validation;

    private long ResourceOf(MetricRow row) => study.Resource switch
    {
        TrialResource.Steps => row.Step,
        TrialResource.Seconds => (long)row.WallSeconds,
        // the batch may vary: an epoch's evaluation says which one it is of
        TrialResource.Epochs => spec.Evaluate.EverySteps is null ? row.Epoch + 1 : row.Step / stepsPerEpoch,
        _ => row.Step / stepsPerEpoch * trainCount + Math.Min(trainCount - 1, row.Step % stepsPerEpoch * (trainCount / stepsPerEpoch)),
    };
}
