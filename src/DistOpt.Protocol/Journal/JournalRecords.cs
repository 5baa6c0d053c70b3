using MessagePack;

namespace DistOpt.Protocol.Journal;

/// <summary>The events of a job coordinator's journal as they are stored; see <see cref="Core.Jobs.JobEvent"/> for their meaning.</summary>
[MessagePackObject]
public sealed record JournalSubmitted(
    [property: Key(0)] string Job,
    [property: Key(1)] string? IdempotencyKey,
    [property: Key(2)] string Name,
    [property: Key(3)] string SpecYaml,
    [property: Key(4)] string SpecHash,
    [property: Key(5)] string? Directory,
    [property: Key(6)] long UnixMilliseconds);

[MessagePackObject]
public sealed record JournalPlaced([property: Key(0)] string Job, [property: Key(1)] int Epoch, [property: Key(2)] byte[] Placement);

[MessagePackObject]
public sealed record JournalCheckpoint([property: Key(0)] string Job, [property: Key(1)] long Step, [property: Key(2)] string Path);

[MessagePackObject]
public sealed record JournalCommand([property: Key(0)] string Job, [property: Key(1)] string IdempotencyKey, [property: Key(2)] string Command);

/// <param name="Reason">Name of the reason as it stands in summaries.</param>
[MessagePackObject]
public sealed record JournalStopRequested([property: Key(0)] string Job, [property: Key(1)] string Reason);

[MessagePackObject]
public sealed record JournalRestarted([property: Key(0)] string Job);

[MessagePackObject]
public sealed record JournalStudyReopened([property: Key(0)] string Job, [property: Key(1)] string SpecYaml);

/// <param name="Status">Name of the status as it stands in summaries.</param>
[MessagePackObject]
public sealed record JournalEnded(
    [property: Key(0)] string Job,
    [property: Key(1)] string Status,
    [property: Key(2)] long Steps,
    [property: Key(3)] string SummaryJson,
    [property: Key(4)] JournalViolation[] BadInput,
    [property: Key(5)] long UnixMilliseconds);

[MessagePackObject]
public sealed record JournalViolation([property: Key(0)] string Path, [property: Key(1)] string Message, [property: Key(2)] int? Line);

/// <summary>A snapshot: the fewest events that give the ledger again.</summary>
[MessagePackObject]
public sealed record JournalSnapshot([property: Key(0)] JournalEntry[] Events);

[MessagePackObject]
public sealed record JournalEntry([property: Key(0)] string Manifest, [property: Key(1)] byte[] Body);
