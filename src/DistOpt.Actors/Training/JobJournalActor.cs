using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using DistOpt.Actors.Serialization;
using DistOpt.Core.Jobs;
using DistOpt.Protocol.Journal;

namespace DistOpt.Actors.Training;

/// <summary>Job coordinator to its journal: store these together; answered by <see cref="EventsStored"/>.</summary>
internal sealed record StoreEvents(long Id, IReadOnlyList<JobEvent> Events) : INoSerializationVerificationNeeded;

internal sealed record EventsStored(long Id) : INoSerializationVerificationNeeded;

/// <summary>Journal to job coordinator, once: what had been stored, in its shortest form.</summary>
internal sealed record JournalRecovered(IReadOnlyList<JobEvent> Events) : INoSerializationVerificationNeeded;

/// <summary>The journal of the job coordinator. Writes that come while one is under way are stored together.</summary>
internal sealed class JobJournalActor : JournalActor
{
    public const string Id = "job-coordinator";

    /// <summary>Events between two snapshots.</summary>
    public const int SnapshotInterval = 500;

    private readonly JobLedger _ledger;
    private int _sinceSnapshot;

    public JobJournalActor(JobLedgerLimits limits)
        : base("The journal")
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
        Command<SaveSnapshotFailure>(failed => Logger.Warning("The journal's snapshot was not stored; it goes on without: {0}", failed.Cause.Message));
        Command<DeleteMessagesSuccess>(_ => { });
        Command<DeleteMessagesFailure>(failed => Logger.Warning("Old events stay in the journal: {0}", failed.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(failed => Logger.Warning("Old snapshots stay in the journal: {0}", failed.Cause.Message));
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

    private void Apply(JobEvent e)
    {
        _ledger.Apply(e);
        _sinceSnapshot++;
    }
}
