using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Batching;

/// <summary>What a step has told of its gradient. The default is that nothing was measured.</summary>
/// <param name="Weight">Sum of the weights of its global batch.</param>
/// <param name="Squares">Squared norm of the mean gradient of the loss, without penalties and before clipping; in the norm of the source.</param>
/// <param name="Dot">Its product with that of the step before, where estimates are of consecutive gradients.</param>
/// <param name="Leaves">See <see cref="LeafNorms"/>; null where estimates are not of leaves.</param>
public readonly record struct BatchMeasurement(double Weight, double Squares, double Dot, (double Squares, double InverseSize)? Leaves)
{
    /// <summary>Squared norm of the gradient of the step before in the norm of this one (<see cref="NoiseSource.PreconditionedConsecutive"/>).</summary>
    public double Previous { get; init; }
}

/// <summary>
/// A strategy with what stands round it: the learning rate's scaling, the estimate of the gradient's noise, and the end of the epoch, which cuts a
/// batch, so that each sample is visited once an epoch. Stateless: <see cref="BatchState"/> goes in and out. Thread-safe.
/// </summary>
public sealed class BatchPlanner
{
    private readonly IBatchStrategy _strategy;
    private readonly LearningRateScaling _scaling;
    private readonly double _smoothing;
    private readonly long _seed;
    private readonly long _trainCount;

    /// <param name="strategy">Chooses sizes.</param>
    /// <param name="spec">The common fields of <c>batch:</c>.</param>
    /// <param name="seed">Random seed of the job.</param>
    /// <param name="trainCount">Samples in the training part, at least 1.</param>
    public BatchPlanner(IBatchStrategy strategy, BatchSpec spec, NoiseSource source, long seed, long trainCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(trainCount, 1);
        (_strategy, _seed, _trainCount, Source) = (strategy, seed, trainCount, source);
        (_scaling, _smoothing) = (spec.LearningRateScaling, spec.NoiseSmoothing);
        Nominal = Clamp(strategy.Nominal(trainCount));
        BaseSize = spec.BaseSize ?? Nominal;
    }

