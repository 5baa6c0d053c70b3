using Akka.Actor;
using Akka.Event;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>Host to node agent: where this node's job coordinator is (coordinator nodes only).</summary>
public sealed record CoordinatorHere(IActorRef Coordinator) : INoSerializationVerificationNeeded;

/// <summary>Host to node agent: who is told what concerns the node itself (<see cref="DrainNode"/>, <see cref="NodeReleased"/>,
/// <see cref="KeepTrialProcesses"/>), as deliveries.</summary>
public sealed record HostHere(IActorRef Host) : INoSerializationVerificationNeeded;

/// <summary>Host to node agent: answered by <see cref="NodeLoad"/>.</summary>
public sealed record AskLoad : INoSerializationVerificationNeeded;

/// <param name="Jobs">Jobs that have something on this node.</param>
public sealed record NodeLoad(int Jobs) : INoSerializationVerificationNeeded;

/// <summary>Host to node agent: lines that user code or the node wrote; they reach every job that runs here.</summary>
public sealed record NodeOutput(IReadOnlyList<WireLogLine> Lines) : INoSerializationVerificationNeeded;

/// <summary>
/// The one actor of a node that others can reach (<c>/user/node</c>): hands every message to the actor it is for, and starts and stops jobs'
/// actors on request.
/// </summary>
public sealed class NodeAgentActor : ReceiveActor
{
    public const string Name = "node";

    // what a peer can fill a log and a memory with
    private const int UnknownMax = 100;
    private const int UnknownLength = 40;

    private readonly NodeServices _services;
    private readonly Dictionary<JobId, IActorRef> _jobs = [];

    // who had each of them begin here
    private readonly Dictionary<JobId, NodeId> _beganBy = [];
    private readonly Dictionary<IActorRef, JobId> _names = [];

    // latest epochs of which this node has heard: what a coordinator of a lower one says counts no more
    private readonly Dictionary<JobId, int> _epochs = [];

    // messages for a job that begins here anew while what ran of it before is still ending
    private readonly Dictionary<JobId, List<NodeDelivery>> _waiting = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<string> _unknown = new(StringComparer.Ordinal);
    private IActorRef? _coordinator;
    private IActorRef? _host;

    // wants to hear how much memory is kept when nothing runs here
    private NodeId? _memoryAsker;
    private long _spawned;

    public NodeAgentActor(NodeServices services)
    {
        _services = services;
        Receive<CoordinatorHere>(here => _coordinator = here.Coordinator);
        Receive<AskLoad>(_ => Sender.Tell(new NodeLoad(_jobs.Count)));
        Receive<HostHere>(here => _host = here.Host);
        Receive<NodeDelivery>(Deliver);
        Receive<NodeEnvelope>(Open);
        Receive<NodeOutput>(output =>
        {
            foreach (var job in _jobs.Values) job.Tell(output);
        });
        Receive<Terminated>(gone =>
        {
            foreach (var job in _jobs.Where(j => j.Value.Equals(gone.ActorRef)).Select(j => j.Key).ToList()) End(job);
            if (!_names.Remove(gone.ActorRef, out var ended)) return;
            if (!_jobs.ContainsKey(ended))
            {
                // nothing of it has begun here anew
                _epochs.Remove(ended);
                _services.Channel.ForgetJob(JobKey.Of(ended));
            }
            _services.Meter.JobEnded(ended);
            if (_waiting.Remove(ended, out var waiting)) waiting.ForEach(Deliver);
            _log.Of(ended).Info("job has ended on this node");
            ReturnMemory();
        });
    }

    /// <summary>Node to agent.</summary>
    public static Props Props(NodeServices services) => Akka.Actor.Props.Create(() => new NodeAgentActor(services));

    private void Open(NodeEnvelope envelope)
    {
        if (envelope.To is { } to && to != _services.Router.Self) return; // meant for the process that was here before
        if (WireManifests.TypeOf(envelope.Manifest) is null)
        {
            OnUnknown(envelope);
            return;
        }
        try
        {
            Deliver(new NodeDelivery(envelope.Job, envelope.Actor, envelope.From, WireCodec.Deserialize(envelope.Manifest, envelope.Body)));
        }
        catch (WireException e)
        {
            _log.Warning("Message from [{0}] for [{1}] refused: {2}", envelope.From, envelope.Actor, e.Message);
        }
    }

