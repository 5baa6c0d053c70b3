using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Training;

/// <summary>What came of an evaluation barrier.</summary>
/// <param name="Plan">The plan of the same step, revised: no barrier any more, and a stop where one was decided.</param>
/// <param name="Selected">Whether these weights are now the selected ones.</param>
public sealed record EvaluationOutcome(StepPlan Plan, bool Selected);

/// <summary>
/// Decides every step's plan. Lives with the server of key 0, is fed with what that server applied and with evaluation results, and is
/// a pure function of both, so a replay decides the same.
/// </summary>
public sealed class StepPlanner
{
    private const string Train = "train.", Validation = "validation.";

    private readonly TrainingSpec _spec;
    private readonly WarmedUpSchedule _schedule;
    private readonly IEvaluatedSchedule? _evaluatedSchedule;
    private readonly AveragingPlan? _averaging;
    private readonly double _baseRate;
    private readonly BatchPlanner _batches;
    private readonly RunLength _length;
    private readonly long _trainCount;
    private readonly bool _hasValidation;
    private StopReason? _requestedStop;
    private int _evaluationsWithoutGain;
    private double _patienceBest = double.NaN;
    private long? _patienceStep;
    private bool _evaluated;
    private StopReason? _decidedStop;
    private bool _checkpointRequested;
    private PlateauState? _plateau;
    private BatchState _batch;
    private BatchMeasurement _measured;

    /// <param name="spec">The resolved spec.</param>
    /// <param name="schedule">Learning-rate schedule, without the warm-up, which is added here.</param>
    /// <param name="baseRate">The optimizer's learning rate.</param>
    /// <param name="batchSize">Samples in a global batch, at least 1; the spec's own strategy is passed over.</param>
    /// <param name="data">Sizes of the splits; the training part has at least one sample.</param>
    public StepPlanner(TrainingSpec spec, ILearningRateSchedule schedule, double baseRate, int batchSize, DataCounts data)
        : this(spec, schedule, baseRate, Fixed(batchSize, data.Train), data) { }

