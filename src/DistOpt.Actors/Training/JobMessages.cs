using Akka.Actor;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// To the job coordinator: run this job as soon as there is room for it. Answered at once by <see cref="JobAccepted"/> or
/// <see cref="JobRejected"/>, and at the end by <see cref="JobEnded"/>. Idempotent in <paramref name="Job"/>.
/// </summary>
/// <param name="Spec">The resolved spec.</param>
/// <param name="Sink">Makes the receiver of the run's events, once model and data are open.</param>
/// <param name="CheckpointDirectory">Folder of the job's checkpoints; null = none are written.</param>
/// <param name="Resumes">Whether the job goes on from the newest sound checkpoint there; without one it begins anew.</param>
public sealed record SubmitJob(
    JobId Job,
    TrainingSpec Spec,
    Func<IJobRuntime, IRunSink> Sink,
    string? CheckpointDirectory = null,
    bool Resumes = false) : INoSerializationVerificationNeeded;

public sealed record JobAccepted(JobId Job) : INoSerializationVerificationNeeded;

public sealed record JobRejected(JobId Job, string Reason) : INoSerializationVerificationNeeded;

/// <param name="BadInput">Set when the job never began because of its input; the summary's error says the same in words.</param>
public sealed record JobEnded(JobId Job, RunSummary Summary, SpecException? BadInput) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: end the job at its next step. Idempotent.</summary>
public sealed record StopJob(JobId Job, StopReason Reason) : INoSerializationVerificationNeeded;

/// <summary>From the host: the job cannot go on.</summary>
public sealed record FailJob(JobId Job, string Why) : INoSerializationVerificationNeeded;

/// <summary>From the host: a line written outside of any job (a child process before it joined, say); every live job logs it.</summary>
public sealed record OutsideOutput(WireLogLine Line) : INoSerializationVerificationNeeded;

/// <summary>From the host: a node has left or was lost.</summary>
public sealed record NodeGone(NodeId Node, string Why) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="JobList"/>.</summary>
public sealed record ListJobs : INoSerializationVerificationNeeded;

/// <param name="Waiting">Whom the job waits for, when it waits, and since how many seconds.</param>
public sealed record JobStatus(JobId Job, string Name, string State, long Step, long TotalSteps, double? Loss, string? Waiting,
    IReadOnlyList<string> Nodes, RunSummary? Summary) : INoSerializationVerificationNeeded
{
    /// <summary>Servers that have no backup that could take their place now, though the spec asks for one; as text. Null where all have one.</summary>
    public string? Unprotected { get; init; }

    /// <summary>Step of the latest checkpoint; null while there is none.</summary>
    public long? Checkpoint { get; init; }

    public int Workers { get; init; }

    /// <summary>Why more workers would not help; null where they would.</summary>
    public string? Limit { get; init; }

    public int WorkerFailures { get; init; }

    public int ServerFailures { get; init; }

    public int Rollbacks { get; init; }
}

public sealed record JobList(IReadOnlyList<JobStatus> Jobs) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="NodeList"/>.</summary>
public sealed record ListNodes : INoSerializationVerificationNeeded;

public sealed record NodeStatus(NodeId Node, string Name, IReadOnlyList<string> Roles, int WorkerSlots, int WorkersRunning, string Version)
    : INoSerializationVerificationNeeded;

public sealed record NodeList(IReadOnlyList<NodeStatus> Nodes) : INoSerializationVerificationNeeded;
