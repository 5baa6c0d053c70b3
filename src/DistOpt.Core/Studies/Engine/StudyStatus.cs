using System.Collections.Immutable;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Engine;

/// <summary>How many trials there are of each kind.</summary>
/// <param name="Waiting">To go on as soon as there is a slot.</param>
/// <param name="Running">With an attempt under way that waits for nobody; in a deterministic study also those that are over and wait for their turn.</param>
/// <param name="Paused">At a rung or an interval.</param>
/// <param name="Complete">Ended with values.</param>
/// <param name="Pruned">Ended early.</param>
/// <param name="Failed">Ended without values.</param>
/// <param name="Cancelled">Ended by a command, or with the study.</param>
public sealed record TrialCounts(int Waiting, int Running, int Paused, int Complete, int Pruned, int Failed, int Cancelled)
{
    /// <summary>That a user has paused one by one, at no rung; in no other number.</summary>
    public int Suspended { get; init; }
}

/// <summary>A trial that has not ended.</summary>
/// <param name="Number">Its number.</param>
/// <param name="State">Waiting, running or paused.</param>
/// <param name="Attempt">The latest one, from 1.</param>
/// <param name="Losses">Attempts that were lost and count.</param>
/// <param name="Parameters">In force.</param>
/// <param name="Bracket">The trial scheduler's.</param>
/// <param name="Repeat">Which run of its configuration, from 0.</param>
/// <param name="Last">Its last report in the first run.</param>
/// <param name="Until">Resource of the next report that may pause or end it.</param>
/// <param name="Seconds">That its attempts have computed, as far as they told.</param>
/// <param name="IsSuspended">Whether a user has paused it.</param>
public sealed record LiveTrialStatus(int Number, TrialState State, int Attempt, int Losses, ImmutableArray<double> Parameters, int Bracket, int Repeat,
    Report? Last, long Until, double Seconds, bool IsSuspended)
{
    /// <summary>The nodes on which its latest attempt runs; null = nobody knows, or all of the study is in one process.</summary>
    public string? Node { get; init; }

    /// <summary>Whom or what its latest attempt waits for, in words: room on the cluster, say; null = nobody, as far as is known.</summary>
    public string? WaitsFor { get; init; }
}

/// <summary>A trial that has failed.</summary>
/// <param name="Trial">Its number.</param>
/// <param name="Cause">Why.</param>
/// <param name="Error">What is known of it.</param>
public sealed record TrialFailure(int Trial, TrialEndCause Cause, string? Error);

/// <summary>The user code of a study has changed.</summary>
/// <param name="Before">Identity of what its trials ran last.</param>
/// <param name="Now">Identity of what they would run.</param>
public sealed record CodeChange(string Before, string Now);

/// <summary>Where a study stands: what <c>show</c> and <c>watch</c> tell of it.</summary>
public sealed record StudyStatus
{
    public required TrialCounts Counts { get; init; }

    /// <summary>Trials that have begun.</summary>
    public required int Started { get; init; }

    /// <summary>Trials in all; null = no bound.</summary>
    public required int? Trials { get; init; }

    /// <summary>Resource after which a trial is complete, by its own length or by the trial scheduler; null = not known, or not the same for all.</summary>
    public long? TrialLength { get; init; }

    /// <summary>Trials that may run at a time; 0 = that is not known.</summary>
    public required int Parallel { get; init; }

    /// <summary>How often the space was widened; parameters here are of the one in force.</summary>
    public int SpaceVersion { get; init; }

    /// <summary>The number of the first trial that was drawn from the space in force.</summary>
    public int SpaceFrom { get; init; }

    /// <summary>The number of the trial from which on a wider space holds that was asked for; null = none is to come.</summary>
    public int? NextSpaceFrom { get; init; }

    /// <summary>The study over the space in force; null = it is of no study spec.</summary>
    public StudySpec? Spec { get; init; }

    /// <summary>Trials of other studies that the sampler knows; in no other number here.</summary>
    public int Imported { get; init; }

    /// <summary>Points to try first that have not begun.</summary>
    public required int Enqueued { get; init; }

    /// <summary>How many of them were left out.</summary>
    public required int Refused { get; init; }

    /// <summary>Why the last one of them was.</summary>
    public required string? RefusedLast { get; init; }

    /// <summary>The best feasible trial; null while there is none, and with several objectives.</summary>
    public required TrialResult? Best { get; init; }

    /// <summary>Feasible trials that no other one dominates, by number.</summary>
    public required ImmutableArray<TrialResult> Front { get; init; }

    /// <summary>With several objectives, for each the worst value of any complete and feasible trial; empty = there is none.</summary>
    public ImmutableArray<double> Worst { get; init; } = [];

    /// <summary>The greatest improvement that was expected when it was last asked, for <c>stop.expected_improvement</c>; null = it was not.</summary>
    public double? Improvement { get; init; }

    /// <summary>Trials that have not ended, by number; those that are paused only as counts.</summary>
    public required ImmutableArray<LiveTrialStatus> Live { get; init; }

    /// <summary>The same, where it is known what attempts wait for: those that do are counted as waiting.</summary>
    /// <param name="whom">Whom or what, by the trials' numbers.</param>
    public StudyStatus Waiting(IReadOnlyDictionary<int, string> whom)
    {
        ArgumentNullException.ThrowIfNull(whom);
        ImmutableArray<LiveTrialStatus> live = [.. Live.Select(t => t with { WaitsFor = whom.GetValueOrDefault(t.Number) })];
        int waiting = live.Count(t => t is { State: TrialState.Running, IsSuspended: false, WaitsFor: not null });
        return this with { Live = live, Counts = Counts with { Running = Counts.Running - waiting, Waiting = Counts.Waiting + waiting } };
    }

    /// <summary>Rungs, bracket by bracket from the lowest.</summary>
    public required ImmutableArray<RungStatus> Rungs { get; init; }

    /// <summary>Why the last slot that asked got nothing; null = it got something, or the study is over.</summary>
    public required StudyWait? Wait { get; init; }

    /// <summary>The trial that it waits for, where it is a single one.</summary>
    public required int? WaitsFor { get; init; }

    /// <summary>Set where the user code has changed, and nothing begins until that is accepted.</summary>
    public CodeChange? CodeChange { get; init; }

    /// <summary>Whether a user has paused the study.</summary>
    public required bool IsSuspended { get; init; }

    /// <summary>The trial that has failed last; null = none has.</summary>
    public TrialFailure? LastFailure { get; init; }

    /// <summary>Whether the study has ended since too many trials in a row have failed.</summary>
    public bool HasFailed => End == StudyStopReason.Failures;

    /// <summary>Seconds that the study has gone on.</summary>
    public required double Seconds { get; init; }

    /// <summary>How often it was interrupted.</summary>
    public required int Sessions { get; init; }

    /// <summary>Why it has ended; null = it has not.</summary>
    public required StudyStopReason? End { get; init; }
}
