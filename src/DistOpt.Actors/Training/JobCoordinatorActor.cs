using System.Globalization;
using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Studies;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Limits of a job coordinator.</summary>
/// <param name="JobsMax">Jobs that may be running or waiting at once; more are rejected.</param>
public sealed record JobCoordinatorLimits(int JobsMax = 1000)
{
    /// <summary>What is kept of the past.</summary>
    public JobLedgerLimits Ledger { get; init; } = new();
}

/// <summary>What surrounds a job coordinator; all of it absent in a process that runs one job.</summary>
public sealed record JobCoordinatorSetup
{
    /// <summary>Where it remembers; null = nowhere, it forgets with its process.</summary>
    public IJobJournal? Journal { get; init; }

    /// <summary>Where durable jobs' results go; needed for those.</summary>
    public IJobSinks? Sinks { get; init; }

    /// <summary>What durable studies are run from; needed for those.</summary>
    public IStudySessions? Studies { get; init; }

    /// <summary>Is told by <see cref="CoordinatorReady"/> when the coordinator has read its journal.</summary>
    public IActorRef? Relay { get; init; }
}

/// <summary>Job coordinator to its host: it knows all jobs and takes messages from now on.</summary>
public sealed record CoordinatorReady(IActorRef Coordinator) : INoSerializationVerificationNeeded;

/// <summary>
/// Knows the nodes and the jobs: places each job, in order of submission, as soon as the nodes have room, and passes messages to the job's
/// training coordinator. What it has told anybody is stored before; after a restart it finds every job again and starts those that had not
/// ended.
/// </summary>
public sealed partial class JobCoordinatorActor : ReceiveActor, IWithTimers
{
    public const string Name = "jobs";

    private const int GoneKept = 10_000;

    private readonly NodeServices _services;
    private readonly JobCoordinatorLimits _limits;
    private readonly JobCoordinatorSetup _setup;
    private readonly SortedDictionary<string, NodeOffer> _nodes = new(StringComparer.Ordinal);
    private readonly JobLedger _ledger;

    /// <summary>Live jobs, in no order: that is the ledger's.</summary>
    private readonly Dictionary<JobId, Job> _jobs = [];
    private readonly Queue<JobId> _offers = new();
    private JobId? _answerOf;

    // incarnations that have ended, whose last offer may still be on its way
    private readonly HashSet<NodeId> _gone = [];
    private long _started;

    public JobCoordinatorActor(NodeServices services, JobCoordinatorLimits limits, JobCoordinatorSetup setup)
    {
        (_services, _limits, _setup) = (services, limits, setup);
        _ledger = new JobLedger(limits.Ledger);
    }

    public static Props Props(NodeServices services, JobCoordinatorLimits? limits = null, JobCoordinatorSetup? setup = null) =>
        Akka.Actor.Props.Create(() => new JobCoordinatorActor(services, limits ?? new JobCoordinatorLimits(), setup ?? new JobCoordinatorSetup()));

    /// <param name="Submitter">Waits for the job's end; null where nobody does.</param>
    private sealed record Job(JobId Id, string Name, JobKind Kind, IActorRef? Submitter)
    {
        /// <summary>What runs it: its training coordinator, or the host of its study.</summary>
        public IActorRef? Actor { get; set; }

        public bool Opened { get; set; }

        public IReadOnlyDictionary<NodeId, int>? Workers { get; set; }

        /// <summary>Nodes that may not leave yet without disturbing the job; null while that is not known.</summary>
        public IReadOnlySet<NodeId>? Holding { get; set; }

        public JobStatus? Latest { get; set; }

        /// <summary>Whom its submitter was told that it waits for.</summary>
        public string? WaitTold { get; set; }

        /// <summary>Whether it is an attempt at a trial.</summary>
        public bool IsTrial { get; set; }

        /// <summary>The study that it is a trial of; empty where it is none.</summary>
        public string Study { get; set; } = "";

        /// <summary>Whether it is a study that waits for a user.</summary>
        public bool IsPaused { get; set; }

        /// <summary>Set where it is an attempt at a trial that wants a child process.</summary>
        public TrialDemand? Demand { get; set; }

        /// <summary>Bytes of memory that each of its workers takes; null where its spec does not say.</summary>
        public long? WorkerMemory { get; set; }

        /// <summary>GPUs that each of its workers takes.</summary>
        public int WorkerGpus { get; set; }

        /// <summary>Its end is being stored.</summary>
        public bool Ending { get; set; }
    }

    private sealed record OpeningTimeIsUp(SubmitJob Submission, CancellationTokenSource GiveUp) : INoSerializationVerificationNeeded;

