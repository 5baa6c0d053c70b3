using Akka.Actor;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Workers;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>
/// Everything of one job on one node: opens model and data, then holds the job's servers, backups and replica on this node, through all
/// placements. On a thread of its own, since opening blocks.
/// </summary>
internal sealed class JobNodeActor : ReceiveActor
{
    private readonly JobId _job;
    private readonly NodeServices _services;
    private readonly Dictionary<string, IActorRef> _actors = new(StringComparer.Ordinal);
    private readonly HashSet<IActorRef> _stopping = [];
    private readonly KeptLines _lines;
    private JobRuntimes.Handle? _handle;
    private TrainingSpec? _spec;
    private NodeId _coordinator;
    private JobPlacement? _placement;
    private StartJob? _pending;
    private RunPause? _pause;
    private int _startEpoch;
    private bool _begun;
    private bool _spent;
    private int _spawned;

    // of the latest replica
    private ReachedStep _reached = new();

    /// <param name="number">Of this actor among those of the node.</param>
    public JobNodeActor(JobId job, NodeServices services, long number)
    {
        (_job, _services, _lines) = (job, services, new KeptLines(number));
        Receive<NodeDelivery>(OnDelivery);
        Receive<NodeOutput>(output => Answer(_lines.Add(output.Lines)));
        Receive<ChildFailed>(failed => ReportFailure(failed.Name, failed.Error));
        Receive<Terminated>(gone =>
        {
            if (_stopping.Remove(gone.ActorRef) && _stopping.Count == 0 && _pending is { } start) Start(start);
        });
    }

    private sealed record ChildFailed(string Name, Exception Error) : INoSerializationVerificationNeeded;

    private NodeId Here => _services.Channel.Self.Node;

    public static Props Props(JobId job, NodeServices services, long number) =>
        Akka.Actor.Props.Create(() => new JobNodeActor(job, services, number)).WithDispatcher(services.ComputeDispatcher);

    /// <summary>A job's actors hold state that a restart would lose: they are stopped, and the job hears of it.</summary>
    protected override SupervisorStrategy SupervisorStrategy()
    {
        var self = Self;
        return new OneForOneStrategy(error =>
        {
            self.Tell(new ChildFailed(Sender.Path.Name, error is ActorInitializationException { InnerException: { } inner } ? inner : error));
            return Directive.Stop;
        });
    }

