using System.Collections.Immutable;
using Akka.Actor;
using DistOpt.Core.Jobs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// To the job coordinator: run this job as soon as there is room for it, and hand what happens to a receiver of the submitter's own. Such a job
/// ends with this process. Answered at once by <see cref="JobAccepted"/> or <see cref="JobRejected"/>, and at the end by
/// <see cref="JobEnded"/>. Rejected where there is, or was, a job with the id of <paramref name="Job"/>.
/// </summary>
/// <param name="Spec">The resolved spec.</param>
/// <param name="Sink">Makes the receiver of the run's events, once model and data are open.</param>
/// <param name="CheckpointDirectory">Folder of the job's checkpoints; null = none are written.</param>
/// <param name="Resumes">Whether the job goes on from the newest sound checkpoint there. Without any it begins anew; where none is sound it is refused.</param>
public sealed record SubmitJob(
    JobId Job,
    TrainingSpec Spec,
    Func<IJobRuntime, IRunSink> Sink,
    string? CheckpointDirectory = null,
    bool Resumes = false) : INoSerializationVerificationNeeded
{
    /// <summary>What is known of a job that a former coordinator began; null for a new one.</summary>
    public JobRecovery? Recovery { get; init; }

    /// <summary>Whether the job was begun by a former coordinator.</summary>
    public bool Recovered => Recovery is not null;

    /// <summary>Set where the job is an attempt at a trial of a study.</summary>
    public TrialPart? Trial { get; init; }

    /// <summary>Whether the sink is disposed with the job's training coordinator.</summary>
    public bool OwnsSink { get; init; }
}

/// <summary>What the journal knows of a job that is taken up again.</summary>
/// <param name="Restarts">How often it has been taken up, this time included: <c>coordinator_restarts</c>.</param>
/// <param name="Placement">The latest placement that was stored; null = it had none.</param>
/// <param name="Checkpoint">The newest checkpoint that was stored; null = none was complete.</param>
public sealed record JobRecovery(int Restarts, JobEvent.Placed? Placement, JobEvent.CheckpointWritten? Checkpoint);

/// <summary>
/// To the job coordinator: run this job as soon as there is room for it, whatever becomes of this process; its results go to a run directory
/// (<see cref="IJobSinks"/>). Answered by <see cref="JobAccepted"/> once it is stored, or by <see cref="JobRejected"/>.
/// </summary>
/// <param name="Spec">The resolved spec.</param>
/// <param name="Directory">Its run directory.</param>
/// <param name="Key">Idempotency key: a repeat is answered with the job that the first one made.</param>
public sealed record SubmitDurableJob(JobId Job, TrainingSpec Spec, string Directory, string? Key) : INoSerializationVerificationNeeded;

/// <param name="Name">The spec's name.</param>
public sealed record JobAccepted(JobId Job, string Name) : INoSerializationVerificationNeeded;

/// <summary>To the submitter of an attempt at a trial: it has got nodes, and waits for others no longer.</summary>
internal sealed record JobPlaced(JobId Job) : INoSerializationVerificationNeeded;

/// <summary>To the submitter of an attempt at a trial, when that changes: whom or what it waits for, in words; null = nobody any more.</summary>
internal sealed record JobWaits(JobId Job, string? Whom) : INoSerializationVerificationNeeded;

/// <param name="KeyReused">Whether the reason is that the idempotency key was used for something else.</param>
/// <param name="IdIsTaken">Whether it is that there is, or was, a job of that id.</param>
public sealed record JobRejected(JobId Job, string Reason, bool KeyReused = false, bool IdIsTaken = false) : INoSerializationVerificationNeeded;

/// <param name="BadInput">Set when the job never began because of its input; the summary's error says the same in words.</param>
public sealed record JobEnded(JobId Job, RunSummary Summary, SpecException? BadInput) : INoSerializationVerificationNeeded
{
    /// <summary>
    /// Set where the job has failed by nothing of its own: the child process that it ran in is lost (how that ended, and what it wrote last), or its
    /// coordinator has stopped.
    /// </summary>
    public string? Lost { get; init; }