    private void Running()
    {
        Receive<SubmitJob>(Submit);
        Receive<SubmitDurableJob>(Submit);
        Receive<SubmitDurableStudy>(Submit);
        Receive<CommandStudy>(OnCommandStudy);
        Receive<FindStudy>(find => ToStudy(find.Study, find));
        Receive<FindOpenTrials>(find => ToStudy(find.Study, find));
        Receive<StudyHostActor.Finished>(OnStudyFinished);
        Receive<StudyHostActor.Stands>(stands => Find(stands.Study)?.IsPaused = stands.IsPaused);
        Receive<StudyHostActor.JournalGone>(gone =>
        {
            _log.Error("The journal of study {0} has stopped: the job coordinator begins anew", gone.Study);
            Context.Stop(Self);
        });
        Receive<TrainingCoordinatorActor.JobOpened>(opened => OnOpened(opened.Job));
        Receive<OpeningTimeIsUp>(OnOpeningTimeIsUp);
        Receive<OfferAnswered>(OnAnswered);
        Receive<JobEnded>(OnEnded);
        Receive<StopJob>(OnStop);
        Receive<AskCheckpoint>(ask => Find(ask.Job)?.Actor?.Tell(ask));
        Receive<FailJob>(fail => Find(fail.Job)?.Actor?.Tell(fail));
        Receive<NodeDelivery>(OnDelivery);
        Receive<NodeGone>(OnNodeGone);
        Receive<LastWordsTimeIsUp>(late => TellWithoutWords(late.Node));
        Receive<UnfitTimeIsUp>(OnUnfitTimeIsUp);
        Receive<MemoryTimeIsUp>(OnMemoryTimeIsUp);
        Receive<NodesPresent>(present =>
        {
            foreach (var job in _jobs.Values) job.Actor?.Tell(present);
        });
        Receive<OutsideOutput>(output =>
        {
            foreach (var job in _jobs.Values) job.Actor?.Tell(output);
        });
        Receive<JobStatus>(OnStatus);
        Receive<StorePlacement>(OnStorePlacement);
        Receive<StoreCheckpoint>(OnStoreCheckpoint);
        Receive<FindJob>(OnFindJob);
        Receive<ListJobs>(_ => Sender.Tell(new JobList([.. _ledger.Jobs.Where(j => j.Kind != JobKind.Trial).Select(StatusOf)])));
        Receive<DrainNodeNamed>(OnDrain);
        Receive<ListNodes>(_ => Sender.Tell(new NodeList([.. _nodes.Values.Where(n => n.Parent is null).Select(Status)])));
        Receive<EventsStored>(OnStored);
        Receive<CheckJournal>(OnCheckJournal);
        Receive<JournalHeld>(OnJournalHeld);
        Receive<Terminated>(OnJournalGone, gone => gone.ActorRef.Equals(_journal));
    }

    private void Start(Job job, SubmitJob submission)
    {
        Count();
        job.Study = submission.Trial?.Study ?? "";
        (job.IsTrial, job.Demand) = (submission.Trial is not null, DemandOf(submission));
        (job.WorkerMemory, job.WorkerGpus) = (submission.Spec.Training.WorkerMemoryBytes(), submission.Spec.Training.WorkerGpus);
        KeepProcesses();
        // opening model and data, and writing results, block: a thread of its own
        var giveUp = new CancellationTokenSource();
        var isGivenUp = giveUp.Token;
        job.Actor = Context.ActorOf(Akka.Actor.Props.Create(() => new TrainingCoordinatorActor(submission, _services, isGivenUp))
            .WithDispatcher(_services.ComputeDispatcher), $"training-{++_started}-{Uri.EscapeDataString(submission.Job.Value)}");
        Timers.StartSingleTimer(submission.Job, new OpeningTimeIsUp(submission, giveUp), TimeSpan.FromSeconds(submission.Spec.Training.StartTimeout));
    }

    /// <summary>User code that opens data and model cannot be stopped: the job ends without it, and what it still opens is closed at once.</summary>
    private void OnOpeningTimeIsUp(OpeningTimeIsUp late)
    {
        var (submission, training) = (late.Submission, late.Submission.Spec.Training);
        if (Find(submission.Job) is not { Opened: false, Ending: false }) return;
        late.GiveUp.Cancel();
        OnEnded(new JobEnded(submission.Job, new RunSummary
        {
            Job = submission.Job.Value,
            Status = RunStatus.Failed,
            StopReason = StopReason.Failed,
            Error = string.Create(CultureInfo.InvariantCulture,
                $"the job's data and model have not been opened within {training.StartTimeout:0.#} s (training.start_timeout) on node {_services.Name}"),
            Workers = training.Workers,
            Servers = training.Servers,
            GradientShards = training.GradientShards ?? 0,
            CoordinatorRestarts = submission.Recovery?.Restarts ?? 0,
        }, null));
    }

