using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Studies;

/// <summary>The rows that a run tells, and what it had had at each: a planner is driven to where it stops, with rows as the server of key 0 has them.</summary>
internal sealed class SimulatedRun
{
    private readonly StepPlanner _planner;
    private readonly long? _logEverySteps;

    public SimulatedRun(TrainingSpec spec, DataCounts data, RunPause? pause = null)
    {
        (_logEverySteps, TrainCount) = (spec.Training.LogEverySteps, data.Train);
        var batches = BatchPlanner.Of(spec, data.Train);
        StepsPerEpoch = new RunLength(spec, batches, data.Train).StepsPerEpoch;
        _planner = new StepPlanner(spec, new ConstantSchedule(), 0.1, batches, data) { Pause = pause };
        while (_planner.Current.Stop is null || _planner.Current.Evaluate)
        {
            if (_planner.Current.Evaluate) Evaluate();
            else Advance();
        }
    }

    public long TrainCount { get; }

    public long StepsPerEpoch { get; }

    public List<MetricRow> Rows { get; } = [];

    /// <summary>Samples after each step.</summary>
    public List<long> Samples { get; } = [0];

    public StopReason? Stop => _planner.Current.Stop;

    public long Step => _planner.Current.Step;

    /// <summary>Losses and accuracies are functions of the step.</summary>
    public static MetricRow Row(DataSplit split, long step, int epoch = 0, double? seconds = null, params KeyValuePair<string, double>[] metrics)
    {
        if (metrics.Length == 0) metrics = [new("loss", (split == DataSplit.Train ? 1000 : 2000) + step), new("accuracy", step / 1000.0)];
        return new MetricRow(step, epoch, split, metrics, null, null, null, seconds ?? step * 0.4);
    }

    private void Evaluate()
    {
        var (step, epoch) = (_planner.Current.Step, _planner.Before().Epoch);
        _planner.Evaluated(Sums());
        Rows.Add(Row(DataSplit.Validation, step, epoch));
    }

    private void Advance()
    {
        var done = _planner.Current;
        // noise of 20 numbers around 0.3 with deviation 1 and now and then ten times that, so that batches that follow it differ
        double noise = done.Step / 15 % 2 == 0 ? 20 : 200;
        double squares = 1.8 + noise / done.BatchSize;
        if (_planner.MeasuresNoise) _planner.Observe(Sums(), done.BatchSize, new NoiseSums(squares, squares, 1.8) { Previous = squares });
        var next = _planner.Advance(Sums());
        Samples.Add(_planner.Samples);
        bool ends = next.Stop is { } stop && !stop.LeavesOff();
        bool isDue = next.Step % _logEverySteps == 0;
        if (next.Evaluate || ends || isDue || next.Epoch != done.Epoch) Rows.Add(Row(DataSplit.Train, next.Step, done.Epoch));
    }

    private static MetricSums Sums()
    {
        var sums = new MetricSums();
        sums.Add(MetricSums.Loss, 1, 1);
        return sums;
    }
}