    /// <summary>What could not be written since the coordinator's disk is full: the job has failed by nothing of its own. Null = there was room.</summary>
    public Exception? NoRoom { get; init; }

    /// <summary>Of an attempt at a trial that never began since nodes were not fit for it: why each of them is not. It may begin on others.</summary>
    public IReadOnlyDictionary<NodeId, string> Unfit { get; init; } = ImmutableDictionary<NodeId, string>.Empty;
}

/// <summary>To the job coordinator: end the job at its next step. Answered by <see cref="StopAnswer"/> once it is stored. Idempotent.</summary>
public sealed record StopJob(JobId Job, StopReason Reason) : INoSerializationVerificationNeeded
{
    /// <summary>Idempotency key of the command, where it has one.</summary>
    public string? Key { get; init; }
}

/// <param name="Known">Whether there is such a job.</param>
/// <param name="KeyReused">Why the idempotency key cannot stand for this command; null where it can.</param>
public sealed record StopAnswer(JobId Job, bool Known, string? KeyReused = null) : INoSerializationVerificationNeeded;

/// <summary>
/// To the job coordinator: write a checkpoint after the next step that is not planned yet, beside those that are due. No answer. Asked again before it is
/// written, it is one.
/// </summary>
public sealed record AskCheckpoint(JobId Job) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="JobFound"/>.</summary>
public sealed record FindJob(JobId Job) : INoSerializationVerificationNeeded;

/// <param name="Status">Null where there is no such job.</param>
/// <param name="Directory">Its run directory; null where its results went to its submitter.</param>
/// <param name="BadInput">Why it never began, where it was bad input; else empty.</param>
public sealed record JobFound(JobStatus? Status, string? Directory, IReadOnlyList<SpecViolation> BadInput) : INoSerializationVerificationNeeded;

/// <summary>From the host: the job cannot go on.</summary>
public sealed record FailJob(JobId Job, string Why) : INoSerializationVerificationNeeded;

/// <summary>From the host: a line written outside of any job (a child process before it joined, say); every live job logs it.</summary>
public sealed record OutsideOutput(WireLogLine Line) : INoSerializationVerificationNeeded;

/// <summary>From the host: a node has left or was lost. Told again where more is known.</summary>
public sealed record NodeGone(NodeId Node, string Why) : INoSerializationVerificationNeeded
{
    /// <summary>
    /// The last lines that its process wrote and did not send itself, oldest first; possibly none. Null where nobody saw how it ended.
    /// </summary>
    public IReadOnlyList<string>? LastLines { get; init; }

    /// <summary>Exception and stack trace that ended it; null where none is known.</summary>
    public string? Stack { get; init; }
}

/// <summary>From the host, once the coordinator has read its journal: these nodes are there, and no other that may have been.</summary>
public sealed record NodesPresent(IReadOnlySet<NodeId> Nodes) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="JobList"/>.</summary>
public sealed record ListJobs : INoSerializationVerificationNeeded;

