using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Trials;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Actors.Studies;

/// <summary>
/// Runs one study: asks its engine what each free slot is for, supervises an attempt at a trial for each answer, and stores what the engine decides. Nothing is
/// shown or counted before it is stored; attempts begin before, since those whose beginning is lost with this process are known by their session. Where
/// trials share this process, one may take it along, and what was under way then has to be known: there an attempt begins once that is stored.
/// </summary>
public sealed partial class StudySupervisorActor : ReceiveActor, IWithTimers
{
    private const string Interrupted = "the study was interrupted";
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly StudyRun _run;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<AttemptId, (IActorRef Actor, int Repeat)> _attempts = [];

    // whom or what attempts wait for, of those that do
    private readonly Dictionary<AttemptId, string> _waits = [];

    private readonly Queue<StudyEvent> _unstored = new();

    // what is told once all that it follows from is stored
    private readonly Queue<(long After, IActorRef Asker, object Answer)> _answers = new();

    // attempts that begin once it is stored that they do
    private readonly Queue<(long After, TrialOrder Order)> _held = new();

    // that came before it was known what the journal holds
    private readonly Queue<(StudyCommand Command, IActorRef Asker)> _early = new();
    private readonly Queue<IActorRef> _curious = new();

    // where the study stood when somebody was last to be told, and it was not all stored
    private (long After, StudyStatus Status, bool IsPaused)? _stood;
    private List<StudyEvent> _batch = [];
    private StudyEngine? _engine;
    private IActorRef? _journal;
    private bool _isStoring;
    private long _decided;
    private long _stored;
    private long _tickedAt;
    private bool _isReopening;
    private bool _isPaused;
    private bool _isInterrupted;
    private bool _isOver;

    public StudySupervisorActor(StudyRun run)
    {
        _run = run;
        Receive<StudyRecovered>(recovered => Begin(recovered.Events));
        Receive<StudyEventsStored>(stored =>
        {
            _isStoring = false;
            Stored(stored.Count);
            Store();
        });
        Receive<AttemptReported>(OnReported);
        Receive<AttemptWaits>(OnWaits);
        Receive<AttemptSaved>(saved => Step(() =>
        {
            _engine!.Checkpointed(saved.Id, saved.Resource);
            // the one that this takes the place of
            _mayDelete = true;
        }));
        Receive<AttemptReleased>(released => End(released.Id, () => _engine!.Release(released.Id, released.Resource, released.Seconds)));
        Receive<AttemptCompleted>(done => End(done.Id, () => _engine!.Complete(done.Id, done.Values, done.Constraints, done.Seconds)));
        Receive<AttemptFailed>(failed => End(failed.Id, () => _engine!.Fail(failed.Id, failed.HasDiverged, failed.Error, failed.Seconds)));
        Receive<AttemptLost>(lost => End(lost.Id, () => _engine!.Lose(lost.Id, lost.Reason, lost.Seconds)));
        Receive<AttemptStarved>(starved => Break(starved.Why));
        Receive<StudyJournalFailed>(failed => Break(new StudyJournalException($"the study's journal cannot be written: {failed.Why.GetBaseException().Message}", failed.Why)));
        Receive<AttemptRefused>(refused => End(refused.Id, () => _engine!.GiveUp(refused.Id, refused.Reason)));
        Receive<AttemptTimedOut>(late => End(late.Id, () => _engine!.TimeOut(late.Id, late.Seconds)));
        // neither one that a user has paused before it had begun has lost anything, nor one that has left off in good order with its study
        Receive<AttemptStopped>(stopped => End(stopped.Id,
            () => _isInterrupted ? _engine!.GiveUp(stopped.Id, Interrupted) : _engine!.TakeBack(stopped.Id)));
        Receive<ChildBroke>(OnBroke);
        Receive<Terminated>(OnTerminated);
        Receive<Ticked>(_ => Step(() => { }));
        Receive<InterruptStudy>(_ => Interrupt());
        Receive<StudyCommand>(command => OnCommand(command, Sender));
        Receive<AskStudy>(_ =>
        {
            if (_engine is null) _curious.Enqueue(Sender);
            else Show(Sender);
        });
    }

