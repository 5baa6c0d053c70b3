using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Actors.Studies;

/// <summary>Study supervisor to its journal: store these together; answered by <see cref="StudyEventsStored"/>.</summary>
internal sealed record StoreStudyEvents(IReadOnlyList<StudyEvent> Events) : INoSerializationVerificationNeeded;

/// <param name="Count">How many of those that were to be stored, the first ones first.</param>
internal sealed record StudyEventsStored(int Count) : INoSerializationVerificationNeeded;

/// <summary>Journal to study supervisor, once: what had been stored.</summary>
internal sealed record StudyRecovered(IReadOnlyList<StudyEvent> Events) : INoSerializationVerificationNeeded;

/// <summary>A study's journal. Events that come while a write is under way are stored together. It stops when it cannot write or read.</summary>
internal sealed class StudyJournalActor : ReceivePersistentActor
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly string _study;
    private List<StudyEvent>? _recovered = [];

    public StudyJournalActor(string study)
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

    public override string PersistenceId => $"study-{_study}";

    protected override void OnRecoveryFailure(Exception reason, object? message = null) =>
        _log.Error("The study's journal cannot be read: {0}", reason.GetBaseException().Message);

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) =>
        _log.Error("The study's journal cannot be written: {0}", cause.GetBaseException().Message);

    /// <summary>An event that cannot even be serialized is not stored: whoever waits for it must not wait for ever.</summary>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }
}
