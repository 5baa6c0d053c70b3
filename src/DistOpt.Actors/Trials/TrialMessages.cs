using System.Collections.Immutable;
using Akka.Actor;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Trials;

/// <summary>Files and specs of a study's trials. Blocks; one call at a time for each trial.</summary>
public interface ITrialRuns
{
    /// <summary>Makes everything ready for an attempt.</summary>
    /// <exception cref="SpecException">The trial's parameters do not go together, or its files cannot be had.</exception>
    TrialRun Open(TrialOrder order);

    /// <summary>The attempt's run has begun on these nodes.</summary>
    void Began(TrialOrder order, IReadOnlyList<string> nodes);

    /// <summary>Keeps the newest checkpoint of an attempt that has ended, so that trials can go on from it.</summary>
    void Keep(TrialOrder order, TrialCheckpoint checkpoint);

    /// <summary>Deletes what was kept.</summary>
    void Delete(TrialCheckpoint checkpoint);

    /// <summary>Bytes that what was kept takes.</summary>
    long Size(TrialCheckpoint checkpoint);

    /// <summary>Deletes the checkpoints in a run's own folder: nobody goes on from them any more.</summary>
    /// <param name="trial">The trial's number.</param>
    /// <param name="repeat">Which run of its configuration, from 0.</param>
    void Trim(int trial, int repeat);

    /// <summary>Steps of the newest sound checkpoint in a run's own folder; 0 where there is none.</summary>
    /// <param name="trial">The trial's number.</param>
    /// <param name="repeat">Which run of its configuration, from 0.</param>
    long Left(int trial, int repeat);

    /// <summary>Deletes what a killed process has left, before anything is under way.</summary>
    /// <param name="known">What is known to be kept.</param>
    /// <param name="isDoneWith">Whether nobody goes on with a run of a trial: by the trial's number and the run's.</param>
    void Sweep(IReadOnlyCollection<TrialCheckpoint> known, Func<int, int, bool> isDoneWith);
}

/// <summary>An attempt's job.</summary>
/// <param name="Job">Its id.</param>
/// <param name="Spec">The trial's resolved spec.</param>
/// <param name="Sink">Makes the writer of its run directory.</param>
/// <param name="CheckpointDirectory">Of its run.</param>
/// <param name="Resumes">Whether it goes on from the newest checkpoint there.</param>
/// <param name="IsOfAnother">Whether that may be one of another spec.</param>
/// <param name="Rows">What the run has measured before that checkpoint.</param>
public sealed record TrialRun(string Job, TrainingSpec Spec, Func<IJobRuntime, IRunSink> Sink, string CheckpointDirectory, bool Resumes, bool IsOfAnother,
    IReadOnlyList<MetricRow> Rows)
{
    /// <summary>Parameters of the space that may change of what a state consists.</summary>
    public ImmutableArray<string> Structural { get; init; } = [];

    /// <summary>What is wrong with the spec, as the study's file has it.</summary>
    public Func<SpecException, SpecException> Blamed { get; init; } = e => e;
}

/// <summary>Trial supervisor to study supervisor: the attempt has measured something. Answered by <see cref="AttemptTold"/>.</summary>
internal sealed record AttemptReported(AttemptId Id, long Resource, double[] Values, double Seconds) : INoSerializationVerificationNeeded;

/// <summary>Whom or what the attempt waits for, in words, when that changes; null = nobody any more.</summary>
internal sealed record AttemptWaits(AttemptId Id, string? Whom) : INoSerializationVerificationNeeded;

/// <summary>What an attempt does after a report.</summary>
/// <param name="Resource">Of the report.</param>
/// <param name="Directive">What it does.</param>
/// <param name="Until">Resource of the next report to which another answer is possible; null = it is not known.</param>
internal sealed record AttemptTold(long Resource, TrialDirective Directive, long? Until) : INoSerializationVerificationNeeded;

/// <summary>The attempt has left its checkpoint, and goes on.</summary>
internal sealed record AttemptSaved(AttemptId Id, long Resource) : INoSerializationVerificationNeeded;

/// <summary>The attempt has left its checkpoint, and given up its slot.</summary>
internal sealed record AttemptReleased(AttemptId Id, long Resource, double Seconds) : INoSerializationVerificationNeeded;

internal sealed record AttemptCompleted(AttemptId Id, double[] Values, double[] Constraints, double Seconds) : INoSerializationVerificationNeeded;

internal sealed record AttemptFailed(AttemptId Id, bool HasDiverged, string Error, double Seconds) : INoSerializationVerificationNeeded;

internal sealed record AttemptTimedOut(AttemptId Id, double Seconds) : INoSerializationVerificationNeeded;

/// <summary>What the attempt was to write found no room on the disk: nothing is wrong with the trial, and others would fare no better.</summary>
/// <param name="Why">What could not be written.</param>
internal sealed record AttemptStarved(AttemptId Id, Exception Why) : INoSerializationVerificationNeeded;

/// <summary>The child process of the attempt is lost: nothing is wrong with the trial as far as is known, which may go on in another attempt.</summary>
/// <param name="Reason">How the process ended, and what it wrote last.</param>
internal sealed record AttemptLost(AttemptId Id, string Reason, double Seconds) : INoSerializationVerificationNeeded;

/// <summary>The attempt never began, since the nodes that it was given are not fit for it: others are to be tried.</summary>
internal sealed record AttemptRefused(AttemptId Id, string Reason) : INoSerializationVerificationNeeded;

/// <summary>The attempt was told to end, or the study is interrupted, and it has.</summary>
internal sealed record AttemptStopped(AttemptId Id) : INoSerializationVerificationNeeded;

/// <summary>Study supervisor to trial supervisor: end.</summary>
/// <param name="Leaves">Whether the run writes a checkpoint, from which a later attempt at the same trial goes on.</param>
internal sealed record StopAttempt(bool Leaves) : INoSerializationVerificationNeeded
{
    /// <summary>Whether it is meant only for an attempt that has not begun to compute; another one goes on.</summary>
    public bool IfNotBegun { get; init; }
}
