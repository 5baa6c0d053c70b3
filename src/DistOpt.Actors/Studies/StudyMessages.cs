using Akka.Actor;
using DistOpt.Actors.Trials;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Studies;

/// <summary>What becomes of a study that is gone on with where its user code has changed.</summary>
public enum NewCode
{
    /// <summary>It is not gone on with.</summary>
    Refuse,

    /// <summary>It begins nothing until a user accepts the code or ends the study.</summary>
    Ask,

    /// <summary>It goes on.</summary>
    Accept,
}

/// <summary>What a study is run from; see <see cref="StudySupervisorActor"/>.</summary>
public sealed record StudyRun
{
    /// <summary>Names its events in the journal.</summary>
    public required string Id { get; init; }

    /// <summary>What its trials' runs are asked for.</summary>
    public required StudySection Study { get; init; }

    /// <summary>What its engine is made of.</summary>
    public required StudySetup Setup { get; init; }

    /// <summary>Trials of another study that its sampler is given at the beginning.</summary>
    public IReadOnlyList<ImportedTrial> Imported { get; init; } = [];

    /// <summary>Files and specs of its trials.</summary>
    public required ITrialRuns Trials { get; init; }

    /// <summary>Its folder, for people; null = it has none.</summary>
    public string? Directory { get; init; }

    /// <summary>Receives what has happened once it is stored.</summary>
    public required IStudySink Sink { get; init; }

    /// <summary>The job coordinator, which runs the trials' jobs.</summary>
    public IActorRef Jobs { get; init; } = ActorRefs.Nobody;

    /// <summary>Where attempts run if the study does not say it: in child processes on a cluster.</summary>
    public TrialIsolation Isolation { get; init; } = TrialIsolation.None;

    /// <summary>What becomes of it where its user code is another one than before.</summary>
    public NewCode NewCode { get; init; }

    /// <summary>A command that the study is gone on with for; null = none.</summary>
    public StudyReopening? Reopening { get; init; }

    /// <summary>Trials that run at a time from now on; null = as before.</summary>
    public int? Parallel { get; init; }

    /// <summary>
    /// Of a study that is gone on with: whether the process that ran it before died over it, which a trial that ran there may have brought about. One that left
    /// off for another reason, such as an exception of its sampler, says nothing of its trials.
    /// </summary>
    public bool HasDied { get; init; } = true;

