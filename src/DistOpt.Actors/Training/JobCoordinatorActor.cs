using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Limits of a job coordinator.</summary>
/// <param name="JobsMax">Jobs that may be running or waiting at once; more are rejected.</param>
/// <param name="EndedJobsKept">Ended jobs that can still be shown.</param>
public sealed record JobCoordinatorLimits(int JobsMax = 1000, int EndedJobsKept = 100);

/// <summary>
/// Knows the nodes and the jobs: places each job, in order of submission, as soon as the nodes have room, and passes messages to the job's
/// training coordinator.
/// </summary>
public sealed class JobCoordinatorActor : ReceiveActor
{
    public const string Name = "jobs";

    private const int GoneKept = 10_000;

    private readonly NodeServices _services;
    private readonly JobCoordinatorLimits _limits;
    private readonly SortedDictionary<string, NodeOffer> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<JobId, Job> _jobs = [];
    private readonly List<JobId> _order = [];
    private readonly Queue<JobId> _offers = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private JobId? _answerOf;

    // incarnations that have ended, whose last offer may still be on its way
    private readonly HashSet<NodeId> _gone = [];

    public JobCoordinatorActor(NodeServices services, JobCoordinatorLimits limits)
    {
        (_services, _limits) = (services, limits);
        Receive<SubmitJob>(Submit);
        Receive<TrainingCoordinatorActor.JobOpened>(opened => OnOpened(opened.Job));
        Receive<OfferAnswered>(OnAnswered);
        Receive<JobEnded>(OnEnded);
        Receive<StopJob>(stop => Find(stop.Job)?.Actor?.Tell(stop));
        Receive<FailJob>(fail => Find(fail.Job)?.Actor?.Tell(fail));
        Receive<NodeDelivery>(OnDelivery);
        Receive<NodeGone>(OnNodeGone);
        Receive<OutsideOutput>(output =>
        {
            foreach (var job in _jobs.Values) job.Actor?.Tell(output);
        });
        Receive<JobStatus>(status => Find(status.Job)?.Latest = status);
        Receive<ListJobs>(_ => Sender.Tell(new JobList([.. _order.Select(id => StatusOf(_jobs[id]))])));
        Receive<ListNodes>(_ => Sender.Tell(new NodeList([.. _nodes.Values.Select(Status)])));
    }

    public static Props Props(NodeServices services, JobCoordinatorLimits? limits = null) =>
        Akka.Actor.Props.Create(() => new JobCoordinatorActor(services, limits ?? new JobCoordinatorLimits()));

    private sealed class Job(SubmitJob submission, IActorRef submitter)
    {
        public readonly SubmitJob Submission = submission;
        public readonly IActorRef Submitter = submitter;
        public IActorRef? Actor;
        public bool Opened;
        public IReadOnlyDictionary<NodeId, int>? Workers;
        public JobStatus? Latest;
        public JobEnded? End;
    }

    private void Submit(SubmitJob submit)
    {
        if (_jobs.ContainsKey(submit.Job))
        {
            Sender.Tell(new JobAccepted(submit.Job));
            return;
        }
        int live = _jobs.Values.Count(j => j.End is null);
        if (live >= _limits.JobsMax)
        {
            Sender.Tell(new JobRejected(submit.Job, $"{live} jobs are running or waiting, and the limit is {_limits.JobsMax}: cancel some or try later"));
            return;
        }
        var job = new Job(submit, Sender);
        _jobs[submit.Job] = job;
        _order.Add(submit.Job);
        Count();
        Sender.Tell(new JobAccepted(submit.Job));
        // opening model and data, and writing results, block: a thread of its own
        job.Actor = Context.ActorOf(Akka.Actor.Props.Create(() => new TrainingCoordinatorActor(submit, _services))
            .WithDispatcher(_services.ComputeDispatcher), $"training-{_order.Count}-{Uri.EscapeDataString(submit.Job.Value)}");
    }

    private void OnOpened(JobId id)
    {
        if (Find(id) is not { } job) return;
        job.Opened = true;
        OfferNodes();
    }