    protected override void PostStop() => _handle?.Dispose();

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case PrepareJob prepare when delivery.Actor == NodeActors.Agent:
                if (_placement is null) _coordinator = delivery.From;
                Prepare(prepare, delivery.From);
                break;
            case AskRunning when delivery.Actor == NodeActors.Agent:
                Send(delivery.From, new JobRunning(_services.Name, _pending is null ? _startEpoch : 0, _begun, _spent, _reached.Step));
                break;
            case StartJob start when delivery.Actor == NodeActors.Agent:
                OnStart(start);
                break;
            case Assign assign when delivery.Actor == NodeActors.Agent:
                Guard("assign", () => OnAssign(assign.Placement));
                break;
            case LinesSeen seen:
                _lines.Seen(seen);
                break;
            case ICoordinatorMessage when delivery.From != _coordinator:
                break; // of one whose place another has taken
            default:
                if (delivery.Body is BeginTraining) _begun = true;
                if (delivery.Body is PublishSelected) _spent = true;
                if (_actors.TryGetValue(delivery.Actor, out var actor)) actor.Tell(delivery);
                break;
        }
    }

    private void Prepare(PrepareJob prepare, NodeId asker)
    {
        string? proof = null;
        try
        {
            _spec ??= _services.Specs.Read(prepare.SpecYaml);
            _pause = prepare.Pause?.ToPause();
            if (prepare.Proof is { } name) proof = Prove(_spec, name);
            _handle ??= _services.Runtimes.Acquire(_job, _spec);
        }
        catch (SpecException e)
        {
            var violations = e.Violations.Select(v => new NamedText(v.Path, v.Message)).ToArray();
            Send(asker, new JobRefused(_services.Name, violations, null));
            return;
        }
        catch (Exception e)
        {
            // user code (a model's or data set's constructor) threw: the job ends with its stack
            Send(asker, new JobRefused(_services.Name, [new NamedText("", $"{e.GetType().FullName}: {e.Message}")], e.ToString()));
            return;
        }
        var fingerprint = _handle.Runtime.Fingerprint;
        Send(asker, new JobPrepared(_services.Name, Texts(fingerprint.Exact), Texts(fingerprint.Numeric), [.. _handle.Runtime.Warnings])
        {
            Proof = proof,
            Engine = fingerprint.Engine,
            Version = ProtocolVersion.Current.ToString(),
        });
    }

    /// <exception cref="SpecException">Shared storage is not seen here, or may not be written.</exception>
    private string Prove(TrainingSpec spec, string name)
    {
        string root = _services.SharedFolder(spec.Storage.Path!);
        return SharedFolderProof.Answer(root, CheckpointStore.SharedFolder(root, _job.Value), name, Here.Value);
    }

    private static NamedText[] Texts(IReadOnlyDictionary<string, string> values) =>
        [.. values.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => new NamedText(v.Key, v.Value))];

    /// <summary>A new epoch begins from a state of its own: the actors of the one before end first.</summary>
    private void OnStart(StartJob start)
    {
        if (_handle is null || _spec is null) return; // refused before; the coordinator knows
        if (_placement is { } current && start.Placement.JobEpoch <= current.JobEpoch)
        {
            if (start.Placement.JobEpoch == current.JobEpoch) AnswerStarted(current);
            return;
        }
        if (_pending is { } earlier && earlier.Placement.JobEpoch >= start.Placement.JobEpoch) return;
        foreach (var actor in _actors.Values) Stop(actor);
        _actors.Clear();
        _pending = start;
        if (_stopping.Count == 0) Start(start);
    }

    private void Start(StartJob start) => Guard("start", () =>
    {
        _pending = null;
        Follow(start.Placement);
        (_startEpoch, _begun, _spent) = (start.Placement.JobEpoch, false, false);
        SpawnAll(start.Placement, start.RestoreStep >= 0);
        AnswerStarted(start.Placement);
    });

    /// <summary>The same epoch with other workers or backups, or a new one in which backups have taken over: what is here goes on.</summary>
    private void OnAssign(JobPlacement placement)
    {
        if (_handle is null || _spec is null || _pending is not null) return;
        if (_placement is { } current && (placement.JobEpoch, placement.Assignment).CompareTo((current.JobEpoch, current.Assignment)) <= 0)
        {
            if (placement.JobEpoch == current.JobEpoch && placement.Assignment == current.Assignment) AnswerStarted(current);
            return;
        }
        if (_startEpoch == 0) _startEpoch = placement.StartEpoch;
        Follow(placement);
        foreach (var actor in _actors.Values) actor.Tell(new PlacementChanged(placement));
        // who joins later begins with what others send
        SpawnAll(placement, isRestored: true);
        AnswerStarted(placement);
    }

    private void Follow(JobPlacement placement)
    {
        bool isNewEpoch = placement.JobEpoch != _placement?.JobEpoch;
        (_placement, _coordinator) = (placement, placement.Coordinator.Node);
        // another coordinator may be behind it, whose predecessor may have lost them
        if (isNewEpoch && _lines.Unseen is { } lines) Answer(lines);
    }

    private void AnswerStarted(JobPlacement placement) => Answer(new JobStarted(_services.Name, placement.JobEpoch, placement.Assignment));

    /// <summary>Starts what the placement gives to this node and is not here, and ends what it no longer gives to it.</summary>
    private void SpawnAll(JobPlacement placement, bool isRestored)
    {
        var runtime = _handle!.Runtime;
        var layout = runtime.Layout;
        var replica = placement.Replicas.FirstOrDefault(r => r.Peer.Node == Here);
        var servers = placement.Servers.Where(s => s.Peer.Node == Here || s.Backup?.Node == Here).ToArray();
        var wanted = servers.Select(s => NodeActors.Server(s.Index)).ToHashSet(StringComparer.Ordinal);
        if (replica is not null) wanted.Add(NodeActors.Replica);
        foreach (string name in _actors.Keys.Where(n => !wanted.Contains(n)).ToList())
        {
            Stop(_actors[name]);
            _actors.Remove(name);
        }
        if (wanted.All(_actors.ContainsKey)) return;

        var initial = new FlatBuffer(layout.ParameterCount);
        var initialBuffers = new FlatBuffer(layout.BufferCount);
        runtime.WriteInitialWeights(initial.Span, initialBuffers.Span);
        var spec = _spec!;
        var batches = BatchPlanner.Of(spec, runtime.Data.Train);
        var averaging = AveragingCatalog.Of(spec);
        var average = averaging is null ? null : new NodeAverage(new FlatBuffer(layout.ParameterCount), new FlatBuffer(layout.BufferCount));
        foreach (var server in servers.Where(s => !_actors.ContainsKey(NodeActors.Server(s.Index))))
        {
            var range = server.Range();
            bool first = server.Index == 0;
            // on one node for good, servers and workers share memory: an answer copies nothing
            var memory = placement.IsFixed ? initial.Slice(range) : Copy(initial.Slice(range));
            var buffers = !first ? Memory<float>.Empty : placement.IsFixed ? initialBuffers.Memory : Copy(initialBuffers.Memory);
            var planner = first ? new StepPlanner(spec, _services.Schedule(spec), LearningRate(spec), batches, runtime.Data) { Pause = _pause } : null;
            var rule = new Core.Optimizers.UpdateRule(_services.Optimizer(spec), spec);
            var averages = average is null ? null : new ServerAverage(
                placement.IsFixed ? average.Weights.Slice(range) : new FlatBuffer(range.Length).Memory,
                !first ? default : placement.IsFixed ? average.Buffers.Memory : new FlatBuffer(layout.BufferCount).Memory, averaging!.UsesBuffers);
            var setup = new ServerSetup(_job, spec, server.Index, placement, layout, runtime.Data, memory, buffers, averages, rule, planner,
                isRestored, server.Peer.Node != Here);
            Spawn(NodeActors.Server(server.Index), Akka.Actor.Props.Create(() => new ParameterServerActor(setup, _services)));
        }
        if (replica is null || _actors.ContainsKey(NodeActors.Replica)) return;
        _reached = new ReachedStep();
        var replicaSetup = new ReplicaSetup(_job, spec, batches, placement, replica.Index, runtime, initial, initialBuffers, average, _reached);
        Spawn(NodeActors.Replica, Akka.Actor.Props.Create(() => new ReplicaActor(replicaSetup, _services)));
    }

    private static Memory<float> Copy(Memory<float> values)
    {
        var own = new FlatBuffer(values.Length);
        values.CopyTo(own.Memory);
        return own.Memory;
    }

    private static double LearningRate(TrainingSpec spec) => ((Core.Optimizers.ILearningRateOptions)spec.Optimizer.Options!).LearningRate;

    private void Spawn(string name, Props props) =>
        // a name of its own: the actor of an epoch before may still be stopping
        _actors[name] = Context.Watch(Context.ActorOf(props.WithDispatcher(_services.ComputeDispatcher), $"{name}-{++_spawned}"));

    private void Stop(IActorRef actor)
    {
        _stopping.Add(actor);
        Context.Stop(actor);
    }

    private void Guard(string what, Action act)
    {
        try
        {
            act();
        }
        catch (Exception e)
        {
            ReportFailure(what, e);
        }
    }

    private void ReportFailure(string actor, Exception e) =>
        Answer(new JobFailed($"{actor} on {_services.Name}", -1, e.GetType().FullName ?? e.GetType().Name, e.Message, e.StackTrace ?? ""));

    private void Answer(IWireMessage body) => Send(_coordinator, body);

    private void Send(NodeId to, IWireMessage body) => _services.Router.Send(to, _job, NodeActors.Training, body);
}
