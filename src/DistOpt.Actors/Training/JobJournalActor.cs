using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using DistOpt.Core.Jobs;
using DistOpt.Protocol.Journal;

namespace DistOpt.Actors.Training;

/// <summary>Job coordinator to its journal: store these together; answered by <see cref="EventsStored"/>.</summary>
internal sealed record StoreEvents(long Id, IReadOnlyList<JobEvent> Events) : INoSerializationVerificationNeeded;

internal sealed record EventsStored(long Id) : INoSerializationVerificationNeeded;

/// <summary>Journal to job coordinator, once: what had been stored, in its shortest form.</summary>
internal sealed record JournalRecovered(IReadOnlyList<JobEvent> Events) : INoSerializationVerificationNeeded;

/// <summary>
/// The journal of the job coordinator. Writes that come while one is under way are stored together. It stops when it cannot write or read:
/// what it then has not confirmed may or may not be stored.
/// </summary>
internal sealed class JobJournalActor : ReceivePersistentActor
{
    public const string Id = "job-coordinator";

    /// <summary>Events between two snapshots.</summary>
    public const int SnapshotInterval = 500;

    private readonly JobLedger _ledger;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private int _sinceSnapshot;

    public JobJournalActor(JobLedgerLimits limits)
    {
        _ledger = new JobLedger(limits);
        Recover<SnapshotOffer>(offer =>
        {
            foreach (var e in ((JobLedgerSnapshot)offer.Snapshot).Events) _ledger.Apply(e);
        });
        Recover<JobEvent>(Apply);
        Recover<RecoveryCompleted>(_ => Context.Parent.Tell(new JournalRecovered(_ledger.Compact())));
        Command<StoreEvents>(Store);
        Command<SaveSnapshotSuccess>(saved =>
        {
            // the snapshot stands for what is deleted; the one before stays until this one is stored
            DeleteMessages(saved.Metadata.SequenceNr);
            DeleteSnapshots(new SnapshotSelectionCriteria(saved.Metadata.SequenceNr - 1));
        });
        Command<SaveSnapshotFailure>(failed => _log.Warning("The journal's snapshot was not stored; it goes on without: {0}", failed.Cause.Message));
        Command<DeleteMessagesSuccess>(_ => { });
        Command<DeleteMessagesFailure>(failed => _log.Warning("Old events stay in the journal: {0}", failed.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(failed => _log.Warning("Old snapshots stay in the journal: {0}", failed.Cause.Message));
    }

    public override string PersistenceId => Id;

    private void Store(StoreEvents store)
    {
        int left = store.Events.Count;
        PersistAllAsync(store.Events, e =>
        {
            Apply(e);
            if (--left > 0) return;
            Context.Parent.Tell(new EventsStored(store.Id));
            if (_sinceSnapshot < SnapshotInterval) return;
            _sinceSnapshot = 0;
            SaveSnapshot(new JobLedgerSnapshot(_ledger.Compact()));
        });
    }

    protected override void OnRecoveryFailure(Exception reason, object? message = null) =>
        _log.Error("The journal cannot be read: {0}", reason.GetBaseException().Message);

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) =>
        _log.Error("The journal cannot be written: {0}", cause.GetBaseException().Message);

    /// <summary>An event that cannot even be serialized is not stored: whoever waits for it must not wait for ever.</summary>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private void Apply(JobEvent e)
    {
        _ledger.Apply(e);
        _sinceSnapshot++;
    }
}