    private void OnOpened(JobId id)
    {
        if (Find(id) is not { } job) return;
        Timers.Cancel(id);
        job.Opened = true;
        OfferNodes();
        if (job is { Workers: null, Latest.Waiting: null } && _answerOf != id) TellWait(job, "room, behind what was begun before it and has none yet");
    }

    private void OnStatus(JobStatus status)
    {
        if (Find(status.Job) is not { } job) return;
        job.Latest = status;
        // of one that is not placed yet nothing new is known by that
        if (status.Waiting is not null || job.Workers is not null) TellWait(job, status.Waiting);
    }

    private static void TellWait(Job job, string? whom)
    {
        if (!job.IsTrial || job.WaitTold == whom) return;
        job.WaitTold = whom;
        job.Submitter?.Tell(new JobWaits(job.Id, whom));
    }

    /// <summary>
    /// Offers what is free, to one job at a time, so that no slot is promised twice: first to those that run and may have lost something, then to
    /// the first one that waits; the next one gets what that leaves.
    /// </summary>
    private void OfferNodes()
    {
        Count();
        _offers.Clear();
        var opened = _ledger.Live.Select(e => Find(new JobId(e.Job))).Where(j => j is { Opened: true, Ending: false }).ToList();
        foreach (var job in opened.Where(j => j!.Workers is not null)) _offers.Enqueue(job!.Id);
        // they hear why, and hold up nobody
        foreach (var job in opened.Where(j => j is { Workers: null, Demand: not null } && Hopeless(j) is not null)) _offers.Enqueue(job!.Id);
        if (FirstWaiting() is { } waiting) _offers.Enqueue(waiting.Id);
        if (_answerOf is null) OfferNext();
    }

    private void OfferNext()
    {
        _answerOf = null;
        while (_offers.TryDequeue(out var id))
        {
            if (Find(id) is not { Ending: false, Actor: { } actor }) continue;
            _answerOf = id;
            if (Find(id) is { Demand: not null } trial)
            {
                actor.Tell(OfferOf(trial));
                return;
            }
            var taken = Taken(except: id);
            var unfit = UnfitFor(Find(id)!);
            int Room(NodeOffer node) => new WorkerRoom(node.WorkerSlots - taken.GetValueOrDefault(node.Peer.Node), node.MemoryBytes - MemoryTaken(node, id),
                node.Gpus - GpusTaken(node, id)).Workers(Find(id)!.WorkerMemory, Find(id)!.WorkerGpus);
            actor.Tell(new OfferedNodes([.. _nodes.Values.Where(n => n.Parent is null && !unfit.ContainsKey(n.Peer.Node)).Select(n => new OfferedNode(n.Peer,
                n.Name, !n.Leaving && n.Roles.Contains("server"), !n.Leaving && n.Roles.Contains("worker") ? Room(n) : 0, n.Leaving))])
            {
                Missing = unfit.Count == 0 ? null : $"nodes that can run it: {string.Join("; ", unfit.Values)}",
            });
            return;
        }
    }

    private void OnAnswered(OfferAnswered answer)
    {
        if (Find(answer.Job) is not { Ending: false } job) return;
        bool wasWaiting = job.Workers is null;
        (job.Workers, job.Holding) = (answer.Workers, answer.Holding);
        Count();
        ReleaseLeaving();
        if (job.Demand is not null) KeepProcesses();
        if (_answerOf == answer.Job) OfferNext();
        // another one may wait behind it, which was not its turn when what is to be offered was last listed
        if (!wasWaiting || answer.Workers is null) return;
        if (job.IsTrial) job.Submitter?.Tell(new JobPlaced(job.Id));
        TellWait(job, null);
        OfferNodes();
    }

