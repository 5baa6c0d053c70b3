using DistOpt.Core.Training;
using MessagePack;

namespace DistOpt.Protocol;

/// <summary>
/// How messages travel between nodes: to <c>/user/node</c> of the receiving node, which hands the body to one of its actors.
/// No actor reference and no CLR type name is ever on the wire.
/// </summary>
/// <param name="Job">Job the message belongs to; empty for the node itself.</param>
/// <param name="Actor">Receiver on the node: see <see cref="NodeActors"/>.</param>
/// <param name="From">Sending node.</param>
/// <param name="Manifest">Manifest of the body.</param>
/// <param name="Body">The body in MessagePack.</param>
[MessagePackObject]
public sealed record NodeEnvelope(
    [property: Key(0)] JobId Job,
    [property: Key(1)] string Actor,
    [property: Key(2)] NodeId From,
    [property: Key(3)] string Manifest,
    [property: Key(4)] byte[] Body) : IWireMessage
{
    /// <summary>The incarnation the message is for; null for whichever runs at the address. Another one drops it.</summary>
    [Key(5)]
    public NodeId? To { get; init; }
}

/// <summary>Names of receivers on a node.</summary>
public static class NodeActors
{
    /// <summary>The node agent itself.</summary>
    public const string Agent = "agent";

    /// <summary>The job coordinator (coordinator nodes).</summary>
    public const string Jobs = "jobs";

    /// <summary>The job's training coordinator (coordinator nodes).</summary>
    public const string Training = "training";

    /// <summary>The node's replica of a job.</summary>
    public const string Replica = "replica";

    /// <summary>One parameter server of a job.</summary>
    public static string Server(int index) => $"server-{index}";
}

/// <summary>Where tensors reach a node.</summary>
[MessagePackObject]
public sealed record WirePeer([property: Key(0)] NodeId Node, [property: Key(1)] string Host, [property: Key(2)] int Port);

/// <summary>Node agent to job coordinator, at start and every few seconds: the node exists and offers this. Idempotent.</summary>
/// <param name="Name">For people: <c>host:port</c>.</param>
/// <param name="WorkerSlots">Workers it may run at once.</param>
/// <param name="Version">Protocol version of the build.</param>
[MessagePackObject]
public sealed record NodeOffer(
    [property: Key(0)] WirePeer Peer,
    [property: Key(1)] string Name,
    [property: Key(2)] string[] Roles,
    [property: Key(3)] int WorkerSlots,
    [property: Key(4)] string Version) : IWireMessage
{
    /// <summary>Address of the node's HTTP API, by which coordinators send clients to the one that holds the jobs; null where there is none.</summary>
    [Key(5)]
    public string? ApiUrl { get; init; }

    /// <summary>
    /// Whether the node is about to leave: it gets nothing new, what it has goes to others, and when no job needs it any more it hears
    /// <see cref="NodeReleased"/>.
    /// </summary>
    [Key(6)]
    public bool Leaving { get; init; }

    /// <summary>
    /// Of a child process that runs attempts at trials (its one role is <c>trial</c>): the node that started it, to whose slots its workers are charged.
    /// Null for every other node.
    /// </summary>
    [Key(7)]
    public NodeId? Parent { get; init; }

    /// <summary>Child processes that the node starts at most when <see cref="KeepTrialProcesses"/> asks for them; 0 = it has none.</summary>
    [Key(8)]
    public int TrialProcesses { get; init; }

    /// <summary>Bytes of memory that workers may take here, those in children among them; null where the node does not say.</summary>
    [Key(9)]
    public long? MemoryBytes { get; init; }

    /// <summary>Bytes of them that a child takes whose attempt does not say how much it needs.</summary>
    [Key(10)]
    public long TrialMemoryBytes { get; init; }

    /// <summary>GPUs for workers, those in children among them; null where the node does not say. Of a child: those that it was started with.</summary>
    [Key(11)]
    public int? Gpus { get; init; }
}

/// <summary>
/// Job coordinator to a node whose offer has <see cref="NodeOffer.TrialProcesses"/>: so many child processes shall there be. Said when it changes, and again
/// with the node's offers. Idempotent.
/// </summary>
/// <param name="Count">Children, without those of <paramref name="Ending"/>. Those that are missing are started, as often as they end.</param>
/// <param name="Ending">Children that nobody needs, or that do not answer any more: they end.</param>
[MessagePackObject]
public sealed record KeepTrialProcesses([property: Key(0)] int Count, [property: Key(1)] NodeId[] Ending) : IWireMessage
{
    /// <summary>Those children that have an attempt, with what it may take. Whoever is not among them has none.</summary>
    [Key(2)]
    public TrialProcessMemory[] Busy { get; init; } = [];

    /// <summary>GPUs of each of the children that shall have some; the others of <see cref="Count"/> have none.</summary>
    [Key(3)]
    public int[] Gpus { get; init; } = [];
}

