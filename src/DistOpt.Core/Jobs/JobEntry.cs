using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Jobs;

/// <summary>Bounds of what a <see cref="JobLedger"/> keeps.</summary>
/// <param name="EndedJobsKept">Ended jobs that can still be shown; those that ended first are forgotten first, with their keys.</param>
/// <param name="CommandKeysKept">Idempotency keys of commands other than submissions, the latest ones.</param>
public sealed record JobLedgerLimits(int EndedJobsKept = 1000, int CommandKeysKept = 10_000);

/// <summary>What the ledger knows of one job.</summary>
public sealed record JobEntry(JobEvent.Submitted Submission)
{
    public string Job => Submission.Job;

    public string Name => Submission.Name;

    public JobKind Kind => Submission.Kind;

    public string? Directory => Submission.Directory;

    /// <summary>Whether another process could go on with it: its results have a place that does not depend on the submitter.</summary>
    public bool IsDurable => Submission.Directory is not null;

    /// <summary>Latest job epoch, below which frames are refused; 0 = none yet.</summary>
    public int Epoch => Placement?.Epoch ?? 0;

    /// <summary>The latest placement; null = none yet.</summary>
    public JobEvent.Placed? Placement { get; init; }

    /// <summary>The newest checkpoint; null = none yet.</summary>
    public JobEvent.CheckpointWritten? Checkpoint { get; init; }

    /// <summary>Set where the job is to end at its next step.</summary>
    public StopReason? Stop { get; init; }

    /// <summary>How often a coordinator has taken it up again.</summary>
    public int Restarts { get; init; }

    /// <summary>How it ended; null while it is live.</summary>
    public JobEvent.Ended? End { get; init; }

    /// <summary>How a study had ended that is gone on with, until it ends again.</summary>
    public JobEvent.Ended? Former { get; init; }

    public ImmutableArray<SpecViolation> BadInput => End?.BadInput ?? [];
}

/// <summary>What an idempotency key was used for.</summary>
/// <param name="Job">The job; empty where the command is about none.</param>
/// <param name="Command"><c>submit</c>, <c>cancel</c>, ...</param>
public sealed record KeyUse(string Job, string Command)
{
    /// <summary>Name of the command that makes a job.</summary>
    public const string Submit = "submit";

    public const string Cancel = "cancel";
}
