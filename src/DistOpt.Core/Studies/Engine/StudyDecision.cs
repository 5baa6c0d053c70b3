using System.Collections.Immutable;

namespace DistOpt.Core.Studies.Engine;

/// <summary>One execution of a trial on nodes.</summary>
/// <param name="Trial">The trial's number.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Session">How often the study had been rebuilt when it began: an attempt whose beginning was lost with the journal's end has another name
/// than the one in its place.</param>
public readonly record struct AttemptId(int Trial, int Attempt, int Session);

/// <summary>State of a trial from which it, or another one, can go on.</summary>
/// <param name="Trial">Whose it is.</param>
/// <param name="Resource">What the trial had had when it was written.</param>
/// <param name="Repeat">Of which run of the trial's configuration, from 0.</param>
public readonly record struct TrialCheckpoint(int Trial, long Resource, int Repeat = 0) : IComparable<TrialCheckpoint>
{
    public int CompareTo(TrialCheckpoint other) => (Trial, Repeat, Resource).CompareTo((other.Trial, other.Repeat, other.Resource));
}

/// <summary>What a free slot is to do.</summary>
/// <param name="Id">Names what it reports.</param>
/// <param name="Parameters">One for each parameter of the space; NaN where it has no value.</param>
/// <param name="Repeat">Which run of the configuration, from 0: tells the seed.</param>
/// <param name="From">The checkpoint to go on from; null = it begins from nothing.</param>
/// <param name="Until">Resource of the first report that may pause or end it: a good place for a checkpoint; <see cref="long.MaxValue"/> = none.</param>
/// <param name="Delay">To wait before it begins, since an attempt at it was lost; the slot is taken meanwhile.</param>
/// <param name="SecondsLeft">That it may compute before it is to be ended with <see cref="StudyEngine.TimeOut"/>; null = no limit.</param>
public sealed record TrialOrder(
    AttemptId Id, ImmutableArray<double> Parameters, int Repeat, TrialCheckpoint? From, long Until, TimeSpan Delay, double? SecondsLeft)
{
    /// <summary>Of the space that the trial was drawn from, which its parameters are of whatever came after.</summary>
    public int SpaceVersion { get; init; }

    /// <summary>The study over that space; null = it is of no study spec.</summary>
    public StudySpec? Study { get; init; }

    /// <summary>Whether it comes to the same if it begins from nothing, where <see cref="From"/> is not to be had.</summary>
    public bool MayBeginAnew { get; init; }
}

/// <summary>What an attempt does after a report.</summary>
public enum TrialDirective
{
    /// <summary>It goes on.</summary>
    Continue,

    /// <summary>It goes on, and writes a checkpoint here.</summary>
    Checkpoint,

    /// <summary>It writes a checkpoint and gives up its slot: <see cref="StudyEngine.Release"/>.</summary>
    Pause,

    /// <summary>It ends, and has its values: <see cref="StudyEngine.Complete"/>.</summary>
    Complete,

    /// <summary>It ends, and has nothing more to say: the trial was pruned or has ended otherwise, or another attempt is under way.</summary>
    Stop,
}

/// <summary>Why there is nothing to do for a slot.</summary>
public enum StudyWait
{
    /// <summary>As many trials run as may.</summary>
    Slots,

    /// <summary>What comes next depends on trials that run.</summary>
    Trials,

    /// <summary>A deterministic study: it is another trial's turn, which is not done.</summary>
    Turn,

    /// <summary>A checkpoint to go on from is not complete.</summary>
    Checkpoint,

    /// <summary>The study, or all that is left of it, is paused by a user.</summary>
    Suspended,

    /// <summary>The user code is another one than before, and nobody has accepted it.</summary>
    Code,

    /// <summary>A trial that was under way each time when the process died runs, or is to run, beside no other.</summary>
    Alone,

    /// <summary>Nothing is under way, and no new trial was to begin.</summary>
    Starts,
}

/// <summary>What a free slot is for: exactly one of the three.</summary>
/// <param name="Order">What it is to do.</param>
/// <param name="Wait">Why there is nothing now: a report, an end or a command may change that.</param>
/// <param name="WaitsFor">The trial that is waited for, where it is a single one.</param>
/// <param name="End">Why the study is over.</param>
public readonly record struct StudyDecision(TrialOrder? Order, StudyWait? Wait = null, int? WaitsFor = null, StudyStopReason? End = null);

/// <summary>What has become of a command.</summary>
/// <param name="IsRepeat">Whether its key had been used for the same before: nothing was done.</param>
/// <param name="Refusal">Why nothing was done; null = it was done, now or before.</param>
public readonly record struct CommandAnswer(bool IsRepeat = false, string? Refusal = null);