/// <summary>What an attempt may take of memory.</summary>
/// <param name="Node">The child that has it.</param>
/// <param name="MemoryBytes">Bytes; null = the node's share for each child.</param>
[MessagePackObject]
public sealed record TrialProcessMemory([property: Key(0)] NodeId Node, [property: Key(1)] long? MemoryBytes);

/// <summary>
/// A node to the job coordinator: a child process of it has ended that nobody asked to. What happened to it is known to the node alone, while others see only
/// that it is gone.
/// </summary>
/// <param name="Node">The child, which may not have joined; null where it ended before it knew what it would be.</param>
/// <param name="Why">How it ended, in words: exit code, signal, memory limit.</param>
/// <param name="LastLines">The last lines that it wrote and did not send itself, oldest first.</param>
/// <param name="Stack">What the runtime said of an unhandled exception; null where it said nothing.</param>
[MessagePackObject]
public sealed record TrialProcessEnded(
    [property: Key(0)] NodeId? Node,
    [property: Key(1)] string Why,
    [property: Key(2)] string[] LastLines,
    [property: Key(3)] string? Stack) : IWireMessage;

/// <summary>
/// Job coordinator to a child process whose attempt has ended: give what nobody uses any more back to the system. Answered by <see cref="MemoryReturned"/> once
/// nothing of the attempt runs there.
/// </summary>
[MessagePackObject]
public sealed record ReturnMemory : IWireMessage;

/// <summary>A child process to the job coordinator: the next attempt may come.</summary>
/// <param name="KeptBytes">Memory that the process has kept all the same, without files that it has mapped; 0 where it does not know.</param>
[MessagePackObject]
public sealed record MemoryReturned([property: Key(0)] long KeptBytes) : IWireMessage;

/// <summary>Job coordinator to a node: hand over what you have, and leave. The node's next offer says that it leaves. Idempotent.</summary>
[MessagePackObject]
public sealed record DrainNode : IWireMessage;

/// <summary>
/// Job coordinator to a node of which it hears for the first time: these are the jobs that there are. What the node has of others for a coordinator before
/// this one ends, since nobody waits for it any more.
/// </summary>
/// <param name="Jobs">Their ids.</param>
[MessagePackObject]
public sealed record LiveJobs([property: Key(0)] string[] Jobs) : IWireMessage;

/// <summary>Job coordinator to a node that leaves: no job needs it any more. Said again with each of its offers.</summary>
[MessagePackObject]
public sealed record NodeReleased : IWireMessage;

/// <summary>
/// Training coordinator to node agent: open model and data of a job. Answered by <see cref="JobPrepared"/> or <see cref="JobRefused"/>.
/// Idempotent.
/// </summary>
/// <param name="SpecYaml">The resolved spec.</param>
/// <param name="Coordinator">Node of the training coordinator.</param>
[MessagePackObject]
public sealed record PrepareJob([property: Key(0)] string SpecYaml, [property: Key(1)] WirePeer Coordinator) : IWireMessage
{
    /// <summary>Of nodes that may hold servers: prove that this file of the coordinator is seen on shared storage; null where there is none.</summary>
    [Key(2)]
    public string? Proof { get; init; }

    /// <summary>Where the run leaves off; null = nowhere.</summary>
    [Key(3)]
    public WirePause? Pause { get; init; }
}

/// <summary>A <see cref="RunPause"/>.</summary>
[MessagePackObject]
public sealed record WirePause([property: Key(0)] int Unit, [property: Key(1)] long At, [property: Key(2)] bool IsEnd)
{
    public static WirePause? From(RunPause? pause) => pause is null ? null : new WirePause((int)pause.Unit, pause.At, pause.IsEnd);

    public RunPause ToPause() => new((RunUnit)Unit, At) { IsEnd = IsEnd };
}

/// <summary>
/// Node agent to training coordinator: model and data are open, and this is what they are. What only one of two versions reports is not compared
/// between them.
/// </summary>
[MessagePackObject]
public sealed record JobPrepared(
    [property: Key(0)] string NodeName,
    [property: Key(1)] NamedText[] Exact,
    [property: Key(2)] NamedText[] Numeric,
    [property: Key(3)] string[] Warnings) : IWireMessage
{
    /// <summary>What the node has read on shared storage where <see cref="PrepareJob.Proof"/> asked for it; it has written a file beside that.</summary>
    [Key(4)]
    public string? Proof { get; init; }

    /// <summary>Build of the code that computes; see <see cref="Core.Training.JobFingerprint.Engine"/>.</summary>
    [Key(5)]
    public string? Engine { get; init; }

    /// <summary>Protocol version of the node.</summary>
    [Key(6)]
    public string? Version { get; init; }
}

/// <summary>Node agent to training coordinator: the job cannot run here, for these reasons. <paramref name="Stack"/> where it was no bad input.</summary>
[MessagePackObject]
public sealed record JobRefused(
    [property: Key(0)] string NodeName,
    [property: Key(1)] NamedText[] Violations,
    [property: Key(2)] string? Stack) : IWireMessage;

