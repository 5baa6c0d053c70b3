using Akka.Actor;
using Akka.Event;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>The job coordinator cannot answer now; what it was asked may or may not have been stored. Ask again, with the same idempotency key.</summary>
public sealed class CoordinatorGoneException(string message) : Exception(message);

/// <summary>The coordinator's memory: what is stored before it counts, and what is found again after a restart.</summary>
public sealed partial class JobCoordinatorActor
{
    private readonly Dictionary<long, (IReadOnlyList<JobEvent> Events, Action Then, IActorRef Asker)> _writes = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private IActorRef? _journal;
    private long _lastWrite;

    /// <summary>A coordinator that was thought dead and lives learns within this time that another has its journal, even when it writes nothing.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(5);

    private sealed record CheckJournal : INoSerializationVerificationNeeded;

    private sealed record JournalHeld(bool IsHeld) : INoSerializationVerificationNeeded;

    public ITimerScheduler Timers { get; set; } = null!;

    private sealed record JournalTaken : INoSerializationVerificationNeeded;

    private sealed record JournalNotTaken(Exception Why) : INoSerializationVerificationNeeded;

    /// <summary>Nothing is known and nothing is decided until the journal has been read.</summary>
    private void Recovering()
    {
        Receive<JournalTaken>(_ =>
        {
            var limits = _limits.Ledger;
            _journal = Context.ActorOf(Akka.Actor.Props.Create(() => new JobJournalActor(limits)), "journal");
            Context.Watch(_journal);
        });
        Receive<JournalNotTaken>(failed =>
        {
            _log.Error("The journal cannot be had: {0}", failed.Why.Message);
            Context.Stop(Self);
        });
        Receive<JournalRecovered>(recovered => TakeUp(recovered.Events));
        Receive<EventsStored>(OnStored);
        Receive<Terminated>(OnJournalGone, gone => gone.ActorRef.Equals(_journal));
    }

    protected override void PreStart()
    {
        if (_setup.Journal is not { } journal)
        {
            Ready();
            return;
        }
        Become(Recovering);
        journal.TakeAsync().PipeTo(Self, success: () => new JournalTaken(), failure: e => new JournalNotTaken(e));
    }

    protected override void PostStop()
    {
        // children, the journal among them, have stopped before
        _setup.Journal?.Release();
        const string why = "the job coordinator has stopped";
        foreach (var job in _jobs.Values)
        {
            // the study of this process ends with its coordinator, and what was under way counts for nothing when it is gone on with
            if (_services.IsAlone && job.Kind == JobKind.Trial) continue;
            var summary = new RunSummary { Job = job.Id.Value, Status = RunStatus.Failed, StopReason = StopReason.Failed, Error = why };
            job.Submitter?.Tell(new JobEnded(job.Id, summary, null) { Lost = why });
        }
    }

    private void Ready()
    {
        Become(Running);
        if (_setup.Journal is not null) Timers.StartPeriodicTimer("journal", new CheckJournal(), CheckInterval);
        _setup.Relay?.Tell(new CoordinatorReady(Self));
    }

    /// <summary>Every job that had not ended is started again, in order of submission.</summary>
    private void TakeUp(IReadOnlyList<JobEvent> events)
    {
        foreach (var e in events) _ledger.Apply(e);
        var ends = new List<JobEvent>();
        var restarts = new List<JobEvent>();
        foreach (var job in _ledger.Live)
        {
            if (_setup.Sinks!.FindEnd(new JobId(job.Job), job.Directory!) is { } summary) ends.Add(EndOf(job.Job, summary, null));
            else restarts.Add(new JobEvent.Restarted(job.Job));
        }
        if (ends.Count + restarts.Count > 0) Store(true, [.. ends, .. restarts], StartAll);
        else StartAll();

        void StartAll()
        {
            if (events.Count > 0) _log.Info("{0} jobs found, {1} of them live", _ledger.Jobs.Count(), _ledger.LiveCount);
            foreach (var entry in _ledger.Live.ToList()) StartAgain(entry);
            Ready();
        }
    }

    private void StartAgain(JobEntry entry)
    {
        var id = new JobId(entry.Job);
        if (entry.Kind == JobKind.Study)
        {
            var study = new Job(id, entry.Name, JobKind.Study, null);
            _jobs[id] = study;
            StartStudy(study, entry.Submission.SpecYaml, entry.Directory!, entry.Former);
            if (entry.Stop is { } stop) study.Actor!.Tell(new StopJob(id, stop));
            return;
        }
        var recovery = new JobRecovery(entry.Restarts, entry.Placement, entry.Checkpoint);
        TrainingSpec spec;
        try
        {
            spec = _services.Specs.Read(entry.Submission.SpecYaml);
        }
        catch (SpecException e)
        {
            // another build than the one that accepted it: the job fails, the others go on
            _jobs[id] = new Job(id, entry.Name, JobKind.Job, null);
            var summary = new RunSummary { Job = entry.Job, Status = RunStatus.Failed, Error = e.Message, CoordinatorRestarts = entry.Restarts };
            OnEnded(new JobEnded(id, summary, e));
            return;
        }
        var job = new Job(id, entry.Name, JobKind.Job, null);
        _jobs[id] = job;
        Start(job, OfDirectory(id, spec, entry.Directory!, recovery));
        if (entry.Stop is { } reason) job.Actor!.Tell(new StopJob(id, reason));
    }

    /// <summary>
    /// Stores the events together, then lets them count, then goes on. Facts about jobs that end with this process are not stored.
    /// </summary>
    private void Store(bool durable, IReadOnlyList<JobEvent> events, Action then)
    {
        if (_journal is null || !durable)
        {
            foreach (var e in events) _ledger.Apply(e);
            then();
            return;
        }
        _writes[++_lastWrite] = (events, then, Sender);
        _journal.Tell(new StoreEvents(_lastWrite, events));
    }

    private void OnStored(EventsStored stored)
    {
        if (!_writes.Remove(stored.Id, out var write)) return;
        foreach (var e in write.Events) _ledger.Apply(e);
        write.Then();
    }

    private void OnCheckJournal(CheckJournal check)
    {
        // one that cannot be asked now will tell when it is written to
        _setup.Journal!.IsHeldAsync().PipeTo(Self, success: held => new JournalHeld(held), failure: _ => new JournalHeld(true));
    }

    private void OnJournalHeld(JournalHeld held)
    {
        if (held.IsHeld) return;
        _log.Error("Another job coordinator has taken the journal: this one ends");
        Context.Stop(Self);
    }

    /// <summary>What was decided can no longer be stored: the coordinator ends, and its supervisor begins it anew.</summary>
    private void OnJournalGone(Terminated gone)
    {
        _log.Error("The journal has stopped with {0} writes under way: the job coordinator begins anew", _writes.Count);
        foreach (var write in _writes.Values) write.Asker.Tell(new Status.Failure(new CoordinatorGoneException("the job coordinator has lost its journal")));
        Context.Stop(Self);
    }

    private JobEvent.Ended EndOf(string job, RunSummary summary, SpecException? badInput) => new(job, summary.Status, summary.Steps,
        RunJson.Text(false, json => RunJson.WriteSummary(json, summary)), badInput?.Violations ?? [], _services.Time.GetUtcNow());
}