    private sealed record Ticked : INoSerializationVerificationNeeded;

    private sealed record ChildBroke(IActorRef Child, Exception Why) : INoSerializationVerificationNeeded;

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(StudyRun run) => Akka.Actor.Props.Create(() => new StudySupervisorActor(run));

    protected override SupervisorStrategy SupervisorStrategy()
    {
        var self = Self;
        return new OneForOneStrategy(error =>
        {
            self.Tell(new ChildBroke(Sender, error is ActorInitializationException { InnerException: { } inner } ? inner : error));
            return Directive.Stop;
        });
    }

    protected override void PreStart()
    {
        if (!_run.IsDurable)
        {
            Begin([]);
            return;
        }
        string id = _run.Id;
        _journal = Context.Watch(Context.ActorOf(Akka.Actor.Props.Create(() => new StudyJournalActor(id)), "journal"));
    }

    private void Begin(IReadOnlyList<StudyEvent> events)
    {
        Step(() =>
        {
            _engine = events.Count == 0 ? new StudyEngine(_run.Setup, Record) : StudyEngine.Restore(_run.Setup, events, Record);
            if (_run.Reopening is { } reopening && !Reopen(reopening)) return;
            if (_engine.CodeChange is { } change && _run.NewCode == NewCode.Refuse)
            {
                throw new SpecException("--accept-new-code", $"is missing: the trials of this study ran the code {change.Before}, which is {change.Now} now; "
                    + "give it to go on with the new code, which the trials that run it then note, or go on with the program as it was");
            }
            _run.Sink.Began(events);
            var engine = _engine;
            if (events.Count > 0) _run.Trials.Sweep(engine.Checkpoints, (trial, repeat) => trial < engine.Started && engine.IsDoneWith(trial, repeat));
            // attempts of this session have names of their own only once it is stored that it has begun
            if (events.Count > 0) _engine.Reopen(_ => false, _run.Trials.Left, _run.HasDied);
            _engine.NoteCode();
            _engine.NoteTime(_run.Time.GetUtcNow().UtcDateTime);
            if (_run.NewCode == NewCode.Accept) _engine.AcceptCode(null);
            _engine.Import(_run.Imported);
            if (_run.Parallel is { } parallel && _engine.End is null && parallel != _engine.Status().Parallel) _engine.SetParallel(null, parallel);
            _isReopening = events.Count > 0 && _decided > 0;
            _tickedAt = _run.Time.GetTimestamp();
            Timers.StartPeriodicTimer("tick", new Ticked(), Tick);
        });
        while (!_isOver && _early.TryDequeue(out var early)) OnCommand(early.Command, early.Asker);
        while (_engine is not null && _curious.TryDequeue(out var asker)) Show(asker);
    }

    /// <summary>First of all: one that had ended may go on by it.</summary>
    private bool Reopen(StudyReopening reopening)
    {
        var answer = reopening.Carry(_engine!);
        if (answer is not { Refusal: null, IsRepeat: false })
        {
            Leave(new StudyUnchanged(answer));
            return false;
        }
        if (reopening.Asker is not { } asker) return true;
        _answers.Enqueue((_decided, asker, answer));
        Answer();
        return true;
    }

    private void Record(StudyEvent e)
    {
        _unstored.Enqueue(e);
        _batch.Add(e);
        _decided++;
    }

    /// <summary>Lets something happen to the study, and does what follows from it. What the engine throws breaks the study, not the process.</summary>
    private void Step(Action act)
    {
        if (_isOver) return;
        try
        {
            act();
            if (_isOver) return;
            Pass();
            Pump();
        }
        catch (Exception e)
        {
            Break(e);
            return;
        }
        Store();
        Look();
    }

    private void Pump()
    {
        if (_isReopening) return;
        while (!_isInterrupted && _engine!.Decide().Order is { } order)
        {
            if (_run.Setup.SharesProcess) _held.Enqueue((_decided, order));
            else Start(order);
        }
        foreach (var (id, (attempt, _)) in _attempts)
        {
            // trials that have ended, with the study or by a command, have nothing more to say, and give their slots back
            if (!_engine!.IsUnderWay(id)) attempt.Tell(new StopAttempt(Leaves: false));
            // others leave off with their next report
            else if (_engine.IsSuspended(id)) attempt.Tell(new StopAttempt(Leaves: true) { IfNotBegun = true });
        }
    }

