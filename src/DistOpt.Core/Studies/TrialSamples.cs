using DistOpt.Core.Batching;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies;

/// <summary>
/// Samples that a run has trained on after so many steps, as the run itself counts them; rows do not tell it. The spec tells it unless sizes of batches follow
/// what is measured (<c>batch: noise-scale</c>). Costs O(steps) in all where sizes vary, else O(1).
/// </summary>
internal sealed class TrialSamples(TrainingSpec spec, long stepsPerEpoch, long trainCount)
{
    private readonly BatchPlanner _batches = BatchPlanner.Of(spec, trainCount);
    private readonly bool _followsNoise = spec.Batch.Options is IMeasuresNoise;
    private long _step;
    private long _samples;

    /// <summary>Samples after that many updates; null where only the run knows.</summary>
    public long? After(long step)
    {
        if (!_batches.Varies) return step / stepsPerEpoch * trainCount + Math.Min(trainCount, step % stepsPerEpoch * _batches.Nominal);
        if (_followsNoise) return null;
        // the run has gone back to a checkpoint
        if (step < _step) (_step, _samples) = (0, 0);
        for (; _step < step; _step++) _samples += _batches.Foresee(_step, _samples, _batches.Nominal);
        return _samples;
    }
}
