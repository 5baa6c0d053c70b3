using System.Collections.Immutable;
using DistOpt.Core.Training;
using MessagePack;

namespace DistOpt.Protocol.Journal;

/// <summary>
/// The content of <see cref="Core.Jobs.JobEvent.Placed"/>: who does what, and what the run had lost until then. What another coordinator needs to
/// go on with what runs.
/// </summary>
/// <param name="UnixMilliseconds">When the run began, less the time that it had run before it was resumed.</param>
/// <param name="ShardsRedone">Gradient shards that were computed again.</param>
[MessagePackObject]
public sealed record PlacementRecord(
    [property: Key(0)] JobPlacement Placement,
    [property: Key(1)] long UnixMilliseconds,
    [property: Key(2)] int WorkerFailures,
    [property: Key(3)] int ServerFailures,
    [property: Key(4)] int Rollbacks,
    [property: Key(5)] long StepsRedone,
    [property: Key(6)] long ShardsRedone)
{
    /// <summary>Latest failures of nodes; null in records of builds that did not know them.</summary>
    [Key(7)]
    public JournalFailure[]? Failures { get; init; }

    /// <summary>Nodes whose user code has failed too often; likewise.</summary>
    [Key(8)]
    public string[]? NodesOut { get; init; }

    /// <summary>How many of <see cref="ShardsRedone"/> the replicas that are there have told; likewise.</summary>
    [Key(9)]
    public ReplicaRedone[]? RedoneBy { get; init; }

    /// <summary>Losses at one step; likewise.</summary>
    [Key(10)]
    public JournalStandstill? Standstill { get; init; }

    public ImmutableArray<byte> Write() => [.. MessagePackSerializer.Serialize(this, JournalCodec.Options)];

    /// <exception cref="JournalException">The bytes are no such record.</exception>
    public static PlacementRecord Read(ImmutableArray<byte> bytes) => JournalCodec.Guarded("placement", bytes.AsMemory(),
        () => MessagePackSerializer.Deserialize<PlacementRecord>(bytes.AsMemory(), JournalCodec.Options) ?? throw new MessagePackSerializationException("nil"));
}

/// <summary>Gradient shards that one replica has computed in place of, or after the loss of, somebody else.</summary>
[MessagePackObject]
public sealed record ReplicaRedone([property: Key(0)] int Replica, [property: Key(1)] long Shards);

/// <summary>A <see cref="Core.Training.Standstill"/> as it is stored.</summary>
[MessagePackObject]
public sealed record JournalStandstill([property: Key(0)] long Step, [property: Key(1)] int Losses, [property: Key(2)] int Nodes);

/// <summary>A <see cref="NodeFailure"/> as it is stored.</summary>
[MessagePackObject]
public sealed record JournalFailure(
    [property: Key(0)] string Node,
    [property: Key(1)] string Roles,
    [property: Key(2)] long Step,
    [property: Key(3)] long UnixMilliseconds,
    [property: Key(4)] string Why,
    [property: Key(5)] string[] LastLines,
    [property: Key(6)] string? Stack)
{
    public static JournalFailure From(NodeFailure failure) =>
        new(failure.Node, failure.Roles, failure.Step, failure.At.ToUnixTimeMilliseconds(), failure.Why, [.. failure.LastLines], failure.Stack);

    public NodeFailure ToFailure() =>
        new(Node, Roles, Step, DateTimeOffset.FromUnixTimeMilliseconds(UnixMilliseconds), Why, [.. LastLines], Stack);
}
