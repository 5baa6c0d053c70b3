using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>What a replica is made from.</summary>
/// <param name="Weights">The node's copy of the weights (parameter section). Slices of servers on this node are the servers' own memory.</param>
/// <param name="Buffers">The node's copy of the buffer section; the server of key 0's own memory if that is on this node.</param>
internal sealed record ReplicaSetup(
    JobId Job,
    TrainingSpec Spec,
    int BatchSize,
    JobPlacement Placement,
    ReplicaPlace Place,
    IJobRuntime Runtime,
    FlatBuffer Weights,
    FlatBuffer Buffers);

/// <summary>
/// A node's share of a job: one copy of the weights and the workers that compute with it. Collects its workers' tree nodes, adds up what
/// can be added on this node, pushes each server its slice, and takes the answers as the next version of the weights.
/// </summary>
internal sealed class ReplicaActor : ReceiveActor
{
    private readonly ReplicaSetup _setup;
    private readonly NodeServices _services;
    private readonly ReductionTree _tree;
    private readonly Dictionary<int, IActorRef> _workers = [];
    private readonly HashSet<int> _computing = [];
    private readonly HashSet<object> _retried = new(ReferenceEqualityComparer.Instance);
    private readonly List<ComputedNode> _computed = [];
    private readonly HashSet<(TensorKind Kind, long Begin)> _answers = [];
    private readonly List<SliceMetrics> _slices = [];
    private readonly FlatBuffer _buffersOut;
    private IDisposable? _listening;
    private StepPlan? _plan;
    private long _version = -1;
    private int _slicesToCome;
    private (EvaluateSplits Request, Queue<DataSplit> Splits)? _final;
    private EvaluateSplits? _pendingFinal;

    public ReplicaActor(ReplicaSetup setup, NodeServices services)
    {
        (_setup, _services) = (setup, services);
        _tree = new ReductionTree(setup.Spec.Training.GradientShards!.Value);
        _buffersOut = new FlatBuffer(setup.Runtime.Layout.BufferCount);
        Receive<TensorArrived>(OnTensor);
        Receive<ShardsComputed>(OnComputed);
        Receive<SlicesEvaluated>(OnSlices);
        Receive<WorkFailed>(OnFailed);
        Receive<NodeDelivery>(OnDelivery);
    }

    private int AnswersOfAVersion => _setup.Placement.Servers.Length + (_setup.Runtime.Layout.BufferCount > 0 ? 1 : 0);

    private string Who => $"replica {_setup.Place.Index} on {_services.Name}";

