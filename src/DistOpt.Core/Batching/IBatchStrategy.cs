namespace DistOpt.Core.Batching;

/// <summary>Where a run stands, as batch strategies see it.</summary>
/// <param name="Seed">Random seed of the job.</param>
/// <param name="Step">Updates applied before, from 0.</param>
/// <param name="Samples">Samples trained on before, counted again in every epoch.</param>
/// <param name="TrainCount">Samples in the training part, at least 1.</param>
public readonly record struct BatchPosition(long Seed, long Step, long Samples, long TrainCount)
{
    /// <summary>Epoch of the next sample, from 0.</summary>
    public long Epoch => Samples / TrainCount;
}

/// <summary>Why a batch has its size. Names as they stand in metric rows (snake case); the numbers are on the wire and append only.</summary>
public enum BatchReason
{
    /// <summary>The spec says so.</summary>
    Fixed,

    /// <summary>It is the whole training part.</summary>
    Full,

    /// <summary>It was drawn.</summary>
    Random,

    /// <summary>The strategy begins with it.</summary>
    Start,

    /// <summary>It has grown by the schedule of the strategy.</summary>
    Growth,

    /// <summary>It follows the measured noise scale.</summary>
    NoiseScale,

    /// <summary>The noise scale asks for more of a change than one adjustment may make.</summary>
    ChangeBound,

    /// <summary>It would be smaller than the least size.</summary>
    Minimum,

    /// <summary>It would be larger than the largest size, or than the training part.</summary>
    Maximum,

    /// <summary>It is what was left of the epoch.</summary>
    EpochEnd,
}

/// <summary>What a strategy has chosen.</summary>
/// <param name="Size">Samples in the global batch, at least 1; the end of an epoch may still cut it.</param>
public readonly record struct BatchChoice(int Size, BatchReason Reason)
{
    /// <summary>Factor on the learning rate that belongs to the choice: below 1 where a batch that may not grow leaves its growth to the rate.</summary>
    public double RateFactor { get; init; } = 1;
}

/// <summary>How large the global batch of each step is. Pure: what is remembered from step to step is handed in.</summary>
public interface IBatchStrategy
{
    /// <summary>Whether sizes differ from step to step: time counts in samples then (<see cref="Schedules.SchedulePosition"/>).</summary>
    bool Varies { get; }

    /// <summary>Samples that count as one step where sizes vary, and the base size of the learning rate's scaling; at least 1.</summary>
    /// <param name="trainCount">Samples in the training part.</param>
    int Nominal(long trainCount);

    /// <summary>Whether <see cref="Choose"/> is a function of the position alone, so that workers can prepare batches ahead.</summary>
    bool IsForeseeable { get; }

    /// <summary>The batch of the step at that position.</summary>
    /// <param name="before">State of the step before it, with what has been measured until then; null at the first step.</param>
    BatchChoice Choose(in BatchPosition position, BatchState? before);
}

/// <summary>Marks the options of a strategy that needs the gradient noise scale: gradients are measured at every step.</summary>
public interface IMeasuresNoise;
