using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>What a server is made from.</summary>
/// <param name="Weights">Memory of its key range; a slice of the node's replica where there is one.</param>
/// <param name="Buffers">The buffer section, on the server of key 0; empty elsewhere.</param>
/// <param name="Planner">Decides the steps, on the server of key 0; null elsewhere.</param>
internal sealed record ServerSetup(
    JobId Job,
    TrainingSpec Spec,
    ServerPlace Place,
    JobPlacement Placement,
    ParameterLayout Layout,
    DataCounts Data,
    Memory<float> Weights,
    Memory<float> Buffers,
    IOptimizer Optimizer,
    StepPlanner? Planner);

/// <summary>
/// Holds one key range of the weights under BSP: adds up the pushed tree nodes, applies the optimizer once all gradient shards of a step are
/// in, and answers every replica with its range. The server of key 0 also plans the steps and collects evaluations.
/// </summary>
internal sealed class ParameterServerActor : ReceiveActor
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(100);

    private readonly ServerSetup _setup;
    private readonly NodeServices _services;
    private readonly ParameterShard<TensorLease> _shard;
    private readonly ReceiveBuffers _receiveBuffers;
    private readonly ReceiveBuffers _receiveModelBuffers;
    private readonly FlatBuffer _nextBuffers;
    private readonly FlatBuffer _selectedBuffers;
    private readonly MetricSums _sinceRow = new();
    private IDisposable? _listening;
    private EvaluationLedger? _ledger;
    private StepPlan? _plan;
    private bool _buffersArrived;
    private int _lastEpoch;
    private bool _begun;
    private long _expected;
    private long _lastProgress;

    public ParameterServerActor(ServerSetup setup, NodeServices services)
    {
        (_setup, _services) = (setup, services);
        var tree = new ReductionTree(setup.Spec.Training.GradientShards!.Value);
        _shard = new ParameterShard<TensorLease>(setup.Weights, setup.Optimizer, tree, lease => lease.Memory);
        _receiveBuffers = new ReceiveBuffers(setup.Weights.Length);
        _receiveModelBuffers = new ReceiveBuffers(setup.Buffers.Length);
        _nextBuffers = new FlatBuffer(setup.Buffers.Length);
        _selectedBuffers = new FlatBuffer(setup.Buffers.Length);
        Receive<TensorArrived>(OnTensor);
        Receive<NodeDelivery>(OnDelivery);
    }

    private string Who => $"server {_setup.Place.Index} on {_services.Name}";

    private bool NeedsBuffers => _setup.Buffers.Length > 0;

    protected override void PreStart()
    {
        var address = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Server, _setup.Place.Index);
        _listening = _services.Channel.Listen(address, new TensorInbox(Self, Accept));
    }

    protected override void PostStop()
    {
        _listening?.Dispose();
        _shard.Dispose();
    }

    private TensorLease? Accept(TensorHeader header)
    {
        if (header.JobEpoch != _setup.Placement.JobEpoch || header.Step < Volatile.Read(ref _expected)) return null;
        return header.Kind switch
        {
            TensorKind.Push when header.Range == _setup.Place.Range() => _receiveBuffers.Rent(),
            TensorKind.PushBuffers when header.Range.Length == _setup.Buffers.Length => _receiveModelBuffers.Rent(),
            _ => null,
        };
    }

    private void OnTensor(TensorArrived frame)
    {
        var header = frame.Header;
        bool counted = false;
        if (header.JobEpoch == _setup.Placement.JobEpoch && header.Kind == TensorKind.Push && frame.Meta is PushMeta meta)
        {
            counted = _shard.Push(header.Step, header.Node, frame.Payload, new LeafResult(meta.Weight, meta.Metrics.ToMetrics()));
            if (counted) _plan = meta.Plan.ToPlan();
        }
        else if (header.Kind == TensorKind.PushBuffers && header.Step == _shard.Version && !_buffersArrived)
        {
            frame.Payload.Memory.CopyTo(_nextBuffers.Memory);
            _buffersArrived = true;
        }
        if (!counted) frame.Payload.Dispose();
        if (_shard.IsComplete && (!NeedsBuffers || _buffersArrived) && _plan is { } plan && plan.Step == _shard.Version) Apply(plan);
    }

    private void Apply(StepPlan plan)
    {
        if (plan.Keep) _setup.Buffers.CopyTo(_selectedBuffers.Memory);
        var result = _shard.Apply(plan);
        if (NeedsBuffers) _nextBuffers.Memory.CopyTo(_setup.Buffers);
        _buffersArrived = false;
        Volatile.Write(ref _expected, _shard.Version);
        StepPlan? next = null;
        if (_setup.Planner is { } planner)
        {
            _sinceRow.Add(result.Metrics);
            _lastEpoch = plan.Epoch;
            next = planner.Advance();
            Report(planner, plan, next, result);
        }
        Answer(_shard.Version, next);
        if (next is not null) Reached(next);
    }

    /// <summary>Sends this server's range, and from the server of key 0 the plan and the buffer section, to every replica.</summary>
    private void Answer(long version, StepPlan? next)
    {
        ulong job = JobKey.Of(_setup.Job);
        foreach (var replica in _setup.Placement.Replicas)
        {
            var to = new TensorAddress(job, TensorTarget.Replica, replica.Index);
            var peer = replica.Peer.ToPeer();
            if (NeedsBuffers)
            {
                var buffers = new TensorHeader(TensorKind.AnswerBuffers, to, _setup.Placement.JobEpoch, version, default,
                    new KeyRange(0, _setup.Buffers.Length));
                _services.Channel.Send(peer, buffers, null, new TensorLease(_setup.Buffers));
            }
            var header = new TensorHeader(TensorKind.Answer, to, _setup.Placement.JobEpoch, version, default, _setup.Place.Range());
            var meta = next is null ? null : new AnswerMeta(WirePlan.From(next));
            _services.Channel.Send(peer, header, meta, new TensorLease(_shard.Weights));
        }
    }

    private void Report(StepPlanner planner, StepPlan done, StepPlan next, LeafResult result)
    {
        long now = _services.Time.GetTimestamp();
        if (_services.Time.GetElapsedTime(_lastProgress, now) >= ProgressInterval)
        {
            _lastProgress = now;
            double loss = result.Metrics.TryGet(MetricSums.Loss, out var sum) ? sum.Value : double.NaN;
            ToTraining(new StepProgress(next.Step, done.Epoch, loss, planner.Samples));
        }
        if (!next.Evaluate && next.Stop is null && next.Epoch == done.Epoch) return;
        ToTraining(new TrainRow(next.Step, done.Epoch, WireMetrics.From(_sinceRow), done.LearningRate, done.BatchSize, planner.Samples));
        _sinceRow.Clear();
    }

    /// <summary>What the server of key 0 does about a plan that is no ordinary step.</summary>
    private void Reached(StepPlan plan)
    {
        if (plan.Evaluate)
            _ledger = new EvaluationLedger(plan.Step, DataSplit.Validation, _setup.Data.Validation, _setup.Spec.Evaluate.BatchSize);
        else if (plan.Stop is { } reason)
            End(plan, reason);
    }

    private void End(StepPlan plan, StopReason reason)
    {
        var planner = _setup.Planner!;
        ToTraining(new TrainingEnded(plan.Step, _lastEpoch, (int)reason, planner.Samples, planner.SelectedStep ?? plan.Step,
            planner.SelectedValue, plan.Keep || planner.SelectedStep is null));
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case BeginTraining begin when !_begun && begin.JobEpoch == _setup.Placement.JobEpoch:
                _begun = true;
                Answer(_shard.Version, _setup.Planner?.Current);
                break;
            case EvaluationSlices slices when _ledger is { Complete: false } ledger && slices.Step == ledger.Step:
                OnSlices(ledger, slices);
                break;
            case RequestStop stop:
                _setup.Planner?.RequestStop((StopReason)stop.Reason);
                break;
            case CollectParts collect:
                foreach (int part in collect.Parts) SendSnapshot(part);
                break;
            case PublishSelected publish:
                Publish(publish.Step);
                break;
            case AskWaiting:
                _services.Router.Send(delivery.From, _setup.Job, NodeActors.Training, new Waiting(Who, _shard.Version, [.. WaitingFor()]));
                break;
        }
    }

    private void OnSlices(EvaluationLedger ledger, EvaluationSlices slices)
    {
        foreach (var slice in slices.Slices) ledger.Add(slice.Slice, slice.Metrics.ToMetrics());
        if (!ledger.Complete) return;
        _ledger = null;
        var total = ledger.Total();
        var outcome = _setup.Planner!.Evaluated(total);
        ToTraining(new ValidationRow(outcome.Plan.Step, _lastEpoch, WireMetrics.From(total), outcome.Selected));
        foreach (var replica in _setup.Placement.Replicas)
            _services.Router.Send(replica.Peer.Node, _setup.Job, NodeActors.Replica, new Proceed(WirePlan.From(outcome.Plan)));
        Reached(outcome.Plan);
    }

    private void SendSnapshot(int part)
    {
        var (memory, range) = part switch
        {
            SnapshotParts.Weights => (_shard.Weights, _setup.Place.Range()),
            SnapshotParts.Buffers => (_setup.Buffers, new KeyRange(0, _setup.Buffers.Length)),
            SnapshotParts.SelectedWeights => (_shard.Selected, _setup.Place.Range()),
            SnapshotParts.SelectedBuffers => (_selectedBuffers.Memory, new KeyRange(0, _selectedBuffers.Length)),
            _ => throw new ArgumentOutOfRangeException(nameof(part), part, "no such part"),
        };
        bool isBuffers = part is SnapshotParts.Buffers or SnapshotParts.SelectedBuffers;
        if (isBuffers && !NeedsBuffers) return;
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Collector, 0);
        var header = new TensorHeader(TensorKind.Snapshot, to, _setup.Placement.JobEpoch, _shard.Version, default, range, part);
        _services.Channel.Send(_setup.Placement.Coordinator.ToPeer(), header, null, new TensorLease(memory));
    }

    private void Publish(long version)
    {
        _shard.LoadSelected();
        if (NeedsBuffers) _selectedBuffers.Memory.CopyTo(_setup.Buffers);
        Answer(version, null);
    }

    private IEnumerable<string> WaitingFor()
    {
        if (!_begun)
        {
            yield return "the start of training";
            yield break;
        }
        if (_ledger is { } ledger)
        {
            int workers = _setup.Placement.Replicas.Sum(r => r.Workers.Length);
            var late = ledger.Missing.Select(slice => slice % workers).ToHashSet();
            foreach (var (replica, worker) in Workers())
                if (late.Contains(worker.Index)) yield return $"worker {worker.Index} on {replica.Peer.Node} (evaluation at step {ledger.Step})";
            yield break;
        }
        if (_setup.Planner?.Current.Stop is not null) yield break;
        var missing = _shard.MissingShards().ToHashSet();
        foreach (var (replica, worker) in Workers())
        {
            if (Enumerable.Range(worker.ShardBegin, worker.ShardEnd - worker.ShardBegin).Any(missing.Contains))
                yield return $"worker {worker.Index} on {replica.Peer.Node} (step {_shard.Version})";
        }
    }

    private IEnumerable<(ReplicaPlace Replica, WorkerPlace Worker)> Workers() =>
        _setup.Placement.Replicas.SelectMany(r => r.Workers.Select(w => (r, w)));

    private void ToTraining(IWireMessage body) =>
        _services.Router.Send(_setup.Placement.Coordinator.Node, _setup.Job, NodeActors.Training, body);
}
