using DistOpt.Core.Batching;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Training;

/// <summary>
/// How long a run is if nothing ends it earlier, and where in it schedules stand. In steps where the batch is fixed; else in samples, up to those that the run
/// has had when <c>max_steps</c> or its epochs end it; with AdaScale in its progress: a run of E epochs then has E * samples / base_size scale-invariant
/// iterations, however many passes over the data they take.
/// </summary>
public sealed class RunLength
{
    private readonly long _trainCount;
    private readonly int _nominal;
    private readonly long _stepsPerEpoch;
    private readonly long _samples;
    private readonly double _iterationsPerEpoch;
    private readonly int _epochs;
    private readonly bool _countsProgress;
    private readonly bool _countsSamples;

    /// <summary>Set where nobody knows before the run how many samples so many steps have.</summary>
    private readonly long? _maxSteps;

    /// <param name="trainCount">Samples in the training part, at least 1.</param>
    public RunLength(TrainingSpec spec, BatchPlanner batches, long trainCount)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentOutOfRangeException.ThrowIfLessThan(trainCount, 1);
        (_trainCount, _nominal, _epochs, _countsProgress) = (trainCount, batches.Nominal, spec.Training.Epochs, batches.CountsProgress);
        _stepsPerEpoch = StepsFor(trainCount);
        long bySamples = Math.Min(_stepsPerEpoch * _epochs, spec.Stop.MaxSamples is { } most ? StepsFor(most) : long.MaxValue);
        Steps = Math.Min(bySamples, spec.Stop.MaxSteps ?? long.MaxValue);
        _samples = Math.Min(trainCount * _epochs, spec.Stop.MaxSamples ?? long.MaxValue);
        _iterationsPerEpoch = trainCount / (double)batches.BaseSize;
        _countsSamples = batches.Varies;
        if (_countsSamples && spec.Stop.MaxSteps is { } maxSteps)
        {
            if (batches.IsForeseeable) _samples = SamplesUntil(batches, maxSteps, _samples);
            else _maxSteps = maxSteps;
        }
        IsExact = !batches.Varies && !batches.CountsProgress;
    }

    /// <summary>Steps of the run; where <see cref="IsExact"/> is false, as many as there would be with the nominal batch.</summary>
    public long Steps { get; }

    /// <summary>Whether the number of steps is known before the run.</summary>
    public bool IsExact { get; }

    /// <summary>Whether the epochs of the spec are over.</summary>
    /// <param name="progress">Scale-invariant iterations done.</param>
    public bool HasEpochs(long samples, double progress) => _countsProgress
        // a sum of gains that are 1 may miss by its rounding
        ? progress >= _iterationsPerEpoch * _epochs * (1 - 1e-12)
        : samples >= _trainCount * _epochs;

    /// <summary>Where schedules stand at a step.</summary>
    /// <param name="samples">Trained on before.</param>
    /// <param name="progress">Scale-invariant iterations before.</param>
    public SchedulePosition PositionAt(long step, long samples, double progress) =>
        _countsProgress ? SchedulePosition.InProgress(step, samples, progress, _iterationsPerEpoch * _epochs, _iterationsPerEpoch)
        : _countsSamples ? SchedulePosition.InSamples(step, samples, SamplesAhead(step, samples), _trainCount, _nominal)
        : SchedulePosition.InSteps(step, samples, Steps, _stepsPerEpoch);

    /// <summary>
    /// Samples of the run, as far as that is known: where batches follow what is measured and their number is bounded, the steps that are left are taken to
    /// have as many samples each as those before. So the share that is done is that of the samples or that of the steps, whichever is larger, and all is done
    /// when either ends the run.
    /// </summary>
    private long SamplesAhead(long step, long samples) => _maxSteps is not { } most ? _samples
        : (long)Math.Max(1, Math.Min(_samples, Math.Round(step == 0 ? (double)most * _nominal : (double)samples / step * most)));

    /// <summary>Samples that so many steps have, if there are as many.</summary>
    private static long SamplesUntil(BatchPlanner batches, long steps, long most)
    {
        long samples = 0;
        for (long step = 0; step < steps && samples < most; step++) samples += batches.Foresee(step, samples, batches.Nominal);
        return Math.Min(samples, most);
    }

    /// <summary>Steps of the nominal batch in an epoch.</summary>
    public long StepsPerEpoch => _stepsPerEpoch;

    /// <summary>Where schedules would stand at a step if every batch were the nominal one: where it is fixed, where they do stand.</summary>
    public SchedulePosition NominalAt(long step)
    {
        long samples = step / _stepsPerEpoch * _trainCount + step % _stepsPerEpoch * _nominal;
        return PositionAt(step, samples, samples * _iterationsPerEpoch / _trainCount);
    }

    /// <summary>Steps of the nominal batch that take at least so many samples.</summary>
    private long StepsFor(long samples) =>
        samples / _trainCount * ((_trainCount + _nominal - 1) / _nominal) + (samples % _trainCount + _nominal - 1) / _nominal;
}