    private void OnEnded(JobEnded ended)
    {
        if (Find(ended.Job) is not { Ending: false } job) return;
        // whatever hangs there hangs in none of the others' way
        if (ended.Lost is not null && job.Demand is not null) _ending.UnionWith(job.Workers?.Keys.Where(n => _nodes.ContainsKey(n.Value)) ?? []);
        NoteUnfit(job, ended.Unfit);
        ReturnMemory(job);
        (job.Ending, job.Workers) = (true, null);
        Timers.Cancel(ended.Job);
        ReleaseLeaving();
        if (ended.Summary.Status == RunStatus.Failed) _services.Meter.Failure(FailureKind.Job);
        _log.Of(ended.Job).Info("job ended: {State}", RunJson.Name(ended.Summary.Status));
        if (job.Actor is not null) Context.Stop(job.Actor);
        job.Actor = null;
        if (_answerOf == ended.Job) _answerOf = null;
        bool durable = _ledger.Find(ended.Job.Value) is { IsDurable: true };
        Store(durable, [EndOf(ended.Job.Value, ended.Summary, ended.BadInput)], () =>
        {
            _jobs.Remove(ended.Job);
            if (durable) _setup.Sinks!.Ended(ended.Job);
            job.Submitter?.Tell(ended);
        });
        OfferNodes();
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case NodeOffer offer when _gone.Contains(offer.Peer.Node):
                break;
            case NodeOffer offer:
                bool isNew = !_nodes.TryGetValue(offer.Peer.Node.Value, out var before) || before.Leaving != offer.Leaving;
                _nodes[offer.Peer.Node.Value] = offer;
                if (before is null) SendLive(offer.Peer.Node);
                if (offer.Parent is { } parent) _startFailures.Remove(parent);
                if (isNew) OfferNodes();
                KeepProcesses(again: offer.Peer.Node);
                if (offer.Leaving) ReleaseLeaving();
                break;
            case MemoryReturned returned:
                OnMemoryReturned(delivery.From, returned.KeptBytes);
                break;
            case TrialProcessEnded ended:
                OnProcessEnded(delivery.From, ended);
                break;
            default:
                Find(delivery.Job)?.Actor?.Tell(delivery);
                break;
        }
    }

    /// <summary>So that it ends what it has of a coordinator before this one and nobody goes on with.</summary>
    private void SendLive(NodeId node) => _services.Router.Send(node, default, NodeActors.Agent,
        new LiveJobs([.. _jobs.Values.Where(j => j.Kind != JobKind.Study).Select(j => j.Id.Value)]));

    private void OnNodeGone(NodeGone gone)
    {
        bool awaitsWords = AwaitsWords(gone);
        _nodes.Remove(gone.Node.Value);
        ForgetProcesses(gone.Node);
        if (_gone.Count >= GoneKept) _gone.Clear();
        _gone.Add(gone.Node);
        _services.Channel.Forget(gone.Node);
        if (awaitsWords) return;
        foreach (var job in _jobs.Values) job.Actor?.Tell(gone);
        OfferNodes();
        KeepProcesses();
    }

    private JobStatus StatusOf(JobEntry entry)
    {
        var id = new JobId(entry.Job);
        if (entry.End is { } end)
        {
            return new JobStatus(id, entry.Name, RunJson.Name(end.Status), end.Steps, end.Steps, null, null, [], end.SummaryJson)
            {
                Kind = entry.Kind,
            };
        }
        var job = Find(id);
        if (entry.Kind == JobKind.Study) return new JobStatus(id, entry.Name, job is { IsPaused: true } ? "paused" : "running", 0, 0, null, null, [], null) { Kind = entry.Kind };
        var status = job?.Latest ?? new JobStatus(id, entry.Name, "opening", 0, 0, null, null, [], null);
        var (whom, since) = (status.Waiting, status.WaitingSince ?? entry.Submission.At);
        // nothing is offered to it before the one in front of it has room
        if (job is { Opened: true, Ending: false, Workers: null } && Hopeless(job) is null && FirstWaiting() is { } first && first.Id != id)
            (whom, since) = ($"room behind job {first.Id}, which was submitted before it and has none yet", entry.Submission.At);
        return whom is null ? status
            : status with { Waiting = string.Create(CultureInfo.InvariantCulture, $"{whom}, for {Math.Max(0, SecondsSince(since)):0} s") };
    }

    private double SecondsSince(DateTimeOffset time) => (_services.Time.GetUtcNow() - time).TotalSeconds;

    /// <summary>The job that gets what is free next.</summary>
    private Job? FirstWaiting() => _ledger.Live.Select(e => Find(new JobId(e.Job)))
        .FirstOrDefault(j => j is { Opened: true, Ending: false, Workers: null } && Hopeless(j) is null);

    private NodeStatus Status(NodeOffer node)
    {
        int running = Taken().GetValueOrDefault(node.Peer.Node);
        return new NodeStatus(node.Peer.Node, node.Name, node.Roles, node.WorkerSlots, running, node.Version, node.Leaving)
        {
            TrialProcesses = _nodes.Values.Count(n => n.Parent == node.Peer.Node),
            MemoryBytes = node.MemoryBytes,
            MemoryTaken = MemoryTaken(node),
            Gpus = node.Gpus,
            GpusTaken = GpusTaken(node),
        };
    }

    private void Count()
    {
        int running = _jobs.Values.Count(j => j is { Workers: not null });
        _services.Meter.Jobs(_jobs.Values.Count(j => !j.Ending && j.Kind != JobKind.Study) - running, running);
    }

    private Job? Find(JobId id) => _jobs.GetValueOrDefault(id);
}