    /// <inheritdoc cref="StepPlanner(TrainingSpec, ILearningRateSchedule, double, int, DataCounts)"/>
    /// <param name="batches">Decides sizes.</param>
    public StepPlanner(TrainingSpec spec, ILearningRateSchedule schedule, double baseRate, BatchPlanner batches, DataCounts data)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(data.Train, 1);
        (_spec, _baseRate, _batches, _trainCount) = (spec, baseRate, batches, data.Train);
        (_schedule, _evaluatedSchedule) = (new WarmedUpSchedule(schedule, spec.Schedule), schedule as IEvaluatedSchedule);
        _hasValidation = data.Validation > 0;
        _length = new RunLength(spec, batches, data.Train);
        _batch = batches.Begin();
        if (AveragingCatalog.Of(spec) is { } averaging) _averaging = new AveragingPlan(averaging, new AveragedRun(_length.Steps, _length.StepsPerEpoch));
        Current = PlanOf(0) with { Checkpoint = CheckpointAfter(0) };
    }

    /// <summary>Steps if nothing ends training earlier; where the batch varies, as many as there would be with the nominal one.</summary>
    public long TotalSteps => _length.Steps;

    /// <summary>The plan of the step that is under way, or of the barrier or stop that was reached.</summary>
    public StepPlan Current { get; private set; }

    /// <summary>Version of the selected weights, or null while nothing was selected.</summary>
    public long? SelectedStep { get; private set; }

    /// <summary>The selecting metric at <see cref="SelectedStep"/>; NaN while nothing was selected.</summary>
    public double SelectedValue { get; private set; } = double.NaN;

    /// <summary>Samples trained on so far.</summary>
    public long Samples { get; private set; }

    /// <summary>What the step of <see cref="Current"/> showed, where training has diverged there; null otherwise.</summary>
    public DivergedStep? Diverged { get; private set; }

    /// <summary>The batch of the step before <see cref="Current"/>; null at the first.</summary>
    public AppliedBatch? Applied => _batch.Applied;

    /// <summary>The latest batch as rows tell it; null where they tell the step's own, because all are alike but the last of an epoch.</summary>
    public AppliedBatch? Told => _batches.TellsWhole ? _batch.Whole ?? _batch.Applied : null;

    /// <summary>Whether batches differ in size, beside the last one of an epoch.</summary>
    public bool BatchVaries => _batches.Varies;

    /// <summary>Whether the noise of gradients is measured at every step.</summary>
    public bool MeasuresNoise => _batches.Source != NoiseSource.None;

    /// <summary>Scale-invariant iterations done (AdaScale); 0 without.</summary>
    public double Progress => _batch.Progress;

    /// <summary>Takes what was measured of the step whose update is to be counted by <see cref="Advance()"/> next.</summary>
    /// <param name="step">Its metrics.</param>
    /// <param name="weight">Sum of the weights of the global batch, where its gradient is measured.</param>
    /// <param name="gradient">What the servers have measured of it (<see cref="TensorNormSums.Noise"/>).</param>
    public void Observe(MetricSums step, double weight = 0, NoiseSums gradient = default)
    {
        ArgumentNullException.ThrowIfNull(step);
        var leaves = _batches.Source == NoiseSource.PreconditionedLeaves ? LeafNorms.MeanOf(step, gradient.Leaves) : LeafNorms.MeanOf(step);
        _measured = new BatchMeasurement(weight, gradient.Squares, gradient.Dot, leaves) { Previous = gradient.Previous };
    }

    /// <summary>The step under way is not applied (<see cref="DivergenceWatch"/>): training ends with the weights from which it began.</summary>
    public StepPlan Diverge(DivergedStep diverged)
    {
        Diverged = diverged;
        return Current = Current with { Stop = StopReason.Diverged, Evaluate = false };
    }

    /// <summary>
    /// Nobody computes the step of <see cref="Current"/>, or evaluates its weights: training leaves off with them, and whoever goes on from there does
    /// what is left.
    /// </summary>
    public StepPlan StopHere(StopReason reason) => Current = Current with { Stop = reason, Evaluate = false };

    /// <summary>Asks for an end at the next step. The first reason wins.</summary>
    public void RequestStop(StopReason reason) => _requestedStop ??= reason;

    /// <summary>
    /// Asks for a checkpoint of the state after the next step that is not planned yet; at most one is asked for at a time.
    /// </summary>
    public void RequestCheckpoint() => _checkpointRequested = true;

    /// <summary>Where the run leaves off; null = nowhere. Set before the first step.</summary>
    public RunPause? Pause { get; init; }

    /// <summary>While a checkpoint is being written no other is planned: one that would fall into that time is left out.</summary>
    public bool CheckpointUnderWay { get; set; }

    /// <summary>Assignment of gradient shards that plans name from the next one on.</summary>
    public int Assignment { get; set; }

    /// <summary>The plan of the step before <see cref="Current"/>, which is not the first.</summary>
    public StepPlan Before()
    {
        long step = Current.Step - 1;
        // a state of a build before there were strategies: the batch was fixed
        int last = (int)((Samples - 1) % _trainCount % _batches.Nominal + 1);
        long samples = Samples - (Applied?.Size ?? last);
        return new StepPlan(step, (int)(samples / _trainCount), samples % _trainCount, Applied?.Size ?? last,
            Applied?.LearningRate ?? RateAt(step, samples, last))
        { Assignment = Assignment };
    }

    /// <summary>The planner's part of the state of version <c>Current.Step</c>. A stop that was asked for from outside is no part of it.</summary>
    public TrainingState Save() => new()
    {
        Step = Current.Step,
        Samples = Samples,
        SelectedStep = SelectedStep,
        SelectedValue = SelectedValue,
        EvaluationsWithoutGain = _evaluationsWithoutGain,
        PatienceBest = _patienceBest,
        PatienceStep = _patienceStep,
        Evaluated = _evaluated,
        Keep = Current.Keep,
        DecidedStop = _decidedStop,
        Plateau = _plateau,
        Batch = _batch,
        Divergence = Diverged,
    };

    /// <summary>Goes on from a saved state: the plan of its step is decided anew from the spec and is the one that was decided then.</summary>
    public void Restore(TrainingState state)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(state.Step, nameof(state));
        Samples = state.Samples;
        (SelectedStep, SelectedValue) = (state.SelectedStep, state.SelectedValue);
        (_evaluationsWithoutGain, _patienceBest, _patienceStep) = (state.EvaluationsWithoutGain, state.PatienceBest, state.PatienceStep);
        (_evaluated, _decidedStop, _plateau) = (state.Evaluated, state.DecidedStop, state.Plateau);
        Diverged = state.Divergence;
        (_batch, _measured) = (state.Batch ?? _batches.Begin(), default);
        Current = state.Step == 0 && Diverged is null ? PlanOf(0) : WithBarriers(PlanOf(state.Step), null);
        Current = Current with { Evaluate = Current.Evaluate && !state.Evaluated, Keep = state.Keep, Stop = Current.Stop ?? state.DecidedStop };
    }

    /// <summary>The update of <see cref="Current"/> was applied: decides and returns the next plan.</summary>
    /// <exception cref="InvalidOperationException">The current plan is a barrier or a stop.</exception>
    public StepPlan Advance() => Advance(null);

    /// <inheritdoc cref="Advance()"/>
    /// <param name="train">Sums over the steps since the last train row, for targets, patience and selection by a train metric.</param>
    public StepPlan Advance(MetricSums? train)
    {
        if (Current.Evaluate || Current.Stop is not null)
            throw new InvalidOperationException($"step {Current.Step} has no update: it is a barrier or the end");
        Samples += Current.BatchSize;
        _batch = _batches.Next(_batch, Current, Samples, _measured);
        _measured = default;
        _evaluated = false;
        _decidedStop = null;
        if (Current.Checkpoint) CheckpointUnderWay = true;
        var next = PlanOf(Current.Step + 1);
        Current = WithBarriers(next with { Checkpoint = CheckpointAfter(next.Step) }, _requestedStop);
        // also where a run is interrupted: it goes on behind this decision
        bool isMeasured = EvaluateAt(next.Step) || Current.Stop is { } stop && !stop.LeavesOff();
        return train is not null && isMeasured ? Current = Judged(Current, Train, train) : Current;
    }

    /// <summary>Where training ends and where it is evaluated: a function of the step, the spec, and what was asked for.</summary>
    private StepPlan WithBarriers(StepPlan next, StopReason? requestedStop)
    {
        long done = next.Step;
        if (Diverged is not null) next = next with { Stop = StopReason.Diverged };
        else if (requestedStop is { } requested) next = next with { Stop = requested };
        else if (_length.HasEpochs(Samples, _batch.Progress)) next = next with { Stop = StopReason.Epochs };
        else if (done >= _spec.Stop.MaxSteps) next = next with { Stop = StopReason.MaxSteps };
        else if (Samples >= _spec.Stop.MaxSamples) next = next with { Stop = StopReason.MaxSamples };
        else if (Pause is { } pause && pause.IsReached(done, Samples, _trainCount) && (pause.IsEnd || EvaluateAt(done)))
            next = next with { Stop = pause.Reason };
        // a run that is interrupted or has diverged ends at once; every other end is measured first
        bool endsAtOnce = next.Stop is StopReason.Interrupted or StopReason.Cancelled or StopReason.Diverged;
        if (_hasValidation && !endsAtOnce && (next.Stop is not null || EvaluateAt(done)))
            next = next with { Evaluate = true };
        return next;
    }

    /// <summary>The barrier of <see cref="Current"/> is complete.</summary>
    /// <param name="validation">Sums over the whole validation part.</param>
    /// <param name="firstLoss">Mean loss of the run's first step (<see cref="DivergenceWatch.FirstLoss"/>); NaN where there was none.</param>
    public EvaluationOutcome Evaluated(MetricSums validation, double firstLoss = double.NaN)
    {
        if (!Current.Evaluate) throw new InvalidOperationException($"step {Current.Step} is no evaluation barrier");
        // by a train metric it was decided when the step was planned
        var (keep, decided) = (Current.Keep, _decidedStop);
        Current = Judged(Current, Validation, validation);
        _decidedStop ??= decided;
        bool selected = keep || Current.Keep;
        _evaluated = true;
        if (_evaluatedSchedule is { } follows && ValueOf(follows.Metric, Validation, validation) is { } value)
            _plateau = follows.Observe(_plateau ?? new PlateauState(), value, _baseRate);
        Current = Current with
        {
            Evaluate = false,
            Stop = Current.Stop ?? _requestedStop ?? _decidedStop,
            Keep = selected,
            LearningRate = RateAt(Current.Step, Samples, Current.BatchSize),
        };
        if (Current.Stop is { } stop && !stop.LeavesOff() && LossOf(validation) is { } loss && Divergence.Is(loss, firstLoss, _spec.Stop.DivergenceFactor))
            return DivergeAtEnd(loss);
        return new EvaluationOutcome(Current, selected);
    }

    /// <summary>No step comes after the last update that would show what it has done; the evaluation at the end does.</summary>
    private EvaluationOutcome DivergeAtEnd(double loss)
    {
        // by another metric, or by one of the weights before
        if (Current.Keep) (SelectedStep, SelectedValue) = (null, double.NaN);
        Diverged = new DivergedStep(loss, null) { IsAtEnd = true };
        Current = Current with { Stop = StopReason.Diverged, Keep = false };
        return new EvaluationOutcome(Current, Selected: false);
    }

    private static double? LossOf(MetricSums metrics) => metrics.TryGet(MetricSums.Loss, out var sum) && sum.Weight != 0 ? sum.Value : null;

    /// <summary>What the metrics of a split decide: whether the weights are the selected ones, and whether training ends.</summary>
    private StepPlan Judged(StepPlan plan, string split, MetricSums metrics)
    {
        bool selected = ValueOf(_spec.Select.Metric, split, metrics) is { } value && Select(value);
        // patience counts also where something else ends the run: a run that is resumed goes on counting
        var (target, patience) = (Target(split, metrics), Patience(split, metrics));
        _decidedStop = target ?? patience;
        return plan with { Keep = selected, Stop = plan.Stop ?? _requestedStop ?? _decidedStop };
    }

    /// <summary>The plan of the step that begins where <see cref="Samples"/> are done.</summary>
    private StepPlan PlanOf(long step)
    {
        // each sample is visited once an epoch: what was trained on tells where in which epoch the batch begins
        int size = _batches.SizeOf(_batch, Samples);
        return new StepPlan(step, (int)(Samples / _trainCount), Samples % _trainCount, size, RateAt(step, Samples, size))
        {
            Assignment = Assignment,
            Momentum = _schedule.MomentumAt(_length.PositionAt(step, Samples, _batch.Progress)),
            MeasuresLeaves = _batches.Source == NoiseSource.Leaves,
            PushesLeaves = _batches.Source == NoiseSource.PreconditionedLeaves && _batches.Source.IsMeasuredAt(step),
            AverageShare = _averaging?.ShareOf(step + 1) ?? 0,
            UsesAverage = HasAverage(step),
        };
    }

    private double RateAt(long step, long samples, int size)
    {
        var here = _length.PositionAt(step, samples, _batch.Progress);
        double rate = _averaging?.RateAt(step, at => ScheduledRate(at == step ? here : _length.NominalAt(at))) ?? ScheduledRate(here);
        return rate * _batches.RateFactor(_batch, size);
    }

    private double ScheduledRate(in SchedulePosition position) => _schedule.RateAt(_baseRate, position) * (_plateau?.Scale ?? 1);

    private static BatchPlanner Fixed(int size, long trainCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        return new BatchPlanner(new FixedBatch(new FixedBatchOptions { Size = size }), new BatchSpec(), NoiseSource.None, 0, Math.Max(1, trainCount));
    }

    /// <summary>Whether the running average stands for the weights of a version where they are evaluated or kept.</summary>
    public bool HasAverage(long? step) => step is { } version && _averaging?.HasBegun(version) == true;

    private bool CheckpointAfter(long step)
    {
        if (CheckpointUnderWay) return false;
        bool due = _checkpointRequested || (_spec.Checkpoint.EverySteps is { } every && (step + 1) % every == 0);
        _checkpointRequested = false;
        return due;
    }

    private bool EvaluateAt(long done) =>
        (_spec.Evaluate.EverySteps is { } steps && done % steps == 0)
        || (_spec.Evaluate.EveryEpochs is { } epochs && Samples % _trainCount == 0 && Samples / _trainCount % epochs == 0);

    private bool Select(double value)
    {
        if (!double.IsFinite(value)) return false;
        // the average is what was asked for: weights from before it do not compete with it
        bool isFirstAverage = HasAverage(Current.Step) && !HasAverage(SelectedStep);
        bool better = SelectedStep is null || isFirstAverage
            || (_spec.Select.DirectionInForce() == Direction.Minimize ? value < SelectedValue : value > SelectedValue);
        if (better) (SelectedStep, SelectedValue) = (Current.Step, value);
        return better;
    }

    private StopReason? Target(string split, MetricSums metrics)
    {
        if (_spec.Stop.Target is not { } target || ValueOf(target.Metric, split, metrics) is not { } value) return null;
        // a metric that has overflowed has reached nothing
        if (!double.IsFinite(value)) return null;
        return value >= (target.AtLeast ?? double.PositiveInfinity) || value <= (target.AtMost ?? double.NegativeInfinity)
            ? StopReason.Target : null;
    }

    private StopReason? Patience(string split, MetricSums metrics)
    {
        if (_spec.Stop.Patience is not { } patience || ValueOf(patience.Metric, split, metrics) is not { } value) return null;
        var direction = patience.DirectionBeside(_spec.Select);
        double delta = patience.MinDeltaMode == PatienceSection.Relative ? patience.MinDelta * Math.Abs(_patienceBest) : patience.MinDelta;
        // as with selection the average does not compete with weights from before it; a train metric is never the average's
        bool isFirstAverage = split == Validation && HasAverage(Current.Step) && _patienceStep is { } before && !HasAverage(before);
        bool hasBest = double.IsFinite(_patienceBest) && !isFirstAverage;
        // what is not finite is no gain, not even over nothing: a run that measures nothing else ends
        bool gained = double.IsFinite(value) && (!hasBest
            || (direction == Direction.Minimize ? value < _patienceBest - delta : value > _patienceBest + delta));
        if (gained) (_patienceBest, _patienceStep, _evaluationsWithoutGain) = (value, Current.Step, 0);
        else _evaluationsWithoutGain++;
        return _evaluationsWithoutGain >= patience.Evaluations ? StopReason.Patience : null;
    }

    /// <summary>The metric that a path names, such as <c>validation.accuracy</c>; null if it is of another split or was not measured.</summary>
    /// <param name="split">The split with a dot: <c>validation.</c>.</param>
    private static double? ValueOf(string path, string split, MetricSums metrics) =>
        path.StartsWith(split, StringComparison.Ordinal) && metrics.TryGet(path[split.Length..], out var sum) ? sum.Value : null;
}
