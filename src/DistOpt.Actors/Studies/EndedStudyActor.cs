using Akka.Actor;
using Akka.Event;
using DistOpt.Core.Studies.Engine;
using DistOpt.Protocol;

namespace DistOpt.Actors.Studies;

/// <summary>
/// Asks the journal of a study that has ended whether it has had a command: whoever did not hear the answer repeats it, and was not refused. Answers its asker
/// with a <see cref="StudyAnswer"/> and stops. On a thread of its own, since a journal may be long.
/// </summary>
internal sealed class EndedStudyActor : ReceiveActor
{
    private readonly JobId _study;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Func<StudySetup> _setup;
    private readonly Func<StudyEngine, CommandAnswer> _command;
    private readonly IActorRef _asker;
    private readonly string _refusal;

    /// <param name="setup">What the study's engine is made of.</param>
    /// <param name="command">What it may have had.</param>
    /// <param name="refusal">What is said where it has not.</param>
    public EndedStudyActor(JobId study, Func<StudySetup> setup, Func<StudyEngine, CommandAnswer> command, IActorRef asker, string refusal)
    {
        (_study, _setup, _command, _asker, _refusal) = (study, setup, command, asker, refusal);
        Receive<StudyRecovered>(recovered => Answer(recovered.Events));
        Receive<Terminated>(_ => Answer(null));
    }

    protected override void PreStart()
    {
        string id = _study.Value;
        Context.Watch(Context.ActorOf(Props.Create(() => new StudyJournalActor(id)), "journal"));
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        _log.Warning(error, "The journal of study {0}, which has ended, cannot be read", _study);
        return Directive.Stop;
    });

    private void Answer(IReadOnlyList<StudyEvent>? events)
    {
        _asker.Tell(new StudyAnswer(true, (events is null ? null : Find(events)) ?? new(Refusal: _refusal)));
        Context.Stop(Self);
    }

    private CommandAnswer? Find(IReadOnlyList<StudyEvent> events)
    {
        try
        {
            return StudyEngine.Restore(_setup(), events, _ => { }).FindRepeat(_command);
        }
        catch (Exception e)
        {
            // another build than the one that ran it, or its spec is gone
            _log.Warning(e, "It cannot be told whether study {0}, which has ended, has had a command", _study);
            return null;
        }
    }
}