/// <param name="Waiting">Whom the job waits for, when it waits, and for how many seconds.</param>
/// <param name="SummaryJson">Text of the summary, once the job has ended.</param>
public sealed record JobStatus(JobId Job, string Name, string State, long Step, long TotalSteps, double? Loss, string? Waiting,
    IReadOnlyList<string> Nodes, string? SummaryJson) : INoSerializationVerificationNeeded
{
    public JobKind Kind { get; init; }

    /// <summary>From training coordinator to job coordinator: since when it waits, which is said in words to whoever asks.</summary>
    internal DateTimeOffset? WaitingSince { get; init; }

    /// <summary>Servers that have no backup that could take their place now, though the spec asks for one; as text. Null where all have one.</summary>
    public string? Unprotected { get; init; }

    /// <summary>Step of the latest checkpoint; null while there is none.</summary>
    public long? Checkpoint { get; init; }

    public int Workers { get; init; }

    /// <summary>Who holds which part of the weights, once the job is placed.</summary>
    public IReadOnlyList<ServerStatus> Servers { get; init; } = [];

    /// <summary>Why more workers would not help; null where they would.</summary>
    public string? Limit { get; init; }

    public int WorkerFailures { get; init; }

    public int ServerFailures { get; init; }

    public int Rollbacks { get; init; }

    /// <summary>The latest losses of nodes and exceptions of user code, oldest first.</summary>
    public IReadOnlyList<NodeFailure> Failures { get; init; } = [];
}

/// <param name="Index">Number of the parameter server within the job.</param>
/// <param name="Node">Its node's name.</param>
/// <param name="Backup">Name of its backup's node; null where it has none.</param>
/// <param name="IsProtected">Whether the backup could take its place now.</param>
public sealed record ServerStatus(int Index, string Node, string? Backup, bool IsProtected) : INoSerializationVerificationNeeded;

public sealed record JobList(IReadOnlyList<JobStatus> Jobs) : INoSerializationVerificationNeeded;

/// <summary>
/// To the job coordinator: the node with that name (<c>host:port</c>) shall hand over what it has and leave. Answered by
/// <see cref="DrainAnswer"/> at once. Idempotent where the incarnation is given.
/// </summary>
/// <param name="Incarnation">The one that is meant: another under that name has been started since, and stays. Null = whichever is there.</param>
public sealed record DrainNodeNamed(string Name, NodeId? Incarnation = null) : INoSerializationVerificationNeeded;

/// <param name="Known">Whether there is such a node.</param>
public sealed record DrainAnswer(string Name, bool Known) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="NodeList"/>.</summary>
public sealed record ListNodes : INoSerializationVerificationNeeded;

/// <param name="Leaving">Whether it is handing over what it has, to leave then.</param>
public sealed record NodeStatus(NodeId Node, string Name, IReadOnlyList<string> Roles, int WorkerSlots, int WorkersRunning, string Version, bool Leaving)
    : INoSerializationVerificationNeeded
{
    /// <summary>Its child processes for attempts at trials. What runs there is among <see cref="WorkersRunning"/>.</summary>
    public int TrialProcesses { get; init; }

    /// <summary>Bytes of memory for workers; null where the node does not say.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Bytes of them that jobs have asked for, and those that attempts at trials in children take.</summary>
    public long MemoryTaken { get; init; }

    /// <summary>GPUs for workers; null where the node does not say.</summary>
    public int? Gpus { get; init; }

    /// <summary>Those of them that jobs have, attempts at trials in children among them.</summary>
    public long GpusTaken { get; init; }
}

public sealed record NodeList(IReadOnlyList<NodeStatus> Nodes) : INoSerializationVerificationNeeded;

/// <summary>
/// Training coordinator to job coordinator: who does what from now on; answered by <see cref="PlacementStored"/>, before which no node hears of it.
/// </summary>
/// <param name="Assignment">Which one of the epoch.</param>
/// <param name="Placement">In a form that only the sender reads.</param>
internal sealed record StorePlacement(JobId Job, int Epoch, int Assignment, ImmutableArray<byte> Placement) : INoSerializationVerificationNeeded;

internal sealed record PlacementStored(JobId Job, int Epoch, int Assignment) : INoSerializationVerificationNeeded;

/// <summary>Training coordinator to job coordinator: a checkpoint is complete; answered by <see cref="CheckpointStored"/>.</summary>
internal sealed record StoreCheckpoint(JobId Job, long Step, string Path) : INoSerializationVerificationNeeded;

internal sealed record CheckpointStored(JobId Job, long Step) : INoSerializationVerificationNeeded;
