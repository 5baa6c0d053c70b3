using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>
/// Computes gradient shards of a step whose weights are gone from the replica, because some servers have answered that step already while
/// others still miss a shard: fetches the version by its number from every server, into memory of its own, and computes with a model of its
/// own. Answers its parent with <see cref="ShardsComputed"/> or <see cref="WorkFailed"/>; stopped by it.
/// </summary>
internal sealed class RecoveryActor : ReceiveActor
{
    private readonly ReplicaSetup _setup;
    private readonly NodeServices _services;
    private readonly JobPlacement _placement;
    private readonly long _step;
    private readonly IReadOnlyList<ShardRange> _ranges;
    private readonly FlatBuffer _weights;
    private readonly FlatBuffer _buffers;
    private readonly HashSet<(int Part, long Begin)> _arrived = [];
    private readonly RecoveryInbox _inbox;
    private readonly TensorInbox _receiver;
    private StepPlan? _plan;
    private bool _started;

    /// <param name="plan">Of the step; null where it comes with the version, from the server of key 0.</param>
    public RecoveryActor(ReplicaSetup setup, NodeServices services, JobPlacement placement, long step, StepPlan? plan, IReadOnlyList<ShardRange> ranges,
        RecoveryInbox inbox)
    {
        (_setup, _services, _placement, _step, _plan, _ranges, _inbox) = (setup, services, placement, step, plan, ranges, inbox);
        _receiver = new TensorInbox(Self, Accept);
        _weights = new FlatBuffer(setup.Runtime.Layout.ParameterCount);
        _buffers = new FlatBuffer(setup.Runtime.Layout.BufferCount);
        Receive<TensorArrived>(OnTensor);
        Receive<ShardsComputed>(done => Context.Parent.Tell(done));
        Receive<WorkFailed>(failed => Context.Parent.Tell(failed));
    }

    protected override void PreStart()
    {
        _inbox.Open(_receiver);
        var fetch = new FetchVersion(_placement.JobEpoch, _step, _services.Channel.Self.ToWire(), _inbox.Index);
        foreach (var server in _placement.Servers) _services.Router.Send(server.Peer.Node, _setup.Job, NodeActors.Server(server.Index), fetch);
    }

    protected override void PostStop() => _inbox.Close(_receiver);

    private FlatBuffer? Target(in TensorHeader header)
    {
        if (header.Kind != TensorKind.Version || header.JobEpoch != _placement.JobEpoch || header.Step != _step) return null;
        var target = header.Part == CheckpointPart.Buffers ? _buffers : _weights;
        return header.Range.End > target.Length ? null : target;
    }

    private TensorLease? Accept(TensorHeader header) => Target(header) is { } target ? new TensorLease(target.Slice(header.Range)) : null;

    private void OnTensor(TensorArrived frame)
    {
        using var payload = frame.Payload;
        if (_started || Target(frame.Header) is not { } target) return;
        var destination = target.Slice(frame.Header.Range);
        if (!destination.Equals(payload.Memory))
        {
            if (!payload.TryRead()) return; // everyone is beyond that step
            payload.Memory.CopyTo(destination);
            payload.EndRead();
        }
        if (frame.Meta is AnswerMeta meta) _plan ??= meta.Plan.ToPlan();
        _arrived.Add((frame.Header.Part, frame.Header.Range.Begin));
        if (_arrived.Count < _placement.Servers.Length + (_buffers.Length > 0 ? 1 : 0) || _plan is not { Evaluate: false, Stop: null } plan) return;
        _started = true;
        // the section after the step is our own too: when we are stopped a leaf may still run, and the replica is at its next step by then
        var after = new FlatBuffer(_buffers.Length);
        var context = new WorkerContext(_setup.Runtime, _setup.Tree, _weights, _buffers, after, null, _setup.Spec.Evaluate.BatchSize, _setup.Batches, 0,
            _setup.Job, _services);
        var worker = Context.ActorOf(WorkerActor.Props(context, ReplicaActor.RecoveryWorker, _services.ComputeDispatcher), "worker");
        foreach (var range in _ranges) worker.Tell(new ComputeShards(plan, range.Begin, range.End));
    }
}
