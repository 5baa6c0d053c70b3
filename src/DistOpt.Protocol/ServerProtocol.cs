using MessagePack;

namespace DistOpt.Protocol;

/// <summary>
/// Training coordinator to every server and replica, once all nodes know the epoch's placement. A server answers with the weights it has, that of
/// key 0 with the plan; a replica computes anew what it had of the step under way.
/// </summary>
[MessagePackObject]
public sealed record BeginTraining([property: Key(0)] int JobEpoch) : ICoordinatorMessage;

/// <summary>Training coordinator to the server of key 0: end at the next step.</summary>
[MessagePackObject]
public sealed record RequestStop([property: Key(0)] int Reason) : ICoordinatorMessage
{
    /// <summary>Where the job has no workers, and all servers hold this version: end with it, without a next step; null = there are workers.</summary>
    [Key(1)]
    public long? Step { get; init; }
}

/// <summary>
/// Training coordinator to every server of a job that has no workers: which version do you hold? Answered by <see cref="VersionHeld"/>.
/// </summary>
[MessagePackObject]
public sealed record AskVersion([property: Key(0)] int JobEpoch) : ICoordinatorMessage;

/// <summary>Server to training coordinator, in an epoch without workers.</summary>
/// <param name="Step">Version of its weights.</param>
/// <param name="Completes">Whether it has the whole gradient of the step that begins with them, and waits for norms of other servers.</param>
[MessagePackObject]
public sealed record VersionHeld(
    [property: Key(0)] int Server,
    [property: Key(1)] int JobEpoch,
    [property: Key(2)] long Step,
    [property: Key(3)] bool Completes) : IWireMessage;

/// <summary>
/// Training coordinator to a server: send weights (0), buffers (1), selected weights (2), selected buffers (3), averaged weights (4) or averaged
/// buffers (5) to the collector on its node.
/// </summary>
[MessagePackObject]
public sealed record CollectParts([property: Key(0)] int[] Parts) : ICoordinatorMessage;

/// <summary>
/// Training coordinator to every server: load the selected weights and answer with them at version <paramref name="Step"/> (the run's end).
/// </summary>
[MessagePackObject]
public sealed record PublishSelected([property: Key(0)] long Step) : ICoordinatorMessage
{
    /// <summary>Whether the selected weights are the running average of the last step, which no server has copied.</summary>
    [Key(1)]
    public bool UsesAverage { get; init; }
}

/// <summary>Training coordinator to a server: whom are you waiting for? Answered by <see cref="Waiting"/>.</summary>
[MessagePackObject]
public sealed record AskWaiting : ICoordinatorMessage;

/// <summary>A server or replica to the training coordinator: what it waits for, in words, and the step it is at. Empty if it waits for nobody.</summary>
/// <param name="Nodes">Ids of the nodes that it waits for, each once.</param>
[MessagePackObject]
public sealed record Waiting(
    [property: Key(0)] string Actor,
    [property: Key(1)] long Step,
    [property: Key(2)] string[] Whom,
    [property: Key(3)] string[] Nodes) : IWireMessage;

/// <summary>Server to training coordinator: the state that it was to be restored to has come.</summary>
[MessagePackObject]
public sealed record ServerRestored(
    [property: Key(0)] int Server,
    [property: Key(1)] int JobEpoch,
    [property: Key(2)] long Step,
    [property: Key(3)] bool IsBackup) : IWireMessage;

/// <summary>
/// Server to training coordinator: the new backup holds all that this server has, and from now on no step is answered that it does not hold.
/// </summary>
[MessagePackObject]
public sealed record BackupSeeded([property: Key(0)] int Server, [property: Key(1)] int JobEpoch, [property: Key(2)] NodeId Backup) : IWireMessage;

/// <summary>Training coordinator to the server of key 0: plan a checkpoint as soon as possible. Idempotent.</summary>
[MessagePackObject]
public sealed record RequestCheckpoint : ICoordinatorMessage;

/// <summary>Training coordinator to the server of key 0: the checkpoint of this step is on the disk (or was given up); the next may be planned.</summary>
[MessagePackObject]
public sealed record CheckpointDone([property: Key(0)] long Step) : ICoordinatorMessage;

/// <summary>
/// Training coordinator to every server, when training has ended at <paramref name="Step"/>: send (or write) the state for a last checkpoint.
/// </summary>
[MessagePackObject]
public sealed record SaveState([property: Key(0)] long Step) : ICoordinatorMessage;

/// <summary>
/// Server to training coordinator: what it holds of a state lies flushed in the unfinished checkpoint on shared storage, or could not be written.
/// </summary>
/// <param name="Seconds">From the copy to the flush.</param>
/// <param name="Slices">Empty where it could not be written.</param>
/// <param name="Meta">From the server of key 0; null from others.</param>
/// <param name="Error">Why it could not be written; null where it was.</param>
[MessagePackObject]
public sealed record StateWritten(
    [property: Key(0)] int JobEpoch,
    [property: Key(1)] long Step,
    [property: Key(2)] int Server,
    [property: Key(3)] double Seconds,
    [property: Key(4)] WireSlice[] Slices,
    [property: Key(5)] StateMeta? Meta,
    [property: Key(6)] string? Error) : IWireMessage;

/// <summary>A range of a vector that lies in a file.</summary>
/// <param name="Part">Number of the vector, as in checkpoints.</param>
/// <param name="Sha256">Of the range's bytes, lower-case hex.</param>
[MessagePackObject]
public sealed record WireSlice([property: Key(0)] int Part, [property: Key(1)] long Begin, [property: Key(2)] long End, [property: Key(3)] string Sha256);

/// <summary>
/// Training coordinator to the server of key 0, once every node knows the assignment: plans name it from the next one on.
/// </summary>
[MessagePackObject]
public sealed record UseAssignment([property: Key(0)] int JobEpoch, [property: Key(1)] int Assignment) : ICoordinatorMessage;

/// <summary>
/// Replica to a server: send version <paramref name="Step"/> (the current one or the one before) to the replica's recovery, which computes
/// shards of that step that somebody else has left behind.
/// </summary>
/// <param name="Address">Index of the recovery's tensor address.</param>
[MessagePackObject]
public sealed record FetchVersion([property: Key(0)] int JobEpoch, [property: Key(1)] long Step, [property: Key(2)] WirePeer Peer,
    [property: Key(3)] int Address)
    : IWireMessage;

/// <summary>
/// Replica to a server, at the evaluation barrier of <paramref name="Step"/>: send the running average that is to be evaluated in place of the weights.
/// </summary>
/// <param name="Replica">Index of the replica, which is its tensor address.</param>
[MessagePackObject]
public sealed record FetchAverage([property: Key(0)] int JobEpoch, [property: Key(1)] long Step, [property: Key(2)] WirePeer Peer,
    [property: Key(3)] int Replica)
    : IWireMessage;

/// <summary>
/// Training coordinator to the server of key 0, every second and after each row: it is there, and rows up to these steps are on its disk. The
/// server keeps those that are not.
/// </summary>
[MessagePackObject]
public sealed record RowsStored([property: Key(0)] long Train, [property: Key(1)] long Validation) : ICoordinatorMessage;
