using Akka.Actor;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Workers;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>
/// Everything of one job on one node: opens model and data, then holds the job's servers and replica on this node. On a thread of its own,
/// since opening blocks.
/// </summary>
internal sealed class JobNodeActor : ReceiveActor
{
    private readonly JobId _job;
    private readonly NodeServices _services;
    private readonly Dictionary<string, IActorRef> _actors = new(StringComparer.Ordinal);
    private JobRuntimes.Handle? _handle;
    private TrainingSpec? _spec;
    private NodeId _coordinator;
    private bool _started;

    public JobNodeActor(JobId job, NodeServices services)
    {
        (_job, _services) = (job, services);
        Receive<NodeDelivery>(OnDelivery);
        Receive<NodeOutput>(output => Answer(new LogLines([.. output.Lines])));
        Receive<ChildFailed>(failed => ReportFailure(failed.Name, failed.Error));
    }

    private sealed record ChildFailed(string Name, Exception Error) : INoSerializationVerificationNeeded;

    public static Props Props(JobId job, NodeServices services) =>
        Akka.Actor.Props.Create(() => new JobNodeActor(job, services)).WithDispatcher(services.ComputeDispatcher);

    /// <summary>A job's actors hold state that a restart would lose: they are stopped, and the job hears of it.</summary>
    protected override SupervisorStrategy SupervisorStrategy()
    {
        var self = Self;
        return new OneForOneStrategy(error =>
        {
            self.Tell(new ChildFailed(Sender.Path.Name, error));
            return Directive.Stop;
        });
    }

    protected override void PostStop() => _handle?.Dispose();

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case PrepareJob prepare when delivery.Actor == NodeActors.Agent:
                _coordinator = delivery.From;
                Prepare(prepare);
                break;
            case StartJob start when delivery.Actor == NodeActors.Agent:
                Start(start.Placement);
                break;
            default:
                if (_actors.TryGetValue(delivery.Actor, out var actor)) actor.Tell(delivery);
                break;
        }
    }

    private void Prepare(PrepareJob prepare)
    {
        try
        {
            _spec ??= _services.Specs.Read(prepare.SpecYaml);
            _handle ??= _services.Runtimes.Acquire(_job, _spec);
        }
        catch (SpecException e)
        {
            var violations = e.Violations.Select(v => new NamedText(v.Path, v.Message)).ToArray();
            Answer(new JobRefused(_services.Name, violations, null));
            return;
        }
        catch (Exception e)
        {
            // user code (a model's or data set's constructor) threw: the job ends with its stack
            Answer(new JobRefused(_services.Name, [new NamedText("", $"{e.GetType().FullName}: {e.Message}")], e.ToString()));
            return;
        }
        var fingerprint = _handle.Runtime.Fingerprint;
        Answer(new JobPrepared(_services.Name, Texts(fingerprint.Exact), Texts(fingerprint.Numeric), [.. _handle.Runtime.Warnings]));
    }

    private static NamedText[] Texts(IReadOnlyDictionary<string, string> values) =>
        [.. values.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => new NamedText(v.Key, v.Value))];

    private void Start(JobPlacement placement)
    {
        if (_started)
        {
            Answer(new JobStarted(_services.Name));
            return;
        }
        if (_handle is null || _spec is null) return; // refused before; the coordinator knows
        try
        {
            StartActors(_handle.Runtime, _spec, placement);
        }
        catch (Exception e)
        {
            ReportFailure("start", e);
            return;
        }
        _started = true;
        Answer(new JobStarted(_services.Name));
    }

    private void StartActors(IJobRuntime runtime, TrainingSpec spec, JobPlacement placement)
    {
        var layout = runtime.Layout;
        var here = _services.Channel.Self.Node;
        var replica = placement.Replicas.FirstOrDefault(r => r.Peer.Node == here);
        var servers = placement.Servers.Where(s => s.Peer.Node == here).ToArray();
        if (replica is null && servers.Length == 0) return;

        var initial = new FlatBuffer(layout.ParameterCount);
        var initialBuffers = new FlatBuffer(layout.BufferCount);
        runtime.WriteInitialWeights(initial.Span, initialBuffers.Span);
        int batchSize = spec.Batch.OptionsAs<FixedBatchOptions>().Size;
        // the node's replica and its servers share memory: an answer to a worker beside its server copies nothing
        var weights = replica is null ? null : initial;
        foreach (var server in servers)
        {
            var range = server.Range();
            var memory = weights?.Slice(range) ?? Detached(initial, range);
            bool first = server.Index == 0;
            var planner = first ? new StepPlanner(spec, _services.Schedule(spec), LearningRate(spec), batchSize, runtime.Data) : null;
            var setup = new ServerSetup(_job, spec, server, placement, layout, runtime.Data, memory,
                first ? initialBuffers.Memory : Memory<float>.Empty, _services.Optimizer(spec), planner);
            Spawn(NodeActors.Server(server.Index), Akka.Actor.Props.Create(() => new ParameterServerActor(setup, _services)));
        }
        if (replica is null) return;
        bool firstServerHere = servers.Any(s => s.Index == 0);
        var replicaBuffers = firstServerHere ? initialBuffers : new FlatBuffer(layout.BufferCount);
        var replicaSetup = new ReplicaSetup(_job, spec, batchSize, placement, replica, runtime, weights!, replicaBuffers);
        Spawn(NodeActors.Replica, Akka.Actor.Props.Create(() => new ReplicaActor(replicaSetup, _services)));
    }

    private static Memory<float> Detached(FlatBuffer all, KeyRange range)
    {
        var own = new FlatBuffer(range.Length);
        all.Slice(range).CopyTo(own.Memory);
        return own.Memory;
    }

    private static double LearningRate(TrainingSpec spec) => ((Core.Optimizers.ILearningRateOptions)spec.Optimizer.Options!).LearningRate;

    private void Spawn(string name, Props props) => _actors[name] = Context.ActorOf(props.WithDispatcher(_services.ComputeDispatcher), name);

    private void ReportFailure(string actor, Exception e) =>
        Answer(new JobFailed($"{actor} on {_services.Name}", -1, e.GetType().FullName ?? e.GetType().Name, e.Message, e.StackTrace ?? ""));

    private void Answer(IWireMessage body) => _services.Router.Send(_coordinator, _job, NodeActors.Training, body);
}
