using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Training;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Studies;

/// <summary>
/// A study on a cluster, from the moment at which it is known to its end: opens its files, has it supervised, and measures what it has chosen. On a thread of
/// its own, since opening blocks.
/// </summary>
internal sealed class StudyHostActor : ReceiveActor
{
    private readonly JobId _study;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly string _specYaml;
    private readonly string _directory;
    private readonly IStudySessions _sessions;
    private readonly IActorRef _jobs;
    private readonly TimeProvider _time;
    private readonly bool _isDurable;
    private readonly JobEvent.Ended? _former;
    private readonly Reopening? _reopening;

    // waits for whether the study goes on; null once that is told
    private IActorRef? _asker;
    private readonly CancellationTokenSource _stopped = new();
    private IStudySession? _session;
    private IActorRef? _supervisor;
    private StudyStatus? _last;
    private FindRepeat? _repeat;
    private bool _isCancelled;
    private bool _isOver;
    private bool _isReopened;

    /// <param name="former">How a study had ended that is gone on with; null = it had not. It has, still, where nothing can be done with it.</param>
    /// <param name="reopening">What for; null where that is stored already, or it had not ended.</param>
    public StudyHostActor(JobId study, string specYaml, string directory, IStudySessions sessions, IActorRef jobs, TimeProvider time, bool isDurable,
        JobEvent.Ended? former, Reopening? reopening)
    {
        (_study, _specYaml, _directory, _sessions, _jobs, _time, _isDurable) = (study, specYaml, directory, sessions, jobs, time, isDurable);
        (_former, _reopening, _asker) = (former, reopening, reopening?.Asker);
        Receive<Begin>(_ => Open());
        Receive<CommandStudy>(OnCommand);
        Receive<StopJob>(_ =>
        {
            _isCancelled = true;
            Cancel();
        });
        Receive<CommandAnswer>(answer =>
        {
            _isReopened = true;
            Answer(new StudyAnswer(true, answer));
        });
        Receive<StudyUnchanged>(unchanged =>
        {
            Leave(null);
            Answer(new StudyAnswer(true, unchanged.Answer));
            Tell(_former!.Status, _former.Steps, _former.SummaryJson, null);
        });
        Receive<FindStudy>(_ => Find());
        Receive<FindOpenTrials>(_ => Sender.Tell(new OpenTrials(_isOver ? null : _session?.OpenTrials())));
        Receive<StudyPaused>(paused => Context.Parent.Tell(new Stands(_study, paused.IsPaused)));
        Receive<StudyOver>(over =>
        {
            _repeat = over.Repeat;
            OnOver(over.Status);
        });
        Receive<StudyLeft>(left => Finish(RunStatus.Failed, left.Status, "the study was interrupted, and nobody asked for it"));
        Receive<StudyBroke>(broke =>
        {
            // which is that of the jobs too: all begins anew
            bool isJournal = broke.Why is StudyJournalException or StudyDiskFullException { InnerException: StudyJournalException };
            if (isJournal) Context.Parent.Tell(new JournalGone(_study));
            else Fail(broke.Why);
        });
        Receive<Measured>(measured => Finish(measured));
        Receive<Terminated>(_ => Fail(new InvalidOperationException("the study's supervisor has stopped: the log says why")));
        // what every job is told of nodes and lines is for the trials' jobs
        ReceiveAny(_ => { });
    }

    /// <summary>To the job coordinator: the study has ended.</summary>
    /// <param name="Trials">That have begun.</param>
    internal sealed record Finished(JobId Study, RunStatus Status, long Trials, string SummaryJson, SpecException? BadInput)
        : INoSerializationVerificationNeeded;

    /// <summary>What a study that had ended is gone on with for.</summary>
    /// <param name="Asker">Gets a <see cref="StudyAnswer"/>, or the failure with the reason.</param>
    internal sealed record Reopening(Func<StudyEngine, CommandAnswer> Carry, IActorRef Asker);

    /// <summary>To the job coordinator, when that changes: whether the study waits for a user.</summary>
    internal sealed record Stands(JobId Study, bool IsPaused) : INoSerializationVerificationNeeded;

    /// <summary>To the job coordinator: the study's journal cannot be written or read.</summary>
    internal sealed record JournalGone(JobId Study) : INoSerializationVerificationNeeded;

    private sealed record Begin : INoSerializationVerificationNeeded;

    private sealed record Measured(StudyStatus Status, string? SummaryJson, Exception? Error) : INoSerializationVerificationNeeded;

    protected override SupervisorStrategy SupervisorStrategy()
    {
        var self = Self;
        return new OneForOneStrategy(error =>
        {
            self.Tell(new StudyBroke(error is ActorInitializationException { InnerException: { } inner } ? inner : error));
            return Directive.Stop;
        });
    }

    protected override void PreStart() => Self.Tell(new Begin());

    protected override void PostStop()
    {
        _stopped.Cancel();
        _session?.Dispose();
        _stopped.Dispose();
    }

