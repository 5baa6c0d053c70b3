using Akka.Actor;
using Akka.Persistence;
using DistOpt.Actors.Serialization;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Actors.Studies;

/// <summary>Study supervisor to its journal: store these together; answered by <see cref="StudyEventsStored"/>.</summary>
internal sealed record StoreStudyEvents(IReadOnlyList<StudyEvent> Events) : INoSerializationVerificationNeeded;

/// <param name="Count">How many of those that were to be stored, the first ones first.</param>
internal sealed record StudyEventsStored(int Count) : INoSerializationVerificationNeeded;

/// <summary>Journal to study supervisor: it stops, since what it was to store it could not.</summary>
internal sealed record StudyJournalFailed(Exception Why) : INoSerializationVerificationNeeded;

/// <summary>Journal to study supervisor, once: what had been stored.</summary>
internal sealed record StudyRecovered(IReadOnlyList<StudyEvent> Events) : INoSerializationVerificationNeeded;

/// <summary>A study's journal. Events that come while a write is under way are stored together.</summary>
internal sealed class StudyJournalActor : JournalActor
{
    private readonly string _study;
    private List<StudyEvent>? _recovered = [];

    public StudyJournalActor(string study)
        : base("The study's journal")
    {
        _study = study;
        Recover<StudyEvent>(e => _recovered!.Add(e));
        Recover<RecoveryCompleted>(_ =>
        {
            Context.Parent.Tell(new StudyRecovered(_recovered!));
            _recovered = null;
        });
        Command<StoreStudyEvents>(store =>
        {
            int left = store.Events.Count;
            PersistAllAsync(store.Events, _ =>
            {
                if (--left == 0) Context.Parent.Tell(new StudyEventsStored(store.Events.Count));
            });
        });
    }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistFailure(cause, @event, sequenceNr);
        Context.Parent.Tell(new StudyJournalFailed(cause));
    }

    public override string PersistenceId => $"study-{_study}";
}