/// <summary>A server's place: which node holds which key range.</summary>
/// <param name="Backup">Node of its replica (<c>training.replicas</c>), which can take its place; null where there is none.</param>
/// <param name="BackupIsSeeded">Whether the backup holds the server's state already; until then the key range is unprotected.</param>
/// <param name="Since">Epoch in which this node became the server of the key range.</param>
[MessagePackObject]
public sealed record ServerPlace(
    [property: Key(0)] int Index,
    [property: Key(1)] WirePeer Peer,
    [property: Key(2)] long Begin,
    [property: Key(3)] long End,
    [property: Key(4)] WirePeer? Backup = null,
    [property: Key(5)] bool BackupIsSeeded = false,
    [property: Key(6)] int Since = 1);

/// <summary>A worker and the gradient shards <c>[ShardBegin, ShardEnd)</c> it owns.</summary>
[MessagePackObject]
public sealed record WorkerPlace([property: Key(0)] int Index, [property: Key(1)] int ShardBegin, [property: Key(2)] int ShardEnd);

/// <summary>A node's replica: its workers share one copy of the weights and push together.</summary>
[MessagePackObject]
public sealed record ReplicaPlace([property: Key(0)] int Index, [property: Key(1)] WirePeer Peer, [property: Key(2)] WorkerPlace[] Workers);

/// <summary>Who does what in a job.</summary>
/// <param name="JobEpoch">Counts placements of servers; frames of lower ones are refused.</param>
/// <param name="Assignment">Counts, within the epoch, how gradient shards were shared among the workers.</param>
/// <param name="IsFixed">
/// Whether all of it is on one node for good: servers and workers then share memory, since whoever could lose anything loses everything.
/// </param>
/// <param name="StartEpoch">Epoch whose <see cref="StartJob"/> began the servers; later epochs went on with what they hold.</param>
[MessagePackObject]
public sealed record JobPlacement(
    [property: Key(0)] int JobEpoch,
    [property: Key(1)] ServerPlace[] Servers,
    [property: Key(2)] ReplicaPlace[] Replicas,
    [property: Key(3)] WirePeer Coordinator,
    [property: Key(4)] int Assignment = 0,
    [property: Key(5)] bool IsFixed = true,
    [property: Key(6)] int StartEpoch = 1)
{
    /// <summary>
    /// Above the indices of all replicas that there have been: whoever takes the job over gives none of them again. 0 = of a build that does not say.
    /// </summary>
    [Key(7)]
    public int NextReplica { get; init; }
}

/// <summary>
/// Training coordinator to node agent: start the servers and workers that the placement gives to this node, in place of those of lower
/// epochs. Answered by <see cref="JobStarted"/>. Idempotent.
/// </summary>
/// <param name="RestoreStep">Version that the coordinator sends to every server before training begins; -1 to begin with initial weights.</param>
/// <param name="RestoresSelected">Whether selected weights come with it.</param>
[MessagePackObject]
public sealed record StartJob(
    [property: Key(0)] JobPlacement Placement,
    [property: Key(1)] long RestoreStep = -1,
    [property: Key(2)] bool RestoresSelected = false) : IWireMessage;

/// <summary>Node agent to training coordinator: this node's actors of the job run, in that epoch and with that assignment.</summary>
[MessagePackObject]
public sealed record JobStarted([property: Key(0)] string NodeName, [property: Key(1)] int JobEpoch, [property: Key(2)] int Assignment) : IWireMessage;

/// <summary>
/// Training coordinator to node agent: workers have gone or come. Servers answer the replicas of this placement from now on; a replica does
/// what it owns by this assignment and by that of the step's plan, whichever gives it more. Answered by <see cref="JobStarted"/>. Idempotent.
/// </summary>
[MessagePackObject]
public sealed record Assign([property: Key(0)] JobPlacement Placement) : IWireMessage;

/// <summary>Training coordinator to node agent: stop everything of the job and free its memory. No answer.</summary>
/// <param name="JobEpoch">The coordinator's; where a higher one is known, another coordinator decides.</param>
[MessagePackObject]
public sealed record EndJob([property: Key(0)] string Reason, [property: Key(1)] int JobEpoch = 0) : IWireMessage;

/// <summary>
/// Training coordinator that takes over a job to the agent of every node that had part in it: what of it runs there? Answered by
/// <see cref="JobRunning"/>.
/// </summary>
[MessagePackObject]
public sealed record AskRunning : IWireMessage;

/// <summary>Node agent to a training coordinator.</summary>
/// <param name="StartEpoch">Epoch in which what runs was begun; 0 = nothing of the job runs here.</param>
/// <param name="Begun">Whether steps had begun.</param>
/// <param name="Spent">Whether the servers' weights are no longer the last ones, since the selected ones were published.</param>
/// <param name="Step">Steps that were complete when the node's workers last began to compute; 0 where it has none.</param>
[MessagePackObject]
public sealed record JobRunning(
    [property: Key(0)] string NodeName,
    [property: Key(1)] int StartEpoch,
    [property: Key(2)] bool Begun,
    [property: Key(3)] bool Spent,
    [property: Key(4)] long Step = 0) : IWireMessage;
