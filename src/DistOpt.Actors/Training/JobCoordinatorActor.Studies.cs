using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Studies;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Studies: each has a host, which is to a study what a training coordinator is to a job. That a study was submitted, and how it has ended, is stored with the
/// jobs; what happens in it in a journal of its own. Its trials' jobs come back here as any other submission.
/// </summary>
public sealed partial class JobCoordinatorActor
{
    private void Submit(SubmitDurableStudy submit) => Accept(
        new Durable(submit.Study, submit.Key, submit.Name, submit.SpecYaml, submit.Directory, JobKind.Study),
        job => StartStudy(job, submit.SpecYaml, submit.Directory));

    private void StartStudy(Job job, string specYaml, string directory, JobEvent.Ended? former = null,
        StudyHostActor.Reopening? reopening = null)
    {
        var sessions = _setup.Studies ?? throw new InvalidOperationException("durable studies need to know what they are run from");
        var (id, jobs, time, isDurable) = (job.Id, Self, _services.Time, _setup.Journal is not null);
        // no node is kept from leaving by a study, only by its trials' jobs
        job.Holding = new HashSet<NodeId>();
        var props = Akka.Actor.Props.Create(() => new StudyHostActor(id, specYaml, directory, sessions, jobs, time, isDurable, former, reopening));
        job.Actor = Context.ActorOf(props.WithDispatcher(_services.ComputeDispatcher), $"study-{++_started}-{Uri.EscapeDataString(id.Value)}");
    }

    private void OnCommandStudy(CommandStudy command)
    {
        if (_ledger.Find(command.Study.Value) is not { Kind: JobKind.Study, End: { } end } ended) ToStudy(command.Study, command);
        else if (_jobs.ContainsKey(command.Study)) Refuse("the study has ended, and is just being gone on with; try again");
        else if (command.Reopens == end.Status) Reopen(ended, end, command.Carry);
        else if (command.HasKey && _setup.Journal is not null) AskJournal(ended, command.Carry, EndOf(end.Status));
        else Refuse(EndOf(end.Status));
    }

    private static string EndOf(RunStatus status) => $"the study has ended ({RunJson.Name(status)}){(status == RunStatus.Failed ? "; 'resume' goes on with it" : "")}";

    /// <summary>A study that had a command before it ended says so to whoever repeats it.</summary>
    private void AskJournal(JobEntry ended, Func<StudyEngine, CommandAnswer> command, string refusal)
    {
        var (sessions, directory, asker, study) = (_setup.Studies!, ended.Directory!, Sender, new JobId(ended.Job));
        Func<StudySetup> setup = () => sessions.SetupOf(sessions.SpecOf(directory));
        var props = Akka.Actor.Props.Create(() => new EndedStudyActor(study, setup, command, asker, refusal));
        Context.ActorOf(props.WithDispatcher(_services.ComputeDispatcher), $"ended-{++_started}-{Uri.EscapeDataString(ended.Job)}");
    }

    private void Refuse(string why) => Sender.Tell(new StudyAnswer(true, new(Refusal: why)));

    /// <summary>A study that had ended goes on, as its host finds whether it may: what it says is answered.</summary>
    private void Reopen(JobEntry entry, JobEvent.Ended end, Func<StudyEngine, CommandAnswer> carry)
    {
        var (id, asker) = (new JobId(entry.Job), Sender);
        // they write checkpoints that it would go on from
        if (_jobs.Values.Any(j => j.Study == entry.Job))
        {
            Refuse($"the study has ended ({RunJson.Name(end.Status)}), and attempts at its trials are still ending; try again");
            return;
        }
        if (RoomRefusal() is { } full)
        {
            Refuse(full);
            return;
        }
        string spec;
        try
        {
            spec = _setup.Studies!.SpecOf(entry.Directory!);
        }
        catch (SpecException e)
        {
            Refuse($"the study has ended, and cannot be gone on with: {e.Message}");
            return;
        }
        var job = _jobs[id] = new Job(id, entry.Name, JobKind.Study, null);
        Store(true, [new JobEvent.Reopened(entry.Job, spec)], () =>
        {
            _log.Of(id).Info("study that had ended is gone on with");
            StartStudy(job, spec, entry.Directory!, end, new(carry, asker));
        });
    }

    /// <summary>Hands a question on to the study's host, which answers the asker.</summary>
    private void ToStudy(JobId study, object message)
    {
        if (Find(study) is { Kind: JobKind.Study, Ending: false, Actor: { } host }) host.Forward(message);
        else if (message is FindStudy) Sender.Tell(new StudyFound(null, null));
        else if (message is FindOpenTrials) Sender.Tell(new OpenTrials(null));
        else Sender.Tell(new StudyAnswer(false, new()));
    }

    private void OnStudyFinished(StudyHostActor.Finished finished)
    {
        if (Find(finished.Study) is not { Ending: false } job) return;
        job.Ending = true;
        if (finished.Status == RunStatus.Failed) _services.Meter.Failure(FailureKind.Job);
        _log.Of(finished.Study).Info("study ended: {State}", RunJson.Name(finished.Status));
        if (job.Actor is not null) Context.Stop(job.Actor);
        job.Actor = null;
        var ended = new JobEvent.Ended(finished.Study.Value, finished.Status, finished.Trials, finished.SummaryJson, [.. finished.BadInput?.Violations ?? []],
            _services.Time.GetUtcNow());
        Store(true, [ended], () =>
        {
            _jobs.Remove(finished.Study);
            _setup.Sinks?.Ended(finished.Study);
        });
        OfferNodes();
    }
}