    /// <summary>The planner of a resolved spec.</summary>
    public static BatchPlanner Of(TrainingSpec spec, long trainCount)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return new(BatchCatalog.Default.Get(spec.Batch.Kind)(spec.Batch.Options!), spec.Batch, SourceOf(spec), spec.Seed, trainCount)
        {
            IsAdaptive = spec.Optimizer.Options is ILearningRateOptions { IsAdaptive: true },
        };
    }

    /// <summary>What a spec wants to be measured.</summary>
    public static NoiseSource SourceOf(TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (!spec.Batch.FollowsNoise) return NoiseSource.None;
        bool isOne = (spec.Training.GradientShards ?? spec.Training.Workers) == 1;
        bool isPreconditioned = spec.Batch.NoiseNorm switch
        {
            NoiseNorm.Plain => false,
            NoiseNorm.Preconditioned => true,
            _ => spec.Optimizer.Options is ILearningRateOptions { KeepsMeanSquares: true },
        };
        if (isPreconditioned) return isOne ? NoiseSource.PreconditionedConsecutive : NoiseSource.PreconditionedLeaves;
        return isOne ? NoiseSource.Consecutive : NoiseSource.Leaves;
    }

    public NoiseSource Source { get; }

    /// <summary>Whether the optimizer is one of Adam's relatives, whose rate is multiplied by the root of AdaScale's gain.</summary>
    public bool IsAdaptive { get; init; }

    /// <summary>Samples that count as one step where sizes vary.</summary>
    public int Nominal { get; }

    /// <summary>Samples in the batch that the learning rate is meant for.</summary>
    public int BaseSize { get; }

    /// <summary>Whether sizes differ from step to step, beside the last one of an epoch.</summary>
    public bool Varies => _strategy.Varies;

    /// <summary>Whether sizes are known before the run (<see cref="IBatchStrategy.IsForeseeable"/>).</summary>
    public bool IsForeseeable => _strategy.IsForeseeable;

    /// <summary>Whether sizes or what follows from them differ from step to step, so that rows tell of the latest batch that is whole.</summary>
    public bool TellsWhole => Varies || _scaling != LearningRateScaling.None;

    /// <summary>Whether schedule and length of the run go by AdaScale's progress.</summary>
    public bool CountsProgress => _scaling == LearningRateScaling.Adascale;

    /// <summary>The state of the first step.</summary>
    public BatchState Begin() => Chosen(0, 0, null);

    /// <summary>The state of the step that follows one that was applied.</summary>
    /// <param name="state">Of the applied step.</param>
    /// <param name="applied">Its plan.</param>
    /// <param name="samples">Trained on until then, that step's included.</param>
    public BatchState Next(BatchState state, StepPlan applied, long samples, in BatchMeasurement measured)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(applied);
        double? gain = CountsProgress ? Gain(state, applied.BatchSize) : null;
        bool isCut = applied.BatchSize < state.Size;
        var batch = new AppliedBatch(applied.BatchSize, applied.LearningRate, isCut ? BatchReason.EpochEnd : state.Reason,
            state.Noise.Scale is { } scale && double.IsFinite(scale) ? scale : null, gain);
        var after = state with
        {
            Noise = Observe(state.Noise, applied, measured),
            Progress = state.Progress + (gain ?? 0),
            Applied = batch,
            Whole = isCut ? state.Whole : batch,
        };
        return Chosen(applied.Step + 1, samples, after);
    }

    /// <summary>Samples in the step's batch: as chosen, or what is left of the epoch.</summary>
    public int SizeOf(BatchState state, long samples)
    {
        ArgumentNullException.ThrowIfNull(state);
        return (int)Math.Min(state.Size, _trainCount - samples % _trainCount);
    }

    /// <summary>Factor on the schedule's rate for a batch of that size.</summary>
    public double RateFactor(BatchState state, int size)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.RateFactor * _scaling switch
        {
            LearningRateScaling.Linear => size / (double)BaseSize,
            LearningRateScaling.SquareRoot => Math.Sqrt(size / (double)BaseSize),
            LearningRateScaling.Adascale => IsAdaptive ? Math.Sqrt(Gain(state, size)) : Gain(state, size),
            _ => 1,
        };
    }

    /// <summary>
    /// Size of a later step's batch as far as it can be told: for preparing batches ahead, which no bits depend on.
    /// </summary>
    /// <param name="latest">Size that was chosen latest.</param>
    public int Foresee(long step, long samples, int latest)
    {
        int size = _strategy.IsForeseeable ? Clamp(_strategy.Choose(Position(step, samples), null).Size) : latest;
        return (int)Math.Min(size, _trainCount - samples % _trainCount);
    }

    private double Gain(BatchState state, int size) => AdaScale.Gain(state.Noise.Mean, BaseSize, size);

    private BatchPosition Position(long step, long samples) => new(_seed, step, samples, _trainCount);

    private int Clamp(int size) => (int)Math.Clamp(size, 1, _trainCount);

    private BatchState Chosen(long step, long samples, BatchState? before)
    {
        var choice = _strategy.Choose(Position(step, samples), before);
        return (before ?? new BatchState { Size = 1, Reason = BatchReason.Fixed }) with
        {
            Size = Clamp(choice.Size),
            // a batch that the spec makes larger than the training part is the whole of it, and nobody chose that
            Reason = choice.Size > _trainCount && Varies ? BatchReason.Maximum : choice.Reason,
            RateFactor = choice.RateFactor,
        };
    }

    private NoiseState Observe(NoiseState noise, StepPlan applied, in BatchMeasurement measured)
    {
        if (measured.Weight <= 0 || Source == NoiseSource.None) return noise;
        int size = applied.BatchSize;
        if (Source.IsOfConsecutive())
        {
            // in the norm of this step where norms differ from step to step
            double previous = Source.IsPreconditioned() ? measured.Previous : noise.PreviousSquares;
            if (noise.PreviousSize > 0 && Source.IsMeasuredAt(applied.Step))
                noise = noise.With(NoiseEstimate.FromConsecutive(measured.Squares, measured.Dot, previous, size, noise.PreviousSize), _smoothing);
            return noise with { PreviousSquares = Source.IsPreconditioned() ? 0 : measured.Squares, PreviousSize = size };
        }
        if (measured.Leaves is not { } leaves || !Source.IsMeasuredAt(applied.Step)) return noise;
        var estimate = NoiseEstimate.FromLeaves(leaves.Squares, leaves.InverseSize, measured.Squares, measured.Weight);
        // weights may count tokens: the noise scale is told in samples
        return noise.With(estimate with { Trace = estimate.Trace * size / measured.Weight }, _smoothing);
    }
}