    protected override void PreStart()
    {
        var context = new WorkerContext(_setup.Runtime, _tree, _setup.Weights, _setup.Buffers, _buffersOut,
            _setup.Spec.Evaluate.BatchSize, _setup.BatchSize, _setup.Spec.Data.Prefetch);
        foreach (var worker in _setup.Place.Workers)
            _workers[worker.Index] = Context.ActorOf(WorkerActor.Props(context, worker.Index, _services.ComputeDispatcher), $"worker-{worker.Index}");
        var address = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Replica, _setup.Place.Index);
        _listening = _services.Channel.Listen(address, new TensorInbox(Self, Accept));
    }

    protected override void PostStop() => _listening?.Dispose();

    /// <summary>Answers from other nodes are read straight into the weights: between push and answer nobody reads them.</summary>
    private TensorLease? Accept(TensorHeader header)
    {
        if (header.JobEpoch != _setup.Placement.JobEpoch) return null;
        var target = header.Kind switch
        {
            TensorKind.Answer => _setup.Weights,
            TensorKind.AnswerBuffers => _setup.Buffers,
            _ => null,
        };
        if (target is null || header.Range.End > target.Length || header.Step <= Volatile.Read(ref _version)) return null;
        return new TensorLease(target.Slice(header.Range));
    }

    private void OnTensor(TensorArrived frame)
    {
        using var payload = frame.Payload;
        var header = frame.Header;
        if (header.JobEpoch != _setup.Placement.JobEpoch || header.Step <= _version) return;
        var destination = (header.Kind == TensorKind.Answer ? _setup.Weights : _setup.Buffers).Slice(header.Range);
        // by reference the payload may be our own memory already (a server on this node)
        if (!destination.Equals(payload.Memory)) payload.Memory.CopyTo(destination);
        if (frame.Meta is AnswerMeta meta) _plan = meta.Plan.ToPlan();
        // under BSP one version at a time is under way; a repeat of an answer is the same answer
        _answers.Add((header.Kind, header.Range.Begin));
        if (_answers.Count < AnswersOfAVersion) return;
        _answers.Clear();
        Volatile.Write(ref _version, header.Step);
        if (_plan is { } plan && plan.Step == header.Step) Follow(plan);
        if (_pendingFinal is { } final) StartFinal(final);
    }

    private void Follow(StepPlan plan)
    {
        if (plan.Evaluate)
        {
            Evaluate(plan.Step, DataSplit.Validation);
            return;
        }
        if (plan.Stop is not null) return;
        _computed.Clear();
        _computing.Clear();
        foreach (var worker in _setup.Place.Workers)
        {
            if (worker.ShardBegin == worker.ShardEnd) continue;
            _computing.Add(worker.Index);
            _workers[worker.Index].Tell(new ComputeShards(plan, worker.ShardBegin, worker.ShardEnd));
        }
    }

    private void OnComputed(ShardsComputed done)
    {
        if (_plan is null || done.Work.Plan.Step != _plan.Step) return;
        _computed.AddRange(done.Nodes);
        int owner = _setup.Place.Workers.First(w => w.ShardBegin == done.Work.Begin && w.ShardEnd == done.Work.End).Index;
        _computing.Remove(owner);
        if (_computing.Count == 0) Push(done.Work.Plan);
    }

    private void Push(StepPlan plan)
    {
        var wirePlan = WirePlan.From(plan);
        ulong job = JobKey.Of(_setup.Job);
        var nodes = PreReduce();
        foreach (var node in nodes)
        {
            var meta = new PushMeta(wirePlan, node.Weight, WireMetrics.From(node.Metrics));
            foreach (var server in _setup.Placement.Servers)
            {
                var header = new TensorHeader(TensorKind.Push, new TensorAddress(job, TensorTarget.Server, server.Index),
                    _setup.Placement.JobEpoch, plan.Step, node.Node, server.Range());
                _services.Channel.Send(server.Peer.ToPeer(), header, meta, new TensorLease(node.Gradient.Slice(server.Range())));
            }
        }
        if (_buffersOut.Length == 0 || !_setup.Place.Workers.Any(w => w.ShardBegin == 0 && w.ShardEnd > 0)) return;
        var first = _setup.Placement.Servers[0];
        var buffers = new TensorHeader(TensorKind.PushBuffers, new TensorAddress(job, TensorTarget.Server, first.Index),
            _setup.Placement.JobEpoch, plan.Step, default, new KeyRange(0, _buffersOut.Length));
        _services.Channel.Send(first.Peer.ToPeer(), buffers, null, new TensorLease(_buffersOut.Memory));
    }

    /// <summary>
    /// Adds up this node's tree nodes before they go over a network. Where every server is on this node they are handed over as they are:
    /// the servers add them up anyway.
    /// </summary>
    private IReadOnlyList<ComputedNode> PreReduce()
    {
        _computed.Sort((a, b) => _tree.Shards(a.Node).Begin.CompareTo(_tree.Shards(b.Node).Begin));
        if (_computed.Count < 2 || _setup.Placement.Servers.All(s => s.Peer.Node == _services.Channel.Self.Node)) return _computed;
        return NodeReduction.Reduce(_tree, _computed);
    }

    private void Evaluate(long step, DataSplit split)
    {
        _slices.Clear();
        int count = EvaluationLedger.SliceCount(_setup.Runtime.Data.Of(split), _setup.Spec.Evaluate.BatchSize);
        int workers = _setup.Placement.Replicas.Sum(r => r.Workers.Length);
        _slicesToCome = 0;
        foreach (var worker in _setup.Place.Workers)
        {
            var slices = EvaluationLedger.SlicesOf(count, worker.Index, workers).ToList();
            if (slices.Count == 0) continue;
            _slicesToCome += slices.Count;
            _workers[worker.Index].Tell(new EvaluateSlices(step, split, slices));
        }
        if (_slicesToCome == 0) NextFinalSplit();
    }

    private void OnSlices(SlicesEvaluated done)
    {
        foreach (var (slice, metrics) in done.Results) _slices.Add(new SliceMetrics(slice, WireMetrics.From(metrics)));
        if ((_slicesToCome -= done.Results.Count) > 0) return;
        var report = new EvaluationSlices(done.Work.Step, (int)done.Work.Split, [.. _slices]);
        if (_final is not null)
        {
            _services.Router.Send(_setup.Placement.Coordinator.Node, _setup.Job, NodeActors.Training, report);
            NextFinalSplit();
            return;
        }
        var first = _setup.Placement.Servers[0];
        _services.Router.Send(first.Peer.Node, _setup.Job, NodeActors.Server(first.Index), report);
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case Proceed proceed when proceed.Plan.Step == _version && _plan is { Evaluate: true }:
                Follow(_plan = proceed.Plan.ToPlan());
                break;
            case EvaluateSplits request when request.Step > _version:
                _pendingFinal = request; // its weights are still under way
                break;
            case EvaluateSplits request:
                StartFinal(request);
                break;
            case AskWaiting:
                var whom = _computing.Select(w => $"worker {w} on {_services.Name}").ToArray();
                _services.Router.Send(delivery.From, _setup.Job, NodeActors.Training, new Waiting(Who, _version, whom));
                break;
        }
    }

    private void StartFinal(EvaluateSplits request)
    {
        if (request.Step > _version) return;
        _pendingFinal = null;
        _final = (request, new Queue<DataSplit>(request.Splits.Select(s => (DataSplit)s)));
        NextFinalSplit();
    }

    private void NextFinalSplit()
    {
        if (_final is { } final && final.Splits.TryDequeue(out var split)) Evaluate(final.Request.Step, split);
    }

    /// <summary>User code threw: its work is tried once by another worker of this node, then the job fails with that exception.</summary>
    private void OnFailed(WorkFailed failed)
    {
        var other = _setup.Place.Workers.FirstOrDefault(w => w.Index != failed.Worker);
        if (failed.Work is not null && other is not null && _retried.Add(failed.Work))
        {
            _workers[other.Index].Tell(failed.Work);
            return;
        }
        var step = failed.Work is ComputeShards work ? work.Plan.Step : _version;
        _services.Router.Send(_setup.Placement.Coordinator.Node, _setup.Job, NodeActors.Training,
            new JobFailed($"worker {failed.Worker} on {_services.Name}", step, failed.Error.GetType().FullName ?? failed.Error.GetType().Name,
                failed.Error.Message, failed.Error.StackTrace ?? ""));
    }
}