    private void Open()
    {
        try
        {
            _session = _sessions.Open(_study.Value, _specYaml, _directory);
        }
        catch (SpecException e)
        {
            // another build than the one that accepted it, or its files cannot be had: the study fails, everything else goes on
            Fail(e);
            return;
        }
        var run = _session.Run with { Jobs = _jobs, IsDurable = _isDurable, Time = _time, Isolation = TrialIsolation.Process, NewCode = NewCode.Ask };
        if (_reopening is { Carry: var carry })
        {
            // one that had come to its end, and failed after that, has nothing to be told: it is measured
            bool hasFailed = _former is { Status: RunStatus.Failed };
            bool IsToBeMeasured(StudyEngine engine) => hasFailed && engine.End is not (null or StudyStopReason.Failures);
            run = run with { Reopening = new StudyReopening(engine => IsToBeMeasured(engine) ? new() : carry(engine), Self) };
        }
        _supervisor = Context.Watch(Context.ActorOf(StudySupervisorActor.Props(run), "supervisor"));
        Cancel();
    }

    private void Answer(object answer)
    {
        _asker?.Tell(answer);
        _asker = null;
    }

    private void Cancel()
    {
        if (_isCancelled) _supervisor?.Tell(new StudyCommand(engine => engine.Cancel(null)), ActorRefs.Nobody);
    }

    private void OnCommand(CommandStudy command)
    {
        if (_supervisor is null || _isOver)
        {
            Sender.Tell(new StudyAnswer(true, _repeat?.Invoke(command.Carry)
                ?? new(Refusal: _isOver ? "the study is ending" : "the study has not been opened yet; try again")));
            return;
        }
        _supervisor.Ask<CommandAnswer>(new StudyCommand(command.Carry), Timeout.InfiniteTimeSpan, _stopped.Token)
            .PipeTo(Sender, success: answer => new StudyAnswer(true, answer),
                failure: e => new Status.Failure(e.GetBaseException() is SpecException wrong ? wrong
                    // the study ended, or its coordinator did, before it was stored: asked again, whoever is there then answers
                    : new CoordinatorGoneException("the study has stopped while it was given the command")));
    }

    private void Find()
    {
        if (_session is not { } session) Sender.Tell(new StudyFound(null, null));
        else if (_last is { } last) Sender.Tell(new StudyFound(session.Spec, last));
        else
        {
            _supervisor!.Ask<StudyStatus>(new AskStudy(), Timeout.InfiniteTimeSpan, _stopped.Token)
                .PipeTo(Sender, success: status => new StudyFound(session.Spec, WithNodes(status, session)), failure: _ => new StudyFound(session.Spec, null));
        }
    }

    private static StudyStatus WithNodes(StudyStatus status, IStudySession session) => status with
    {
        Live = [.. status.Live.Select(t => t.State == TrialState.Running ? t with { Node = session.NodeOf(t.Number) } : t)],
    };

    private void OnOver(StudyStatus status)
    {
        Leave(status);
        var (session, token) = (_session!, _stopped.Token);
        // on a thread of its own, so that questions are answered meanwhile
        Context.ActorOf(Akka.Actor.Props.Create(() => new MeasuringActor(session, status, token)).WithDispatcher(Context.Props.Dispatcher), "measuring");
    }

    private void Finish(Measured measured)
    {
        // it ends with its process: whoever takes it up measures again
        if (measured.Error is OperationCanceledException && _stopped.IsCancellationRequested) return;
        if (measured.SummaryJson is { } summary)
        {
            var status = measured.Status.End switch
            {
                StudyStopReason.Failures => RunStatus.Failed,
                StudyStopReason.Cancelled => RunStatus.Cancelled,
                _ => RunStatus.Completed,
            };
            Tell(status, measured.Status.Started, summary, null);
        }
        else Finish(RunStatus.Failed, measured.Status, $"what the study has chosen could not be measured: {measured.Error!.GetBaseException().Message}");
    }

    private void Fail(Exception why)
    {
        if (_isOver) return;
        _log.Error(why, "Study {0} cannot go on", _study);
        Leave(null);
        Answer(new Status.Failure(why as SpecException ?? new SpecException("", $"the study cannot be gone on with: {why.Message}")));
        // nothing has happened to it: it has ended as it had. One that had failed has failed once more, for what is wrong now
        if (_former is { Status: not RunStatus.Failed } former && (_reopening is null ? _supervisor is null : !_isReopened))
            Tell(former.Status, former.Steps, former.SummaryJson, null);
        else Tell(RunStatus.Failed, 0, Summary(why.Message), why as SpecException);
    }

    private void Finish(RunStatus status, StudyStatus where, string error)
    {
        Leave(where);
        Tell(status, where.Started, Summary(error), null);
    }

    private void Leave(StudyStatus? last)
    {
        (_isOver, _last) = (true, last);
        if (_supervisor is not null) Context.Unwatch(_supervisor);
    }

    private void Tell(RunStatus status, long trials, string summary, SpecException? badInput) =>
        Context.Parent.Tell(new Finished(_study, status, trials, summary, badInput));

    /// <summary>Measures what the study has chosen, and tells its parent.</summary>
    private sealed class MeasuringActor(IStudySession session, StudyStatus status, CancellationToken stop) : ReceiveActor
    {
        protected override void PreStart()
        {
            Measured measured;
            try
            {
                measured = new Measured(status, session.End(status, stop), null);
            }
            catch (Exception e)
            {
                // user code, or the disk: the study ends with it
                measured = new Measured(status, null, e);
            }
            Context.Parent.Tell(measured);
            Context.Stop(Self);
        }
    }

    private string Summary(string error) => RunJson.Text(false, json =>
    {
        json.WriteStartObject();
        json.WriteString("study", _directory);
        json.WriteString("status", "failed");
        json.WriteString("error", error);
        json.WriteEndObject();
    });
}
