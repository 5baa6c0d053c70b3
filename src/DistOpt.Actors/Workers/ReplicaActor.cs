using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.ParameterServer;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>What a replica is made from.</summary>
/// <param name="Index">Which replica of the placement.</param>
/// <param name="Weights">The node's copy of the weights (parameter section); servers' own memory where the placement is fixed.</param>
/// <param name="Buffers">The node's copy of the buffer section; likewise.</param>
/// <param name="Average">The node's copy of the running average; likewise. Null where none is kept.</param>
/// <param name="Reached">Receives the step that it computes.</param>
internal sealed record ReplicaSetup(
    JobId Job,
    TrainingSpec Spec,
    BatchPlanner Batches,
    JobPlacement Placement,
    int Index,
    IJobRuntime Runtime,
    FlatBuffer Weights,
    FlatBuffer Buffers,
    NodeAverage? Average,
    ReachedStep Reached)
{
    public ReductionTree Tree { get; } = Spec.Training.Tree();
}

/// <summary>A node's copy of the running average of weights and buffers.</summary>
internal sealed record NodeAverage(FlatBuffer Weights, FlatBuffer Buffers);

/// <summary>
/// A node's share of a job: one copy of the weights and the workers that compute with it. Collects its workers' tree nodes, adds up what
/// can be added on this node, pushes each server its slice, and takes the answers as the next version of the weights. When others are lost it
/// computes what falls to it of their shards.
/// </summary>
internal sealed partial class ReplicaActor : ReceiveActor
{
    /// <summary>Index by which a recovery's worker reports.</summary>
    public const int RecoveryWorker = -1;

    private const long BuffersSlice = -1;
    private const int RecoveryAddresses = 64;

    private readonly ReplicaSetup _setup;
    private readonly NodeServices _services;
    private readonly ReductionTree _tree;
    private readonly WeightsGate _gate = new();
    private readonly IActorRef _self;
    private readonly List<IActorRef> _workers = [];
    private readonly Dictionary<int, WorkerPlace[]> _assignments = [];
    private readonly HashSet<ComputeShards> _computing = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<int> _done = [];
    private readonly List<ComputedNode> _computed = [];
    private readonly List<TensorArrived> _stash = [];
    private readonly ReceiveBuffers[] _staging;
    private readonly FlatBuffer _buffersOut;
    private JobPlacement _placement;
    private int _epoch;
    private IDisposable? _listening;
    private readonly List<(long Step, ShardRange Range)> _recovering = [];
    private readonly RecoveryInbox?[] _inboxes = new RecoveryInbox?[RecoveryAddresses];
    private IActorRef? _recovery;
    private int _recoveries;

    // whoever joins may find a step that was left behind before it came
    private bool _mayBeOrphaned = true;
    private long _orphan = -1;
    private bool _isRedoDue;
    private long? _pushed;

    // gradient shards that were computed in place of, or after the loss of, somebody else
    private long _redone;
    private StepPlan? _nextPlan;
    private StepPlan? _plan;

    // packed gradients under way, by their length
    private readonly Dictionary<int, ReceiveBuffers> _packed = [];

    // what the server of key 0 has said of a step whose weights are still under way here: its barrier is passed, or a successor's plan
    private StepPlan? _passed;

    public ReplicaActor(ReplicaSetup setup, NodeServices services)
    {
        (_setup, _services, _tree, _placement) = (setup, services, setup.Tree, setup.Placement);
        _epoch = _placement.JobEpoch;
        _buffersOut = new FlatBuffer(setup.Runtime.Layout.BufferCount);
        _staging = [.. _placement.Servers.Select(s => new ReceiveBuffers(s.End - s.Begin)), new ReceiveBuffers(setup.Buffers.Length)];
        _assignments[_placement.Assignment] = OwnWorkers(_placement);
        Receive<TensorArrived>(OnTensor);
        Receive<ShardsComputed>(OnComputed);
        Receive<SlicesEvaluated>(OnSlices);
        Receive<WorkFailed>(OnFailed);
        Receive<PlacementChanged>(changed => OnPlacement(changed.Placement));
        Receive<NodeDelivery>(OnDelivery);
        Receive<WriteEnded>(_ => TakeStash());
        _self = Self;
    }

    private sealed record WriteEnded : INoSerializationVerificationNeeded;

    private int Slices => _placement.Servers.Length + (_setup.Buffers.Length > 0 ? 1 : 0);

    private string Who => $"replica {_setup.Index} on {_services.Name}";

