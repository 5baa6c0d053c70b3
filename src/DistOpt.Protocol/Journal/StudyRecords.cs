using MessagePack;

namespace DistOpt.Protocol.Journal;

/// <summary>The events of a study's journal as they are stored; see <see cref="Core.Studies.Engine.StudyEvent"/> for their meaning.</summary>
[MessagePackObject]
public sealed record JournalTrialStarted(
    [property: Key(0)] int Trial, [property: Key(1)] double[] Parameters, [property: Key(2)] long Until, [property: Key(3)] int Bracket,
    [property: Key(4)] bool IsEnqueued);

[MessagePackObject]
public sealed record JournalAttemptBegun([property: Key(0)] int Trial, [property: Key(1)] int Attempt);

/// <param name="Action">Name of the decision.</param>
[MessagePackObject]
public sealed record JournalTrialReported(
    [property: Key(0)] int Trial, [property: Key(1)] long Step, [property: Key(2)] double[] Values, [property: Key(3)] string Action,
    [property: Key(4)] double Seconds);

[MessagePackObject]
public sealed record JournalTrialCheckpoint([property: Key(0)] int Trial, [property: Key(1)] long Resource, [property: Key(2)] int Repeat);

[MessagePackObject]
public sealed record JournalTrialReleased([property: Key(0)] int Trial, [property: Key(1)] long Resource, [property: Key(2)] double Seconds);

[MessagePackObject]
public sealed record JournalTrialTaken([property: Key(0)] int Trial);

/// <param name="Donor">Null where the trial goes on from its own checkpoint; else <paramref name="Parameters"/> are those it goes on with.</param>
[MessagePackObject]
public sealed record JournalTrialPromoted(
    [property: Key(0)] int Trial, [property: Key(1)] long Until, [property: Key(2)] int? Donor, [property: Key(3)] long DonorResource,
    [property: Key(4)] double[]? Parameters);

/// <param name="Left">Steps of the newest checkpoint that it has left, where it ended with the process of study and trials; null = it did not, or an earlier
/// version wrote it.</param>
[MessagePackObject]
public sealed record JournalAttemptLost(
    [property: Key(0)] int Trial, [property: Key(1)] string Reason, [property: Key(2)] bool IsCounted, [property: Key(3)] double DelaySeconds,
    [property: Key(4)] double Seconds, [property: Key(5)] long? Left);

[MessagePackObject]
public sealed record JournalRunCompleted(
    [property: Key(0)] int Trial, [property: Key(1)] double[] Values, [property: Key(2)] double[] Constraints, [property: Key(3)] double Seconds);

/// <param name="State">Name of the state.</param>
/// <param name="Cause">Name of the cause.</param>
/// <param name="IsTaken">Whether the trial has ended; else a deterministic study counts it when it is its turn.</param>
[MessagePackObject]
public sealed record JournalTrialEnded(
    [property: Key(0)] int Trial, [property: Key(1)] string State, [property: Key(2)] string Cause, [property: Key(3)] double[] Values,
    [property: Key(4)] double[] Constraints, [property: Key(5)] string? Error, [property: Key(6)] double Seconds, [property: Key(7)] bool IsTaken);

[MessagePackObject]
public sealed record JournalEnqueued(
    [property: Key(0)] string? IdempotencyKey, [property: Key(1)] double[] Point, [property: Key(2)] int? FromTrial, [property: Key(3)] string? Asked);

/// <param name="State">Name of the state.</param>
/// <param name="Step">Of what it has last reported; null = it has reported nothing.</param>
[MessagePackObject]
public sealed record JournalTrialImported(
    [property: Key(0)] string State, [property: Key(1)] double[] Parameters, [property: Key(2)] double[] Values, [property: Key(3)] double[] Constraints,
    [property: Key(4)] long? Step, [property: Key(5)] double Reported, [property: Key(6)] string Source);

/// <param name="Asked">The trial that the command named; null = none, or an earlier version wrote it.</param>
[MessagePackObject]
public sealed record JournalParallelSet(
    [property: Key(0)] string? IdempotencyKey, [property: Key(1)] int Parallel, [property: Key(2)] int FromTrial, [property: Key(3)] int? Asked);

[MessagePackObject]
public sealed record JournalTrialsSet([property: Key(0)] string? IdempotencyKey, [property: Key(1)] int Trials);

[MessagePackObject]
public sealed record JournalSuspensionSet([property: Key(0)] string? IdempotencyKey, [property: Key(1)] int? Trial, [property: Key(2)] bool IsSuspended);

