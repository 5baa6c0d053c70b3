using Akka.Actor;
using DistOpt.Actors.Trials;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Actors.Studies;

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

    /// <summary>Receives what has happened once it is stored.</summary>
    public required IStudySink Sink { get; init; }

    /// <summary>The job coordinator, which runs the trials' jobs.</summary>
    public IActorRef Jobs { get; init; } = ActorRefs.Nobody;

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

/// <summary>From a study's supervisor to its parent: nothing of the study is under way any more, and it can be resumed.</summary>
public sealed record StudyLeft(StudyStatus Status) : INoSerializationVerificationNeeded;

/// <summary>From a study's supervisor to its parent: the study has ended, and that is stored.</summary>
public sealed record StudyOver(StudyStatus Status) : INoSerializationVerificationNeeded;

/// <summary>From a study's supervisor to its parent: it cannot go on.</summary>
public sealed record StudyBroke(Exception Why) : INoSerializationVerificationNeeded;

/// <summary>To the study's supervisor: a command of a user. Answered by <see cref="CommandAnswer"/> once it is stored.</summary>
/// <param name="Carry">Gives it to the study.</param>
public sealed record StudyCommand(Func<StudyEngine, CommandAnswer> Carry) : INoSerializationVerificationNeeded;

/// <summary>To the study's supervisor: answered by <see cref="StudyStatus"/>.</summary>
public sealed record AskStudy : INoSerializationVerificationNeeded;