    /// <summary>
    /// Offers what is free, to one job at a time, so that no slot is promised twice: first to those that run and may have lost something, then to
    /// the first one that waits; the next one gets what that leaves.
    /// </summary>
    private void OfferNodes()
    {
        Count();
        _offers.Clear();
        foreach (var id in _order.Where(id => Find(id) is { Opened: true, End: null, Workers: not null })) _offers.Enqueue(id);
        if (_order.FirstOrDefault(id => Find(id) is { Opened: true, End: null, Workers: null }) is { Value: not null } waiting) _offers.Enqueue(waiting);
        if (_answerOf is null) OfferNext();
    }

    private void OfferNext()
    {
        _answerOf = null;
        while (_offers.TryDequeue(out var id))
        {
            if (Find(id) is not { End: null, Actor: { } actor }) continue;
            _answerOf = id;
            var taken = _jobs.Values.Where(j => j is { End: null, Workers: not null })
                .SelectMany(j => j.Workers!).GroupBy(w => w.Key).ToDictionary(g => g.Key, g => g.Sum(w => w.Value));
            actor.Tell(new OfferedNodes([.. _nodes.Values.Select(n => new OfferedNode(n.Peer, n.Name, n.Roles.Contains("server"),
                n.Roles.Contains("worker") ? Math.Max(0, n.WorkerSlots - taken.GetValueOrDefault(n.Peer.Node)) : 0))]));
            return;
        }
    }

    private void OnAnswered(OfferAnswered answer)
    {
        if (Find(answer.Job) is not { } job) return;
        bool wasWaiting = job.Workers is null;
        job.Workers = answer.Workers;
        Count();
        if (_answerOf == answer.Job) OfferNext();
        // another one may wait behind it
        if (wasWaiting && answer.Workers is not null && _answerOf is null) OfferNodes();
    }

    private void OnEnded(JobEnded ended)
    {
        if (Find(ended.Job) is not { End: null } job) return;
        job.End = ended;
        if (ended.Summary.Status == RunStatus.Failed) _services.Meter.Failure(FailureKind.Job);
        _log.Of(ended.Job).Info("job ended: {State}", ended.Summary.Status.ToString().ToLowerInvariant());
        job.Submitter.Tell(ended);
        Context.Stop(job.Actor!);
        job.Actor = null;
        if (_answerOf == ended.Job) _answerOf = null;
        var old = _order.Where(id => _jobs[id].End is not null).SkipLast(_limits.EndedJobsKept).ToList();
        foreach (var id in old)
        {
            _jobs.Remove(id);
            _order.Remove(id);
        }
        OfferNodes();
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case NodeOffer offer when _gone.Contains(offer.Peer.Node):
                break;
            case NodeOffer offer:
                bool isNew = !_nodes.ContainsKey(offer.Peer.Node.Value);
                _nodes[offer.Peer.Node.Value] = offer;
                if (isNew) OfferNodes();
                break;
            default:
                Find(delivery.Job)?.Actor?.Tell(delivery);
                break;
        }
    }

    private void OnNodeGone(NodeGone gone)
    {
        _nodes.Remove(gone.Node.Value);
        if (_gone.Count >= GoneKept) _gone.Clear();
        _gone.Add(gone.Node);
        _services.Channel.Forget(gone.Node);
        foreach (var job in _jobs.Values) job.Actor?.Tell(gone);
        OfferNodes();
    }

    private static JobStatus StatusOf(Job job) => job.End is { } end
        ? new JobStatus(job.Submission.Job, job.Submission.Spec.Name, end.Summary.Status.ToString().ToLowerInvariant(), end.Summary.Steps,
            end.Summary.Steps, null, null, [], end.Summary)
        : job.Latest ?? new JobStatus(job.Submission.Job, job.Submission.Spec.Name, "opening", 0, 0, null, null, [], null);

    private NodeStatus Status(NodeOffer node)
    {
        int running = _jobs.Values.Where(j => j is { End: null, Workers: not null }).Sum(j => j.Workers!.GetValueOrDefault(node.Peer.Node));
        return new NodeStatus(node.Peer.Node, node.Name, node.Roles, node.WorkerSlots, running, node.Version);
    }

    private void Count()
    {
        int running = _jobs.Values.Count(j => j is { End: null, Workers: not null });
        _services.Meter.Jobs(_jobs.Values.Count(j => j.End is null) - running, running);
    }

    private Job? Find(JobId id) => _jobs.GetValueOrDefault(id);
}