/// <param name="Code">Identity of the user code.</param>
[MessagePackObject]
public sealed record JournalCodeAccepted([property: Key(0)] string? IdempotencyKey, [property: Key(1)] string Code);

[MessagePackObject]
public sealed record JournalCancelRequested([property: Key(0)] string? IdempotencyKey, [property: Key(1)] int? Trial);

/// <param name="Names">Of added parameters.</param>
/// <param name="Defaults">Of each of them: what earlier trials are taken to have had.</param>
/// <param name="Text">The file that said it; null where there was none.</param>
[MessagePackObject]
public sealed record JournalSpaceWidened(
    [property: Key(0)] string? IdempotencyKey, [property: Key(1)] int Version, [property: Key(2)] int FromTrial, [property: Key(3)] JournalParameter[] Space,
    [property: Key(4)] string[] Names, [property: Key(5)] double[] Defaults, [property: Key(6)] string? Text);

/// <summary>What a study over a function searches, beside its events.</summary>
/// <param name="Directions">Names of the directions, one for each objective.</param>
/// <param name="Lines">The same for people.</param>
/// <param name="Rungs">Resources of the trial scheduler's rungs, of all brackets together; null = an earlier version wrote it.</param>
[MessagePackObject]
public sealed record JournalDeclaration(
    [property: Key(0)] JournalParameter[] Space, [property: Key(1)] bool IsDefinedByRun, [property: Key(2)] string[] Directions, [property: Key(3)] long Seed,
    [property: Key(4)] int Repeats, [property: Key(5)] string[] Lines, [property: Key(6)] long[]? Rungs)
{
    /// <summary>The same bracket by bracket; null in journals of before.</summary>
    [Key(7)]
    public long[][]? Brackets { get; init; }
}

[MessagePackObject]
public sealed record JournalParameter(
    [property: Key(0)] string Name, [property: Key(1)] JournalDomain Domain, [property: Key(2)] JournalCondition[] Conditions);

[MessagePackObject]
public sealed record JournalCondition(
    [property: Key(0)] string Parameter, [property: Key(1)] double Least, [property: Key(2)] double Most, [property: Key(3)] double[]? Among);

/// <param name="Domain">Its values from then on.</param>
[MessagePackObject]
public sealed record JournalParameterDefined([property: Key(0)] string Name, [property: Key(1)] JournalDomain Domain);

/// <param name="Kind">float, int or choices.</param>
/// <param name="Low">Of numbers, as all up to <paramref name="Log"/>.</param>
/// <param name="Choices">See <see cref="DomainRecords.Text"/>; null for numbers.</param>
[MessagePackObject]
public sealed record JournalDomain(
    [property: Key(0)] string Kind, [property: Key(1)] double Low, [property: Key(2)] double High, [property: Key(3)] double? Step, [property: Key(4)] bool Log,
    [property: Key(5)] string[]? Choices, [property: Key(6)] bool IsOrdered);

[MessagePackObject]
public sealed record JournalSuggested([property: Key(0)] int Trial, [property: Key(1)] string Name, [property: Key(2)] double Value);

[MessagePackObject]
public sealed record JournalDrawnTogether([property: Key(0)] int Trial, [property: Key(1)] string[] Names, [property: Key(2)] double[] Values);

/// <param name="Values">One for each name; see <see cref="DomainRecords.Text"/>.</param>
[MessagePackObject]
public sealed record JournalPointEnqueued([property: Key(0)] string? IdempotencyKey, [property: Key(1)] string[] Names, [property: Key(2)] string[] Values);

/// <param name="Trial">Null = the study's.</param>
/// <param name="Json">Its value.</param>
[MessagePackObject]
public sealed record JournalAttributeSet([property: Key(0)] int? Trial, [property: Key(1)] string Name, [property: Key(2)] string Json);

[MessagePackObject]
public sealed record JournalPointRefused([property: Key(0)] string Error);

[MessagePackObject]
public sealed record JournalImprovementForeseen([property: Key(0)] int Complete, [property: Key(1)] double Improvement);

[MessagePackObject]
public sealed record JournalTimePassed([property: Key(0)] double Seconds)
{
    /// <summary>UTC, in 100 ns since the year 1; null in journals of before.</summary>
    [Key(1)]
    public long? AtTicks { get; init; }
}

[MessagePackObject]
public sealed record JournalReopened([property: Key(0)] int Session);

/// <param name="Reason">Name of the reason.</param>
[MessagePackObject]
public sealed record JournalStudyEnded([property: Key(0)] string Reason);
