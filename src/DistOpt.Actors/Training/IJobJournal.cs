using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// The right to write the job coordinator's journal: one process at a time has it. The events themselves go through Akka.Persistence's default
/// journal and snapshot store.
/// </summary>
public interface IJobJournal
{
    /// <summary>
    /// Takes the journal: from now on, whoever had it before cannot write to it any more. Fails where it cannot be had: someone else has it, it
    /// cannot be reached, or a newer version wrote it.
    /// </summary>
    Task TakeAsync();

    /// <summary>Whether it is still this process that may write; false for good once somebody else has taken the journal.</summary>
    Task<bool> IsHeldAsync();

    /// <summary>Gives the journal up. Does nothing where it was not taken.</summary>
    void Release();
}

/// <summary>Makes what receives the results of durable jobs; see <see cref="SubmitDurableJob"/>.</summary>
public interface IJobSinks
{
    /// <summary>The receiver of a run's events; disposed with the job's training coordinator where it is disposable.</summary>
    /// <param name="recovered">Whether a former coordinator began the run.</param>
    IRunSink Open(JobId job, TrainingSpec spec, string directory, IJobRuntime runtime, bool recovered);

    /// <summary>The summary of a run that ended just before its coordinator did, so that its journal does not say so; null = it has not ended.</summary>
    RunSummary? FindEnd(JobId job, string directory);

    /// <summary>The job has ended, with or without having begun; its end is stored.</summary>
    void Ended(JobId job);
}