    private void Start(TrialOrder order)
    {
        var (run, end) = (_run, _engine!.TrialEnd);
        var attempt = Context.ActorOf(Akka.Actor.Props.Create(() => new TrialSupervisorActor(order, run, end)),
            FormattableString.Invariant($"trial-{order.Id.Trial}-attempt-{order.Id.Attempt}-{order.Id.Session}"));
        _attempts[order.Id] = (Context.Watch(attempt), order.Repeat);
    }

    private void StartHeld()
    {
        while (!_isOver && _held.TryPeek(out var next) && next.After <= _stored)
        {
            _held.Dequeue();
            // its trial may have been ended meanwhile
            if (_engine!.IsUnderWay(next.Order.Id)) Start(next.Order);
        }
    }

    private void OnReported(AttemptReported reported)
    {
        var attempt = Sender;
        Step(() =>
        {
            var directive = _isInterrupted ? TrialDirective.Continue : _engine!.Report(reported.Id, reported.Resource, reported.Values, reported.Seconds);
            attempt.Tell(new AttemptTold(reported.Resource, directive, _engine!.UntilOf(reported.Id)));
        });
    }

    private void OnWaits(AttemptWaits waits)
    {
        if (waits.Whom is null || !_attempts.ContainsKey(waits.Id)) _waits.Remove(waits.Id);
        else _waits[waits.Id] = waits.Whom;
        Look();
    }

    private void Show(IActorRef asker)
    {
        _answers.Enqueue((_decided, asker, Status()));
        Answer();
    }

    private StudyStatus Status()
    {
        var status = _engine!.Status();
        return _waits.Count == 0 ? status : status.Waiting(_waits.ToDictionary(w => w.Key.Trial, w => w.Value));
    }

    /// <summary>An attempt is over: its slot is free.</summary>
    private void End(AttemptId id, Func<bool> tell) => Step(() =>
    {
        // its actor stops by itself, which is no loss any more
        _waits.Remove(id);
        if (_attempts.Remove(id, out var attempt))
        {
            Context.Unwatch(attempt.Actor);
            _left.Add((id.Trial, attempt.Repeat));
        }
        tell();
        _mayDelete = true;
    });

    private void OnBroke(ChildBroke broke)
    {
        if (broke.Child.Equals(_journal))
        {
            Break(new StudyJournalException(broke.Why.Message, broke.Why));
            return;
        }
        if (_attempts.FirstOrDefault(a => a.Value.Actor.Equals(broke.Child)) is not { Value.Actor: not null } attempt) return;
        // which is no fault of the trial
        if (DiskFull.Find(broke.Why) is not null)
        {
            Break(broke.Why);
            return;
        }
        _log.OfTrial(attempt.Key.Trial).Error(broke.Why, "attempt {Attempt} at the trial broke", attempt.Key.Attempt);
        End(attempt.Key, () => _engine!.Lose(attempt.Key, $"{broke.Why.GetType().FullName}: {broke.Why.Message}"));
    }

    private void OnTerminated(Terminated gone)
    {
        if (gone.ActorRef.Equals(_journal)) Break(new StudyJournalException("the study's journal has stopped: the log says why"));
        else if (_attempts.FirstOrDefault(a => a.Value.Actor.Equals(gone.ActorRef)) is { Value.Actor: not null } attempt)
            End(attempt.Key, () => _engine!.Lose(attempt.Key, "its supervisor has stopped"));
    }

    private void Pass()
    {
        long now = _run.Time.GetTimestamp();
        _engine!.Pass(_run.Time.GetElapsedTime(_tickedAt, now).TotalSeconds, _run.Time.GetUtcNow().UtcDateTime);
        _tickedAt = now;
    }