    protected override void PreStart()
    {
        SpawnWorkers();
        var address = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Replica, _setup.Index);
        _listening = _services.Channel.Listen(address, new TensorInbox(Self, Accept));
    }

    protected override void PostStop()
    {
        _listening?.Dispose();
        foreach (var inbox in _inboxes) inbox?.Dispose();
        foreach (var frame in _stash) frame.Payload.Dispose();
    }

    private WorkerPlace[] OwnWorkers(JobPlacement placement) => placement.Replicas.FirstOrDefault(r => r.Index == _setup.Index)?.Workers ?? [];

    private void SpawnWorkers()
    {
        var context = new WorkerContext(_setup.Runtime, _tree, _setup.Weights, _setup.Buffers, _buffersOut, _setup.Average,
            _setup.Spec.Evaluate.BatchSize, _setup.Batches, _setup.Spec.Data.Prefetch, _setup.Job, _services);
        while (_workers.Count < OwnWorkers(_placement).Length)
            _workers.Add(Context.ActorOf(WorkerActor.Props(context, _workers.Count, _services.ComputeDispatcher), $"worker-{_workers.Count}"));
    }

    private static long SliceOf(in TensorHeader header) => header.Kind == TensorKind.AnswerBuffers ? BuffersSlice : header.Range.Begin;

    private Memory<float> Destination(in TensorHeader header) =>
        (header.Kind == TensorKind.Answer ? _setup.Weights : _setup.Buffers).Slice(header.Range);

    /// <summary>Answers from other nodes are read straight into the weights while nobody computes with them, and beside them otherwise.</summary>
    private TensorLease? Accept(TensorHeader header)
    {
        if (header.JobEpoch != Volatile.Read(ref _epoch)) return null;
        if (header.Kind == TensorKind.Average) return AverageTarget(header) is { } target ? new TensorLease(target) : null;
        if (header.Kind is not (TensorKind.Answer or TensorKind.AnswerBuffers)) return null;
        var whole = header.Kind == TensorKind.Answer ? _setup.Weights : _setup.Buffers;
        if (header.Range.End > whole.Length) return null;
        long slice = SliceOf(header);
        if (_gate.TryBegin(slice, header.Step)) return new TensorLease(Destination(header), _ => EndWrite(slice));
        if (_gate.IsLate(slice, header.Step)) return null;
        int index = header.Kind == TensorKind.AnswerBuffers ? _staging.Length - 1
            : Array.FindIndex(_setup.Placement.Servers, s => s.Begin == header.Range.Begin && s.End == header.Range.End);
        return index < 0 ? null : _staging[index].Rent();
    }

    /// <summary>A frame that was written into place is taken in or given up: others that had to wait for it may go. On any thread.</summary>
    private void EndWrite(long slice)
    {
        if (_gate.End(slice)) _self.Tell(new WriteEnded());
    }

    private void OnTensor(TensorArrived frame)
    {
        if (frame.Header.Kind == TensorKind.Average) OnAverage(frame);
        else if (Take(frame))
        {
            frame.Payload.Dispose();
            Advance();
        }
        else
        {
            _stash.Add(frame);
        }
    }

    /// <summary>Puts an answer into the weights; false while workers compute with them.</summary>
    private bool Take(TensorArrived frame)
    {
        var header = frame.Header;
        if (header.JobEpoch != _placement.JobEpoch || header.Kind is not (TensorKind.Answer or TensorKind.AnswerBuffers)) return true;
        long slice = SliceOf(header);
        var destination = Destination(header);
        // the payload may be our own memory already: read into place, or of a server that shares it
        bool isHere = destination.Equals(frame.Payload.Memory);
        if (!isHere)
        {
            if (_gate.IsLate(slice, header.Step)) return true;
            if (!frame.Payload.TryRead()) return true; // everyone is beyond that version
            bool mayWrite = _gate.TryBegin(slice, header.Step);
            if (mayWrite) frame.Payload.Memory.CopyTo(destination);
            frame.Payload.EndRead();
            if (!mayWrite) return false;
        }
        _gate.Written(slice, header.Step);
        if (!isHere) EndWrite(slice);
        _services.Meter.Bytes(PayloadDirection.Pull, destination.Length * sizeof(float));
        if (frame.Meta is AnswerMeta meta) _nextPlan = meta.Plan.ToPlan();
        return true;
    }

    /// <summary>Once all slices are of one version: does what its plan asks for.</summary>
    private void Advance()
    {
        if (!_gate.TryComplete(Slices))
        {
            RecoverOrphan();
            DoOrders();
            return;
        }
        if (_pushed is { } pushed) _services.Meter.Phase(_setup.Job, StepPhase.Wait, _services.Time.GetElapsedTime(pushed).TotalSeconds);
        _pushed = null;
        StopRecovery();
        _done.Clear();
        _slicesDone.Clear();
        _reported.Clear();
        if (_nextPlan is { } plan && plan.Step == _gate.Version)
        {
            if (plan.Assignment == _placement.Assignment) _mayBeOrphaned = false;
            // what came beside the weights is the newer word
            Follow(_passed?.Step == plan.Step ? _passed : plan);
        }
        else OpenGate(); // published weights have no plan
        if (_pendingFinal is { } final) StartFinal(final);
        DoOrders();
    }

    private void Follow(StepPlan plan)
    {
        _plan = plan;
        foreach (int old in _assignments.Keys.Where(a => a < plan.Assignment).ToList()) _assignments.Remove(old);
        if (plan.Evaluate) EvaluateBarrier(plan);
        else if (plan.Stop is null) ComputeOwn(plan);
        OpenGate();
    }

    /// <summary>Computes what the plan's and the latest assignment give to this node and is not done.</summary>
    private void ComputeOwn(StepPlan plan)
    {
        var latest = Ranges(OwnWorkers(_placement));
        var byPlan = _assignments.TryGetValue(plan.Assignment, out var workers) ? Ranges(workers) : latest;
        var work = ShardWork.Of(byPlan, latest, _done);
        if (work.Count == 0) return;
        if (_gate.TryClose()) Compute(plan, work);
        else Recover(plan.Step, plan, work);
    }

    private static IEnumerable<ShardRange> Ranges(WorkerPlace[] workers) => workers.Select((w, i) => new ShardRange(i, w.ShardBegin, w.ShardEnd));

    private void Compute(StepPlan plan, IReadOnlyList<ShardRange> work)
    {
        _setup.Reached.Step = plan.Step;
        foreach (var range in work)
        {
            var compute = new ComputeShards(plan, range.Begin, range.End);
            _computing.Add(compute);
            _workers[Math.Min(range.Worker, _workers.Count - 1)].Tell(compute);
        }
    }

    private void OnComputed(ShardsComputed done)
    {
        if (done.Worker == RecoveryWorker)
        {
            Recovered(done.Work);
            Push(done.Work.Plan, done.Nodes, done.Buffers);
            return;
        }
        if (!_computing.Remove(done.Work)) return;
        _computed.AddRange(done.Nodes);
        PushOnceComputed(done.Work.Plan);
    }

    private void PushOnceComputed(StepPlan plan)
    {
        if (_computing.Count > 0) return;
        if (_computed.Count > 0)
        {
            long computed = _services.Time.GetTimestamp();
            Push(plan, PreReduce(plan), _buffersOut);
            _pushed = _services.Time.GetTimestamp();
            _services.Meter.Phase(_setup.Job, StepPhase.Push, _services.Time.GetElapsedTime(computed, _pushed.Value).TotalSeconds);
            _computed.Clear();
        }
        OpenGate();
    }

    private void Push(StepPlan plan, IReadOnlyList<ComputedNode> nodes, FlatBuffer after)
    {
        var wirePlan = WirePlan.From(plan);
        ulong job = JobKey.Of(_setup.Job);
        foreach (var node in nodes)
        {
            var meta = new PushMeta(wirePlan, node.Weight, WireMetrics.From(node.Metrics)) { NonFinite = node.NonFinite };
            foreach (var server in _placement.Servers)
            {
                var (kind, range, lease) = Payload(server, node.Gradient.Slice(server.Range()));
                var header = new TensorHeader(kind, new TensorAddress(job, TensorTarget.Server, server.Index),
                    _placement.JobEpoch, plan.Step, node.Node, range);
                _services.Channel.Send(server.Peer.ToPeer(), header, meta, lease);
                _services.Meter.Bytes(PayloadDirection.Push, range.Length * sizeof(float));
            }
        }
        if (after.Length == 0 || !nodes.Any(n => _tree.Shards(n.Node).Begin == 0)) return;
        var first = _placement.Servers[0];
        var buffers = new TensorHeader(TensorKind.PushBuffers, new TensorAddress(job, TensorTarget.Server, first.Index),
            _placement.JobEpoch, plan.Step, default, new KeyRange(0, after.Length));
        _services.Channel.Send(first.Peer.ToPeer(), buffers, null, new TensorLease(after.Memory));
        _services.Meter.Bytes(PayloadDirection.Push, after.Length * sizeof(float));
    }

    /// <summary>A gradient as it travels: by reference within the node, and packed over a network where all of its numbers fit into 16 bits.</summary>
    private (TensorKind Kind, KeyRange Range, TensorLease Lease) Payload(ServerPlace server, Memory<float> gradient)
    {
        if (_tree.Precision == GradientPrecision.Float32 || server.Peer.Node == _services.Channel.Self.Node)
            return (TensorKind.Push, server.Range(), new TensorLease(gradient));
        if (!_packed.TryGetValue(gradient.Length, out var buffers))
            _packed.Add(gradient.Length, buffers = new ReceiveBuffers(Bfloat16.PackedLength(gradient.Length)));
        var lease = buffers.Rent();
        Bfloat16.Pack(gradient.Span, lease.Span);
        return (TensorKind.PushBfloat16, new KeyRange(0, lease.Memory.Length), lease);
    }

    /// <summary>
    /// Adds up this node's tree nodes before they go over a network. Where every server is on this node they are handed over as they are:
    /// the servers add them up anyway. So they are where servers measure them.
    /// </summary>
    private IReadOnlyList<ComputedNode> PreReduce(StepPlan plan)
    {
        _computed.Sort((a, b) => _tree.Shards(a.Node).Begin.CompareTo(_tree.Shards(b.Node).Begin));
        if (_computed.Count < 2 || plan.PushesLeaves || _placement.Servers.All(s => s.Peer.Node == _services.Channel.Self.Node)) return [.. _computed];
        return NodeReduction.Reduce(_tree, _computed);
    }

    /// <summary>
    /// Lets answers into the weights again, once nobody computes or evaluates with them: gradient work may have begun while an evaluation that
    /// others did as well still runs.
    /// </summary>
    private void OpenGate()
    {
        if (_computing.Count > 0 || _slicesToCome > 0) return;
        _gate.Open();
        TakeStash();
        // answers of servers that share this memory may have come while it was closed
        Advance();
    }

    private void TakeStash()
    {
        if (_stash.Count == 0) return;
        var stash = _stash.ToList();
        _stash.Clear();
        foreach (var frame in stash) OnTensor(frame);
    }

    /// <summary>
    /// After a loss: a step that this node has never had complete, that some servers have left, and whose other owners may all be gone. What
    /// falls to this node is computed, by the plan that the server of key 0 went by.
    /// </summary>
    private void RecoverOrphan()
    {
        // in a new epoch servers answer once everyone knows of it
        if (_isRedoDue || !_mayBeOrphaned || _gate.Straggling(Slices) is not { } step || step == _orphan) return;
        _orphan = step;
        StopRecovery();
        var work = Ranges(OwnWorkers(_placement)).Where(r => r.Length > 0).ToList();
        if (work.Count > 0) Recover(step, null, work);
    }

    /// <summary>Computes with a version that is fetched anew; what an earlier recovery of the step has not finished is done with it.</summary>
    private void Recover(long step, StepPlan? plan, IReadOnlyList<ShardRange> work)
    {
        if (_recovery is not null) Context.Stop(_recovery);
        _recovering.RemoveAll(r => r.Step != step);
        _recovering.AddRange(work.Select(range => (step, range)));
        var (placement, ranges) = (_placement, _recovering.Select(r => r.Range).ToList());
        // an address of its own: what was sent to the one before may still come
        int address = _recoveries++ % RecoveryAddresses;
        var inbox = _inboxes[address] ??= new RecoveryInbox(_services.Channel,
            new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Recovery, _setup.Index * RecoveryAddresses + address));
        _recovery = Context.ActorOf(Props.Create(() => new RecoveryActor(_setup, _services, placement, step, plan, ranges, inbox))
            .WithDispatcher(_services.ComputeDispatcher));
    }

    /// <summary>Takes what is recovered off the list. A recovery that was stopped may still speak: of another step.</summary>
    private void Recovered(ComputeShards work) =>
        _recovering.RemoveAll(r => r.Step == work.Plan.Step && r.Range.Begin == work.Begin && r.Range.End == work.End);

    private void StopRecovery()
    {
        if (_recovery is not null) Context.Stop(_recovery);
        _recovery = null;
        _recovering.Clear();
    }

    /// <summary>
    /// Workers went or came: what falls to this node of the step under way is done at once. In a new epoch, once everyone knows of it, see
    /// <see cref="BeginEpoch"/>.
    /// </summary>
    private void OnPlacement(JobPlacement placement)
    {
        bool isNewEpoch = placement.JobEpoch != _placement.JobEpoch;
        if (isNewEpoch || _placement.Replicas.Any(r => placement.Replicas.All(p => p.Index != r.Index))) (_mayBeOrphaned, _orphan) = (true, -1);
        _placement = placement;
        if (isNewEpoch)
        {
            _isRedoDue = true;
            _assignments.Clear();
            (_passed, _final, _pendingFinal) = (null, null, null);
            _orders.Clear();
            Volatile.Write(ref _epoch, placement.JobEpoch);
            StopRecovery();
            if (_redone > 0) TellRedone(0);
        }
        _assignments[placement.Assignment] = OwnWorkers(placement);
        SpawnWorkers();
        if (isNewEpoch) return;
        RecoverOrphan();
        if (_final is { } final) Evaluate(final.Request.Step, final.Current);
        else if (_plan is { } plan && plan.Step == _gate.Version) Redo(plan);
    }

    /// <summary>What a lost server had of the step is lost with it: it is computed anew.</summary>
    private void BeginEpoch()
    {
        if (!_isRedoDue) return;
        _isRedoDue = false;
        RecoverOrphan();
        if (_plan is not { Evaluate: false, Stop: null } plan || plan.Step != _gate.Version) return;
        _done.Clear();
        foreach (var work in _computing) _done.UnionWith(Enumerable.Range(work.Begin, work.End - work.Begin));
        Redo(plan);
    }

    /// <summary>Does what is left of a plan after the placement has changed.</summary>
    private void Redo(StepPlan plan)
    {
        int before = _done.Count;
        if (plan.Evaluate) EvaluateBarrier(plan);
        else if (plan.Stop is null) ComputeOwn(plan);
        if (_done.Count > before) TellRedone(_done.Count - before);
    }

    /// <summary>With all that there were before: a coordinator may have heard of some without having stored it.</summary>
    private void TellRedone(int shards)
    {
        _redone += shards;
        ToTraining(new ShardsRedone(_placement.JobEpoch, _gate.Version, shards) { Total = _redone });
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case BeginTraining begin when begin.JobEpoch == _placement.JobEpoch:
                BeginEpoch();
                break;
            case Proceed proceed when proceed.Plan.Step == _gate.Version && _plan?.Step == proceed.Plan.Step:
                OnProceed(proceed.Plan.ToPlan());
                DoOrders();
                break;
            case Proceed proceed:
                _passed = proceed.Plan.ToPlan();
                break;
            case EvaluateSplits request when request.Step > _gate.Version:
                _pendingFinal = request; // its weights are still under way
                break;
            case EvaluateSplits request:
                StartFinal(request);
                DoOrders();
                break;
            case TryWork order when order.Work.JobEpoch == _placement.JobEpoch:
                _orders.Add(order);
                DoOrders();
                break;
            case AskWaiting:
                string doing = _computing.Count > 0 ? $"computes gradient shards {string.Join(", ", _computing.Select(w => $"{w.Begin}-{w.End - 1}"))}"
                    : _slicesToCome > 0 ? $"evaluates {_slicesToCome} slices" : _recovering.Count > 0 ? "recovers shards that others left behind" : "waits for servers";
                ToTraining(new Waiting(Who, _gate.Version, [$"{Who}, which {doing} at step {_gate.Version} (weights {_gate})"], []));
                break;
        }
    }

    /// <summary>The barrier is passed; or, after a server was replaced, this is what its successor knows of the step.</summary>
    private void OnProceed(StepPlan plan)
    {
        _plan = plan;
        if (plan.Evaluate)
        {
            // the server that asks has nothing of what was told to its predecessor, or to itself before it had begun
            foreach (var report in _reported) ToFirstServer(report);
            EvaluateBarrier(plan);
        }
        else if (plan.Stop is null)
        {
            ComputeOwn(plan);
        }
    }

    private int WorkerIndex(int position) => OwnWorkers(_placement) is { Length: > 0 } own ? own[Math.Clamp(position, 0, own.Length - 1)].Index : position;

    private void ToTraining(IWireMessage body) => _services.Router.Send(_placement.Coordinator.Node, _setup.Job, NodeActors.Training, body);
}
