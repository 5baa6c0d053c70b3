using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Jobs;

/// <summary>What an entry of a <see cref="JobLedger"/> is.</summary>
public enum JobKind
{
    /// <summary>One run of a training spec, which a user has submitted.</summary>
    Job,

    /// <summary>A study, whose own journal holds what happens in it.</summary>
    Study,

    /// <summary>An attempt at a trial of a study: forgotten as soon as it has ended, since the study remembers it.</summary>
    Trial,
}

/// <summary>
/// What the journal of a job coordinator holds: facts about jobs, in the order in which they were decided. A <see cref="JobLedger"/> is what
/// they add up to.
/// </summary>
/// <param name="Job">Id of the job; empty where the fact is about no job.</param>
public abstract record JobEvent(string Job)
{
    /// <summary>A job was accepted.</summary>
    /// <param name="Key">Idempotency key of the submission; null where it had none.</param>
    /// <param name="Name">The spec's name.</param>
    /// <param name="SpecYaml">The resolved spec; empty once the job has ended.</param>
    /// <param name="SpecHash">Tells whether a repeat of the key means the same job.</param>
    /// <param name="Directory">Run or study directory; null where the submitter receives the results itself, so that the job ends with its process.</param>
    /// <param name="At">When, UTC.</param>
    public sealed record Submitted(string Job, string? Key, string Name, string SpecYaml, string SpecHash, string? Directory, DateTimeOffset At)
        : JobEvent(Job)
    {
        public JobKind Kind { get; init; }
    }

    /// <summary>Servers and workers were given to nodes.</summary>
    /// <param name="Epoch">Job epoch of the placement: frames of lower ones are refused from now on.</param>
    /// <param name="Placement">The placement, in a form that only its writer reads.</param>
    public sealed record Placed(string Job, int Epoch, ImmutableArray<byte> Placement) : JobEvent(Job);

    /// <summary>A checkpoint is complete on disk.</summary>
    /// <param name="Path">Its directory.</param>
    public sealed record CheckpointWritten(string Job, long Step, string Path) : JobEvent(Job);

    /// <summary>A command of a user was carried out; a repeat of its key is answered and does nothing.</summary>
    /// <param name="Command">Its name, such as <c>cancel</c>.</param>
    public sealed record CommandApplied(string Job, string Key, string Command) : JobEvent(Job);

    /// <summary>The job is to end at its next step.</summary>
    public sealed record StopRequested(string Job, StopReason Reason) : JobEvent(Job);

    /// <summary>A coordinator that had been gone took the job up again.</summary>
    public sealed record Restarted(string Job) : JobEvent(Job);

    /// <summary>A study that had ended is gone on with: since it is to have more trials, or since it had failed and may do better now.</summary>
    /// <param name="SpecYaml">The resolved spec, which the ledger had forgotten.</param>
    public sealed record Reopened(string Job, string SpecYaml) : JobEvent(Job);

    /// <summary>The job has ended.</summary>
    /// <param name="SummaryJson">Text of its summary; <paramref name="Status"/> and <paramref name="Steps"/> stand in it too.</param>
    /// <param name="BadInput">Why it never began, where it was bad input; else empty.</param>
    /// <param name="At">When, UTC.</param>
    public sealed record Ended(string Job, RunStatus Status, long Steps, string SummaryJson, ImmutableArray<SpecViolation> BadInput, DateTimeOffset At)
        : JobEvent(Job);
}