    private void OnCommand(StudyCommand command, IActorRef asker)
    {
        if (_engine is null)
        {
            _early.Enqueue((command, asker));
            return;
        }
        Step(() => Carry(command.Carry, asker));
    }

    private void Carry(Func<StudyEngine, CommandAnswer> carry, IActorRef asker)
    {
        try
        {
            var answer = carry(_engine!);
            _answers.Enqueue((_decided, asker, answer));
        }
        catch (SpecException e)
        {
            // bad input of a user, by which nothing has happened
            asker.Tell(new Status.Failure(e));
        }
        Answer();
    }

    private void Interrupt()
    {
        if (_isInterrupted || _isOver) return;
        _isInterrupted = true;
        foreach (var (attempt, _) in _attempts.Values) attempt.Tell(new StopAttempt(Leaves: true));
        if (_held.Count > 0)
        {
            Step(() =>
            {
                while (_held.TryDequeue(out var held)) _engine!.GiveUp(held.Order.Id, Interrupted);
            });
        }
        Look();
    }

    private void Store()
    {
        while (!_isStoring && _batch.Count > 0)
        {
            var events = _batch;
            _batch = [];
            _isStoring = _journal is not null;
            if (_journal is { } journal) journal.Tell(new StoreStudyEvents(events));
            else Stored(events.Count);
        }
    }

    private void Stored(int count)
    {
        _stored += count;
        try
        {
            for (; count > 0; count--)
            {
                var e = _unstored.Dequeue();
                _run.Sink.Happened(e);
                if (e is StudyEvent.CheckpointDeleted gone) Delete(gone.Checkpoint);
            }
            DeleteUnneeded();
            Trim();
            StartHeld();
        }
        catch (Exception e)
        {
            Break(e);
            return;
        }
        Answer();
        if (_isReopening && _unstored.Count == 0)
        {
            _isReopening = false;
            Step(() => { });
            return;
        }
        Look();
    }

    private void Answer()
    {
        while (_answers.TryPeek(out var next) && next.After <= _stored)
        {
            _answers.Dequeue();
            next.Asker.Tell(next.Answer);
        }
    }

    /// <summary>Tells where the study stands, and ends where nothing is under way any more.</summary>
    private void Look()
    {
        if (_isOver || _engine is null) return;
        TellStand();
        if (_attempts.Count > 0 || _unstored.Count > 0 || _batch.Count > 0) return;
        if (_engine.End is not null) Leave(new StudyOver(_engine.Status(), _engine.FindRepeat));
        else if (_isInterrupted) Leave(new StudyLeft(_engine.Status(), _engine.FindRepeat));
    }

    /// <summary>Where more is always on its way to the journal too: then of a moment that is stored.</summary>
    private void TellStand()
    {
        if (_unstored.Count == 0)
        {
            _stood = null;
            Tell(Status, _engine!.IsPaused);
            return;
        }
        if (_stood is { } last && last.After <= _stored)
        {
            _stood = null;
            Tell(() => last.Status, last.IsPaused);
        }
        _stood ??= (_decided, Status(), _engine!.IsPaused);

        void Tell(Func<StudyStatus> status, bool isPaused)
        {
            _run.Sink.Stands(status);
            if (isPaused != _isPaused) Context.Parent.Tell(new StudyPaused(_isPaused = isPaused));
        }
    }

    private void Break(Exception why)
    {
        if (_isOver) return;
        if (why is not SpecException) _log.Error(why, "The study broke");
        Leave(new StudyBroke(DiskFull.Find(why) is { } full ? Full(why, full) : why));
    }

    private StudyDiskFullException Full(Exception why, Exception full)
    {
        string disk = _run.Directory is { } folder ? $"the disk of '{folder}' is full" : "the disk is full";
        return new($"{disk} ({full.Message}): the study has left off and nothing of it is lost; make room there, and go on with it "
            + "('distopt sweep --resume', or on a cluster 'distopt resume')", why);
    }

    private void Leave(object how)
    {
        _isOver = true;
        Timers.CancelAll();
        Context.Parent.Tell(how);
        if (_journal is not null) Context.Unwatch(_journal);
        Context.Stop(Self);
    }
}