    /// <summary>Whether its events are stored by Akka.Persistence's default journal.</summary>
    public bool IsDurable { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Receives what happens in a study, in order, once it is stored. An exception ends the study's supervisor.</summary>
public interface IStudySink
{
    /// <summary>The study begins, or goes on from these events.</summary>
    void Began(IReadOnlyList<StudyEvent> before);

    /// <summary>This is stored.</summary>
    void Happened(StudyEvent e);

    /// <summary>Where the study stands may have changed: many times a second.</summary>
    /// <param name="status">Tells where; costs what the study's live trials are.</param>
    void Stands(Func<StudyStatus> status);
}

/// <summary>To the study's supervisor, from its host: end all attempts with a checkpoint, and then stop. Answered by <see cref="StudyLeft"/>.</summary>
public sealed record InterruptStudy : INoSerializationVerificationNeeded;

/// <summary>
/// Says what a command is answered that was carried out before (<see cref="StudyEngine.FindRepeat"/>); null = it was not. One thread at a time.
/// </summary>
public delegate CommandAnswer? FindRepeat(Func<StudyEngine, CommandAnswer> command);

/// <summary>From a study's supervisor to its parent: nothing of the study is under way any more, and it can be resumed.</summary>
/// <param name="Status">Where it stands.</param>
/// <param name="Repeat">Answers commands that it has had.</param>
public sealed record StudyLeft(StudyStatus Status, FindRepeat Repeat) : INoSerializationVerificationNeeded;

/// <summary>From a study's supervisor to its parent: the study has ended, and that is stored.</summary>
/// <param name="Status">Where it stands.</param>
/// <param name="Repeat">Answers commands that it has had.</param>
public sealed record StudyOver(StudyStatus Status, FindRepeat Repeat) : INoSerializationVerificationNeeded;

/// <summary>From a study's supervisor to its parent, when that changes: whether it waits for a user. At first it does not.</summary>
public sealed record StudyPaused(bool IsPaused) : INoSerializationVerificationNeeded;

/// <summary>From a study's supervisor to its parent: it cannot go on.</summary>
public sealed record StudyBroke(Exception Why) : INoSerializationVerificationNeeded;

/// <summary>
/// From a study's supervisor to its parent: the study refuses the command of its <see cref="StudyReopening"/>, or has had it. Nothing has happened.
/// </summary>
public sealed record StudyUnchanged(CommandAnswer Answer) : INoSerializationVerificationNeeded;

/// <summary>What a study decides can no longer be stored, or what was stored cannot be read: it can be gone on with once that is possible.</summary>
public sealed class StudyJournalException(string message, Exception? inner = null) : InvalidOperationException(message, inner);

/// <summary>
/// A study cannot go on since a disk is full. Its trials have not failed by that, and nothing that was stored is lost: it goes on as after any interruption
/// once there is room.
/// </summary>
public sealed class StudyDiskFullException(string message, Exception inner) : IOException(message, inner);

/// <summary>
/// To the study's supervisor: a command of a user. Answered by <see cref="CommandAnswer"/> once it is stored, or by the failure with what is wrong with it.
/// </summary>
/// <param name="Carry">Gives it to the study; may throw <see cref="SpecException"/> while nothing has happened.</param>
public sealed record StudyCommand(Func<StudyEngine, CommandAnswer> Carry) : INoSerializationVerificationNeeded;

/// <summary>
/// A command that a study is gone on with for: given to it before it is looked at, since one that has ended would be over at once. What it refuses, or has had,
/// is answered by <see cref="StudyUnchanged"/> to its supervisor's parent; what the command throws breaks the study.
/// </summary>
/// <param name="Carry">Gives it to the study.</param>
/// <param name="Asker">Gets the <see cref="CommandAnswer"/> to one that is carried out, once it is stored; null = nobody.</param>
public sealed record StudyReopening(Func<StudyEngine, CommandAnswer> Carry, IActorRef? Asker = null);

/// <summary>To the study's supervisor: answered by the <see cref="StudyStatus"/> of the moment at which it comes, once all of that is stored.</summary>
public sealed record AskStudy : INoSerializationVerificationNeeded;

/// <summary>
/// To the job coordinator: run this study, whatever becomes of this process; its results go to a study directory. Answered by
/// <see cref="Training.JobAccepted"/> once it is stored, or by <see cref="Training.JobRejected"/>.
/// </summary>
/// <param name="Study">Its id, of the same kind as a job's.</param>
/// <param name="Name">The spec's name.</param>
/// <param name="SpecYaml">The study spec, resolved.</param>
/// <param name="Directory">Its study directory.</param>
/// <param name="Key">Idempotency key: a repeat is answered with the study that the first one made.</param>
public sealed record SubmitDurableStudy(JobId Study, string Name, string SpecYaml, string Directory, string? Key) : INoSerializationVerificationNeeded;

/// <summary>
/// To the job coordinator: a command of a user to a study. Answered by <see cref="StudyAnswer"/> once it is stored, or by the failure with what is wrong with
/// it.
/// </summary>
/// <param name="Carry">Gives it to the study; may throw <see cref="SpecException"/> while nothing has happened.</param>
public sealed record CommandStudy(JobId Study, Func<StudyEngine, CommandAnswer> Carry) : INoSerializationVerificationNeeded
{
    /// <summary>How a study has ended that may go on by it; null = none may.</summary>
    public RunStatus? Reopens { get; init; }

    /// <summary>Whether it has an idempotency key: where the study has ended, its journal is asked whether it has had the command.</summary>
    public bool HasKey { get; init; }
}

/// <param name="Known">Whether there is such a study.</param>
/// <param name="Answer">What it says.</param>
public sealed record StudyAnswer(bool Known, CommandAnswer Answer) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="StudyFound"/>.</summary>
public sealed record FindStudy(JobId Study) : INoSerializationVerificationNeeded;

/// <param name="Spec">What it searches; null where no such study is live, or it has not been opened yet.</param>
/// <param name="Status">Where it stands; null where it does not stand anywhere yet.</param>
public sealed record StudyFound(StudySpec? Spec, StudyStatus? Status) : INoSerializationVerificationNeeded;

/// <summary>To the job coordinator: answered by <see cref="OpenTrials"/>.</summary>
public sealed record FindOpenTrials(JobId Study) : INoSerializationVerificationNeeded;

/// <param name="Lines">
/// A line for each trial that has not ended, as in <c>trials.jsonl</c>; null where no such study is live, or it has not been opened yet.
/// </param>
public sealed record OpenTrials(IReadOnlyList<string>? Lines) : INoSerializationVerificationNeeded;

/// <summary>Makes what durable studies are run from; see <see cref="SubmitDurableStudy"/>.</summary>
public interface IStudySessions
{
    /// <summary>Opens a study's files. Blocks.</summary>
    /// <exception cref="SpecException">The spec is none for this build, or the files cannot be had.</exception>
    IStudySession Open(string study, string specYaml, string directory);

    /// <summary>The resolved spec of a study, from its directory, for one that has ended: nobody else keeps it. Blocks.</summary>
    /// <exception cref="SpecException">It cannot be had.</exception>
    string SpecOf(string directory);

    /// <summary>What the engine of a study is made of, without opening its files.</summary>
    /// <exception cref="SpecException">The spec is none for this build.</exception>
    StudySetup SetupOf(string specYaml);
}

/// <summary>A study's files while it is run, and what it is run from.</summary>
public interface IStudySession : IDisposable
{
    StudySpec Spec { get; }

    /// <summary>Without job coordinator and journal, which are its host's.</summary>
    StudyRun Run { get; }

    /// <summary>The nodes on which the latest attempt at a trial runs; null where that is not known. From any thread.</summary>
    string? NodeOf(int trial);

    /// <summary>
    /// The trials that have not ended, as far as they have come: lines as those of <c>trials.jsonl</c>; null while it is not known what the study has done.
    /// From any thread.
    /// </summary>
    IReadOnlyList<string>? OpenTrials();

    /// <summary>Measures what the study has chosen on the test part, and writes its summary. Blocks.</summary>
    /// <param name="status">The study's last.</param>
    /// <param name="stop">The process ends: so does this, with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Text of <c>summary.json</c>.</returns>
    string End(StudyStatus status, CancellationToken stop);
}
