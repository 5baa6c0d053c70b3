using System.Collections.Immutable;

namespace DistOpt.Core.Training;

/// <summary>What is counted of a run that goes on.</summary>
public enum RunUnit
{
    Epochs,
    Steps,
    Samples,
}

/// <summary>
/// Where a run leaves off: with the first weights that have had so much and are due to be evaluated, once they are. It writes a checkpoint and can go on from
/// it to the same bits as a run that has not left off. Where it ends for another reason at the same step, it has ended.
/// </summary>
/// <param name="Unit">What is counted.</param>
/// <param name="At">How much of it, at least 1.</param>
public sealed record RunPause(RunUnit Unit, long At)
{
    /// <summary>Whether the run is complete there: it does not leave off, but ends as one whose spec says so.</summary>
    public bool IsEnd { get; init; }

    /// <summary>Why a run stops there.</summary>
    public StopReason Reason => !IsEnd ? StopReason.Paused : Unit switch
    {
        RunUnit.Epochs => StopReason.Epochs,
        RunUnit.Steps => StopReason.MaxSteps,
        _ => StopReason.MaxSamples,
    };

    /// <param name="step">Updates applied.</param>
    /// <param name="samples">Trained on.</param>
    /// <param name="trainCount">Samples of an epoch.</param>
    public bool IsReached(long step, long samples, long trainCount) => Unit switch
    {
        RunUnit.Epochs => samples / trainCount >= At,
        RunUnit.Steps => step >= At,
        _ => samples >= At,
    };
}

/// <summary>What a job does otherwise that is an attempt at a trial of a study. The test part is not measured: trials do not see it.</summary>
/// <param name="Pause">Where it leaves off; null = nowhere.</param>
/// <param name="IsOfAnother">Whether the checkpoint that it goes on from may be one of another spec: parameters were changed on the way.</param>
public sealed record TrialPart(RunPause? Pause = null, bool IsOfAnother = false)
{
    /// <summary>Whether it runs in a child process of a worker node, by itself and whole: the loss of that process is the end of the attempt.</summary>
    public bool IsIsolated { get; init; }

    /// <summary>The trial whose state it goes on from, where its parameters may have been changed; null = none.</summary>
    public int? From { get; init; }

    /// <summary>Parameters of the space that may change of what a state consists.</summary>
    public ImmutableArray<string> Structural { get; init; } = [];

    /// <summary>The study: nodes that are not fit for one of its trials are not for the others.</summary>
    public string Study { get; init; } = "";
}