    /// <summary>A newer version has messages that this one can do without; it says so once for each.</summary>
    private void OnUnknown(NodeEnvelope envelope)
    {
        string manifest = envelope.Manifest is { } named ? named[..Math.Min(named.Length, UnknownLength)] : "nil";
        if (_unknown.Count == UnknownMax || !_unknown.Add(manifest)) return;
        _log.Warning("Message '{0}' from [{1}] (protocol {2}) is not known to this build (protocol {3}) and is dropped", manifest, envelope.From,
            _services.Router.VersionOf(envelope.From) ?? "unknown", ProtocolVersion.Current);
    }

    private void Deliver(NodeDelivery delivery)
    {
        switch (delivery.Actor)
        {
            case NodeActors.Jobs or NodeActors.Training:
                _coordinator?.Tell(delivery);
                break;
            case NodeActors.Agent when delivery.Body is DrainNode or NodeReleased or KeepTrialProcesses:
                _host?.Tell(delivery);
                break;
            case NodeActors.Agent when delivery.Body is ReturnMemory:
                _memoryAsker = delivery.From;
                ReturnMemory();
                break;
            case NodeActors.Agent when delivery.Body is PrepareJob && !_jobs.ContainsKey(delivery.Job) && _names.ContainsValue(delivery.Job):
                _waiting.TryAdd(delivery.Job, []);
                _waiting[delivery.Job].Add(delivery);
                break;
            case var _ when _waiting.TryGetValue(delivery.Job, out var waiting):
                if (delivery.Body is EndJob) _waiting.Remove(delivery.Job);
                else waiting.Add(delivery);
                break;
            case NodeActors.Agent when delivery.Body is PrepareJob && !_jobs.ContainsKey(delivery.Job):
                if (_services.HoldsOneJob)
                    foreach (var other in _jobs.Keys.ToList()) Context.Stop(End(other)!);
                // a name of its own: the job's former actor may still be stopping
                var actor = Context.ActorOf(JobNodeActor.Props(delivery.Job, _services, ++_spawned), $"job-{_spawned}");
                Context.Watch(actor);
                _jobs[delivery.Job] = actor;
                _beganBy[delivery.Job] = delivery.From;
                _names[actor] = delivery.Job;
                _services.Meter.JobBegan();
                _log.Of(delivery.Job).Info("job begins on this node");
                actor.Tell(delivery);
                break;
            case NodeActors.Agent when delivery.Body is EndJob end:
                if (end.JobEpoch < _epochs.GetValueOrDefault(delivery.Job)) break;
                if (End(delivery.Job) is { } ended) Context.Stop(ended);
                break;
            case NodeActors.Agent when delivery.Body is LiveJobs live:
                foreach (var orphan in _beganBy.Where(b => b.Value != delivery.From && !live.Jobs.Contains(b.Key.Value)).Select(b => b.Key).ToList())
                {
                    _log.Of(orphan).Info("the job coordinator knows nothing of the job any more: it ends on this node");
                    Context.Stop(End(orphan)!);
                }
                break;
            case NodeActors.Agent when delivery.Body is AskRunning && !_jobs.ContainsKey(delivery.Job):
                _services.Router.Send(delivery.From, delivery.Job, NodeActors.Training, new JobRunning(_services.Name, 0, false, false));
                break;
            default:
                if (!_jobs.TryGetValue(delivery.Job, out var job)) break;
                if (delivery.Body is StartJob or Assign)
                {
                    int epoch = delivery.Body is StartJob start ? start.Placement.JobEpoch : ((Assign)delivery.Body).Placement.JobEpoch;
                    _epochs[delivery.Job] = Math.Max(epoch, _epochs.GetValueOrDefault(delivery.Job));
                }
                job.Tell(delivery);
                break;
        }
    }

    private void ReturnMemory()
    {
        if (_memoryAsker is not { } asker || _names.Count > 0) return;
        _memoryAsker = null;
        long kept = _services.ReturnMemory?.Invoke() ?? 0;
        _services.Router.Send(asker, default, NodeActors.Jobs, new MemoryReturned(kept));
    }

    private IActorRef? End(JobId job)
    {
        _beganBy.Remove(job);
        return _jobs.Remove(job, out var actor) ? actor : null;
    }
}
