using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>What a server, or the backup of one, is made from.</summary>
/// <param name="Index">Which server of the placement.</param>
/// <param name="Weights">Memory of its key range; a slice of the node's replica where both are on one node for good.</param>
/// <param name="Buffers">The buffer section, on the server of key 0 and its backup; empty elsewhere.</param>
/// <param name="Average">Memory of the running average, for its key range and for the buffer section; null where none is kept.</param>
/// <param name="Planner">Decides the steps, on the server of key 0 and its backup; null elsewhere.</param>
/// <param name="IsRestored">Whether the state comes by <see cref="TensorKind.Restore"/> frames before anything else; false: initial weights.</param>
/// <param name="IsBackup">Whether it begins as the backup of the server.</param>
internal sealed record ServerSetup(
    JobId Job,
    TrainingSpec Spec,
    int Index,
    JobPlacement Placement,
    ParameterLayout Layout,
    DataCounts Data,
    Memory<float> Weights,
    Memory<float> Buffers,
    ServerAverage? Average,
    UpdateRule Rule,
    StepPlanner? Planner,
    bool IsRestored,
    bool IsBackup)
{
    /// <summary>The vectors of the state that it holds its part of.</summary>
    public StateLayout State { get; } = new(Layout, Rule, Average is not null);
}

/// <summary>What a server needs for the running average of the weights.</summary>
/// <param name="Weights">Memory of the average of its key range; a slice of the node's copy where server and workers share memory.</param>
/// <param name="Buffers">Likewise of the buffer section, with key 0; empty elsewhere.</param>
/// <param name="UsesBuffers">Whether float32 buffers are averaged.</param>
internal sealed record ServerAverage(Memory<float> Weights, Memory<float> Buffers, bool UsesBuffers);

/// <summary>Job node to its servers and its replica: the placement has changed (workers went or came, or a backup takes over).</summary>
internal sealed record PlacementChanged(JobPlacement Placement) : INoSerializationVerificationNeeded;

/// <summary>
/// Holds one key range of the weights under BSP: adds up the pushed tree nodes, applies the optimizer once all gradient shards of a step are
/// in, and answers every replica with its range. The server of key 0 also plans the steps and collects evaluations. As a backup it applies
/// what its server has added up, and can take that server's place.
/// </summary>
internal sealed partial class ParameterServerActor : ReceiveActor
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(100);

    private readonly ServerSetup _setup;
    private readonly NodeServices _services;
    private readonly ReductionTree _tree;
    private readonly ParameterShard<TensorLease> _shard;
    private readonly ReceiveBuffers _receiveBuffers;
    private readonly ReceiveBuffers _receivePacked;
    private readonly ReceiveBuffers _receiveModelBuffers;
    private readonly FlatBuffer _nextBuffers;
    private Memory<float> _buffers;
    private readonly LentVersions _lentWeights = new();
    private readonly LentVersions _lentBuffers = new();

    // of the version before, unchanged until the update after the next one, as with the weights; empty where it is not kept
    private Memory<float> _previousBuffers;
    private readonly FlatBuffer _selectedBuffers;
    private readonly MetricSums _sinceRow = new();
    private readonly KeptRows _rows = new();
    private JobPlacement _placement;
    private int _epoch;
    private int _since;
    private bool _isBackup;
    private IDisposable? _listening;
    private EvaluationLedger? _ledger;
    private StepPlan? _plan;
    private StepPlan? _applied;
    private bool _buffersArrived;
    private int _lastEpoch;
    private bool _begun;
    private long _expected;
    private long _lastProgress;
    private readonly DivergenceWatch _watch;
    private bool _hasDiverged;

    // replicas that came while the server was held up and have not had an answer
    private readonly HashSet<int> _newcomers = [];

    public ParameterServerActor(ServerSetup setup, NodeServices services)
    {
        (_setup, _services, _placement, _isBackup) = (setup, services, setup.Placement, setup.IsBackup);
        (_epoch, _since) = (setup.Placement.JobEpoch, setup.Placement.Servers[setup.Index].Since);
        _tree = setup.Spec.Training.Tree();
        _watch = new DivergenceWatch(setup.Spec.Stop.DivergenceFactor);
        bool keepsPrevious = !setup.Placement.IsFixed && (setup.Placement.Servers.Length > 1 || setup.Spec.Training.Replicas > 0);
        _shard = new ParameterShard<TensorLease>(setup.Weights, setup.Rule, setup.Layout, Range, _tree, lease => lease.Memory, keepsPrevious,
            setup.Average?.Weights ?? default);
        _norms = new TensorNormSums(setup.Layout.Parameters.Length, setup.Rule.Noise);
        _normsBefore = new TensorNormSums(setup.Layout.Parameters.Length, setup.Rule.Noise);
        _receiveBuffers = new ReceiveBuffers(setup.Weights.Length);
        _receivePacked = new ReceiveBuffers(Bfloat16.PackedLength(setup.Weights.Length));
        _receiveModelBuffers = new ReceiveBuffers(setup.Buffers.Length);
        _nextBuffers = new FlatBuffer(setup.Buffers.Length);
        (_buffers, _previousBuffers) = (setup.Buffers, new FlatBuffer(keepsPrevious ? setup.Buffers.Length : 0).Memory);
        _selectedBuffers = new FlatBuffer(setup.Buffers.Length);
        _restoring = setup.IsRestored;
        if (setup.Planner is { } planner) planner.Assignment = setup.Placement.Assignment;
        BeginProtection();
        Receive<TensorArrived>(OnTensor);
        Receive<NodeDelivery>(OnDelivery);
        Receive<PlacementChanged>(changed => OnPlacement(changed.Placement));
    }

    private ServerPlace Place => _placement.Servers[_setup.Index];

    private KeyRange Range => Place.Range();

    private string Who => $"{(_isBackup ? "backup of " : "")}server {_setup.Index} on {_services.Name}";

    private bool NeedsBuffers => _setup.Buffers.Length > 0;

    private Memory<float> AveragedBuffers => _setup.Average?.Buffers ?? default;

    protected override void PreStart() => Listen();

    protected override void PostStop()
    {
        _listening?.Dispose();
        _pending?.Gradient.Dispose();
        _shard.Dispose();
        ReleaseQueue();
    }

    private void Listen()
    {
        _listening?.Dispose();
        var target = _isBackup ? TensorTarget.Backup : TensorTarget.Server;
        _listening = _services.Channel.Listen(new TensorAddress(JobKey.Of(_setup.Job), target, _setup.Index), new TensorInbox(Self, Accept));
    }

    private TensorLease? Accept(TensorHeader header)
    {
        if (header.JobEpoch != Volatile.Read(ref IsOfThePair(header.Kind) ? ref _since : ref _epoch)) return null;
        switch (header.Kind)
        {
            case TensorKind.Push when header.Range.Length == _setup.Weights.Length && header.Step >= Volatile.Read(ref _expected):
            case TensorKind.Replicate when header.Range.Length == _setup.Weights.Length:
                return _receiveBuffers.Rent();
            case TensorKind.PushBfloat16 when header.Range.Length == Bfloat16.PackedLength(_setup.Weights.Length)
                && header.Step >= Volatile.Read(ref _expected):
                return _receivePacked.Rent();
            case TensorKind.PushBuffers or TensorKind.ReplicateBuffers when header.Range.Length == _setup.Buffers.Length:
                return _receiveModelBuffers.Rent();
            case TensorKind.Restore when header.Range.Length <= Math.Max(_setup.Weights.Length, _setup.Buffers.Length):
                return new TensorLease(new FlatBuffer(header.Range.Length).Memory);
            case TensorKind.Norms when header.Range.Length <= MostNorms:
            case TensorKind.NormSums or TensorKind.ReplicateNorms when header.Range.Length <= MostNorms:
                return new TensorLease(new FlatBuffer(header.Range.Length).Memory);
            case TensorKind.Replicated or TensorKind.ReplicateState when header.Range.IsEmpty:
                return new TensorLease(default);
            default:
                return null;
        }
    }

    private void OnTensor(TensorArrived frame)
    {
        int epoch = IsOfThePair(frame.Header.Kind) ? Place.Since : _placement.JobEpoch;
        bool kept = frame.Header.JobEpoch == epoch && frame.Header.Kind switch
        {
            TensorKind.Push when !_isBackup => OnPush(frame),
            TensorKind.PushBfloat16 when !_isBackup => OnPacked(frame),
            TensorKind.PushBuffers when !_isBackup => OnPushBuffers(frame),
            TensorKind.Restore => OnRestore(frame),
            TensorKind.Replicate or TensorKind.ReplicateBuffers or TensorKind.ReplicateNorms or TensorKind.ReplicateState when _isBackup => OnReplicate(frame),
            TensorKind.Replicated when !_isBackup => OnReplicated(frame.Header),
            TensorKind.Norms when !_isBackup => OnNorms(frame),
            TensorKind.NormSums when !_isBackup => OnNormSums(frame),
            _ => false,
        };
        if (!kept) frame.Payload.Dispose();
        ApplyIfComplete();
    }

    private bool OnPacked(TensorArrived frame)
    {
        var unpacked = _receiveBuffers.Rent();
        Bfloat16.Unpack(frame.Payload.Span, unpacked.Span);
        var whole = new TensorArrived(frame.Header with { Kind = TensorKind.Push, Range = Range }, frame.Meta, unpacked);
        if (!OnPush(whole)) unpacked.Dispose();
        return false; // unpacked
    }

    private bool OnPush(TensorArrived frame)
    {
        var header = frame.Header;
        // the step under way has all of them: what comes is a repeat
        if (_pending is not null || _hasDiverged) return false;
        if (frame.Meta is not PushMeta meta || header.Range != Range || !_tree.Exists(header.Node)) return false;
        // nobody pushes anything else; a hostile peer may not end the job
        if (header.Node.Level > 0 && _setup.Rule.MeasuresLeavesAt(header.Step)) return false;
        var result = new LeafResult(meta.Weight, meta.Metrics.ToMetrics()) { NonFinite = meta.NonFinite };
        bool counted = _shard.Push(header.Step, header.Node, frame.Payload, result);
        if (counted) _plan = meta.Plan.ToPlan();
        return counted;
    }

    private bool OnPushBuffers(TensorArrived frame)
    {
        if (frame.Header.Step != _shard.Version || _buffersArrived) return false;
        frame.Payload.Memory.CopyTo(_nextBuffers.Memory);
        _buffersArrived = true;
        return false; // copied
    }

    private void ApplyIfComplete()
    {
        if (_isBackup || _restoring || _held is not null || _pending is not null || _hasDiverged) return;
        if (!_shard.IsComplete || (NeedsBuffers && !_buffersArrived)) return;
        if (_plan is { } plan && plan.Step == _shard.Version) Begin(plan);
    }

    /// <summary>The step's gradient is complete: it is applied once its norms are known, if any are wanted.</summary>
    private void Begin(StepPlan plan)
    {
        var (gradient, result) = _shard.Take();
        if (_watch.Check(result) is { } diverged) GiveUp(plan, gradient, diverged);
        else if (_shard.NormRounds == 0) Apply(plan, gradient, result);
        else BeginNorms(new PendingStep(plan, gradient, result));
    }

    /// <summary>
    /// Training has diverged: the step is not applied here nor, since all decide alike, elsewhere. The server of key 0 ends training with the weights
    /// that are there.
    /// </summary>
    private void GiveUp(StepPlan plan, TensorLease gradient, DivergedStep diverged)
    {
        gradient.Dispose();
        _shard.Discard();
        _hasDiverged = true;
        if (_setup.Planner is not { } planner) return;
        // of the steps that were applied since the row before
        if (_sinceRow.Count > 0) ReportRow(planner, planner.Before(), plan);
        ProceedOnceProtected(planner.Diverge(diverged));
    }

    private void Apply(StepPlan plan, TensorLease gradient, LeafResult result)
    {
        StepPlan? next = null;
        if (_setup.Planner is { } planner)
        {
            _sinceRow.Add(result.Metrics);
            _lastEpoch = plan.Epoch;
            LeafNorms.Remove(_sinceRow);
            // unless a user's step logs one of its own
            bool isLogged = result.Metrics.TryGet(TensorNormSums.Metric, out _);
            if (!isLogged && _setup.Rule.GradientNorm(_norms) is { } norm) _sinceRow.Add(TensorNormSums.Metric, norm, 1);
            planner.Observe(result.Metrics, planner.MeasuresNoise ? result.Weight : 0, _norms.Noise());
            next = planner.Advance(_sinceRow);
            Report(planner, plan, next, result);
        }
        using (var used = Replicate(plan, gradient, result.Weight))
        {
            long begun = _services.Time.GetTimestamp();
            ApplyTo(plan, gradient.Memory.Span, result.Weight, _nextBuffers.Memory);
            _services.Meter.Phase(_setup.Job, StepPhase.Apply, _services.Time.GetElapsedTime(begun).TotalSeconds);
        }
        _buffersArrived = false;
        AnswerOnceProtected(plan, next);
    }

    /// <summary>Moves the state by one step: the same on a server and on its backup.</summary>
    private void ApplyTo(StepPlan plan, ReadOnlySpan<float> gradient, double weight, ReadOnlyMemory<float> nextBuffers)
    {
        _applied = plan;
        if (plan.Keep) (plan.UsesAverage ? AveragedBuffers : _buffers).CopyTo(_selectedBuffers.Memory);
        MakeRoom();
        _shard.Apply(plan, gradient, weight, _norms);
        if (NeedsBuffers) nextBuffers.CopyTo(_buffers);
        if (NeedsBuffers && plan.AverageShare > 0)
            RunningAverage.AddBuffers(_setup.Layout.Buffers, AveragedBuffers.Span, _buffers.Span, plan.AverageShare, _setup.Average!.UsesBuffers);
        Volatile.Write(ref _expected, _shard.Version);
    }

    /// <summary>
    /// The next version is written over the one before the current one, or over that where no other is kept: what is still lent of it is out of date.
    /// Where a slow receiver is being sent it, other memory is taken.
    /// </summary>
    private void MakeRoom()
    {
        bool keepsPrevious = !_shard.Previous.IsEmpty;
        if (keepsPrevious && _lentWeights.Advance() is { } previous) _shard.ReplacePrevious(previous);
        else if (!keepsPrevious && _lentWeights.Overwrite() is { } other) _shard.MoveTo(other);
        if (!NeedsBuffers) return;
        if (_previousBuffers.Length == 0)
        {
            _buffers = _lentBuffers.Overwrite() ?? _buffers;
            return;
        }
        (_buffers, _previousBuffers) = (_lentBuffers.Advance() ?? _previousBuffers, _buffers);
    }

    private TensorLease LendWeights() => _placement.IsFixed ? new TensorLease(_shard.Weights) : _lentWeights.LendCurrent(_shard.Weights);

    private TensorLease LendBuffers() => _placement.IsFixed ? new TensorLease(_buffers) : _lentBuffers.LendCurrent(_buffers);

    /// <summary>The step is applied, and nothing that could still be lost stands in the way: everyone hears of it.</summary>
    private void Finish(StepPlan plan, StepPlan? next)
    {
        AnswerAll(next);
        // the copy is taken while workers compute
        if (plan.Checkpoint) SendSnapshot();
        if (next is not null) Reached(next);
    }

    private void AnswerAll(StepPlan? plan)
    {
        _newcomers.Clear();
        foreach (var replica in _placement.Replicas) Answer(replica, _shard.Version, plan);
    }

    /// <summary>Sends this server's range, and from the server of key 0 the plan and the buffer section.</summary>
    private void Answer(ReplicaPlace replica, long version, StepPlan? plan)
    {
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Replica, replica.Index);
        var peer = replica.Peer.ToPeer();
        if (NeedsBuffers)
        {
            var buffers = new TensorHeader(TensorKind.AnswerBuffers, to, _placement.JobEpoch, version, default, new KeyRange(0, _setup.Buffers.Length));
            _services.Channel.Send(peer, buffers, null, LendBuffers());
        }
        var header = new TensorHeader(TensorKind.Answer, to, _placement.JobEpoch, version, default, Range);
        var meta = plan is null ? null : new AnswerMeta(WirePlan.From(plan));
        _services.Channel.Send(peer, header, meta, LendWeights());
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
        // a run that is interrupted is gone on with: its row is told when it is due
        bool ends = next.Stop is { } stop && !stop.LeavesOff();
        bool isDue = _setup.Spec.Training.LogEverySteps is { } every && next.Step % every == 0;
        if (next.Evaluate || ends || isDue || next.Epoch != done.Epoch) ReportRow(planner, done, next);
    }

    private void ReportRow(StepPlanner planner, StepPlan done, StepPlan next)
    {
        var told = planner.Told;
        var row = new TrainRow(next.Step, done.Epoch, WireMetrics.From(_sinceRow), told?.LearningRate ?? done.LearningRate, told?.Size ?? done.BatchSize,
            planner.Samples)
        {
            BatchReason = planner.BatchVaries ? (int?)told?.Reason : null,
            NoiseScale = told?.NoiseScale,
            Gain = told?.Gain,
        };
        _rows.Add(row);
        ToTraining(row);
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
            planner.SelectedValue, plan.Keep || planner.SelectedStep is null, _placement.JobEpoch)
        {
            Loss = planner.Diverged?.Loss,
            NonFinite = planner.Diverged?.NonFinite,
            DivergedAtEnd = planner.Diverged?.IsAtEnd ?? false,
            UsesAverage = plan.UsesAverage,
            SelectsAverage = planner.HasAverage(planner.SelectedStep ?? plan.Step),
        });
    }

    private void OnDelivery(NodeDelivery delivery)
    {
        switch (delivery.Body)
        {
            case BeginTraining begin when begin.JobEpoch == _placement.JobEpoch && !_isBackup:
                Begin();
                break;
            case EvaluationSlices slices when _ledger is { Complete: false } ledger && slices.Step == ledger.Step
                && slices.Split == (int)ledger.Split:
                OnSlices(ledger, slices);
                break;
            case RowsStored stored:
                _rows.Stored(stored.Train, stored.Validation);
                _heardAt = _services.Time.GetTimestamp();
                Release();
                ApplyIfComplete();
                break;
            case RequestStop stop when _setup.Planner is { } planner:
                if (stop.Step is { } step) StopHere(planner, step, (StopReason)stop.Reason);
                else planner.RequestStop((StopReason)stop.Reason);
                break;
            case AskVersion ask when ask.JobEpoch == _placement.JobEpoch && !_isBackup:
                ToTraining(new VersionHeld(_setup.Index, ask.JobEpoch, _shard.Version, _pending is not null));
                break;
            case RequestCheckpoint:
                _setup.Planner?.RequestCheckpoint();
                break;
            case CheckpointDone when _setup.Planner is { } planner:
                planner.CheckpointUnderWay = false;
                break;
            case UseAssignment use when use.JobEpoch == _placement.JobEpoch && _setup.Planner is { } planner:
                planner.Assignment = use.Assignment;
                break;
            case CollectParts collect:
                foreach (int part in collect.Parts) SendPart(part);
                break;
            case SaveState save when save.Step == _shard.Version:
                SendSnapshot();
                break;
            case PublishSelected publish:
                Publish(publish.Step, publish.UsesAverage);
                break;
            case FetchVersion fetch when fetch.JobEpoch == _placement.JobEpoch:
                SendVersion(fetch);
                break;
            case FetchAverage fetch when fetch.JobEpoch == _placement.JobEpoch && fetch.Step == _shard.Version:
                SendAverage(fetch);
                break;
            case AskWaiting:
                var waiting = WaitingFor().ToList();
                _services.Router.Send(delivery.From, _setup.Job, NodeActors.Training, new Waiting(Who, _shard.Version,
                    [.. waiting.Select(w => w.Whom)], [.. waiting.Where(w => w.Node is not null).Select(w => w.Node!).Distinct()]));
                break;
        }
    }

    /// <summary>Ends training with the version that is here: it has no workers that could make another one.</summary>
    private void StopHere(StepPlanner planner, long step, StopReason reason)
    {
        if (_placement.Replicas.Length > 0 || planner.Current.Step != step || planner.Current.Stop is not null) return;
        _ledger = null;
        ProceedOnceProtected(planner.StopHere(reason));
    }

    /// <summary>
    /// Begins, or goes on in a new epoch: everyone gets the current version. Whoever has it already takes what the plan asks for anew, since
    /// what was sent to the server's former place is lost.
    /// </summary>
    private void Begin()
    {
        if (_begun) return;
        _begun = true;
        _heardAt = _services.Time.GetTimestamp();
        if (_setup.Planner is not null) ToTraining(_rows.Wire);
        Hold(() =>
        {
            AnswerAll(_setup.Planner?.Current);
            if (_setup.Planner is { } planner) ProceedWith(planner.Current);
        });
        TellNormsAgain();
        ApplyIfComplete();
    }

    private void OnPlacement(JobPlacement placement)
    {
        var before = _placement;
        _placement = placement;
        if (placement.JobEpoch != before.JobEpoch)
        {
            Volatile.Write(ref _epoch, placement.JobEpoch);
            _begun = false;
            (_held, _isAtBarrier) = (null, false);
            _ledger = null;
            if (_setup.Planner is { } planner) (planner.Assignment, planner.CheckpointUnderWay) = (placement.Assignment, false);
        }
        bool isHere = Place.Peer.Node == _services.Channel.Self.Node;
        Volatile.Write(ref _since, Place.Since);
        if (_isBackup && isHere) TakeOver();
        OnBackupChanged(before.Servers[_setup.Index]);
        if (!_begun || _isBackup) return;
        // whoever is new gets the version that is current here; where others are a step ahead or behind it gets theirs too, until they agree
        _newcomers.UnionWith(placement.Replicas.Select(r => r.Index).Except(before.Replicas.Select(r => r.Index)));
        if (_held is null) AnswerNewcomers();
    }

    private void AnswerNewcomers()
    {
        foreach (var replica in _placement.Replicas)
            if (_newcomers.Remove(replica.Index)) Answer(replica, _shard.Version, _setup.Planner?.Current);
    }

    private void OnSlices(EvaluationLedger ledger, EvaluationSlices slices)
    {
        foreach (var slice in slices.Slices) ledger.Add(slice.Slice, slice.Metrics.ToMetrics(), slice.Part, slice.Parts);
        if (!ledger.Complete) return;
        _ledger = null;
        var total = ledger.Total();
        var outcome = _setup.Planner!.Evaluated(total, _watch.FirstLoss);
        var row = new ValidationRow(outcome.Plan.Step, _lastEpoch, WireMetrics.From(total), outcome.Selected);
        _rows.Add(row);
        ToTraining(row);
        ProceedOnceProtected(outcome.Plan);
    }

    private void ProceedWith(StepPlan plan)
    {
        AnswerNewcomers();
        foreach (var replica in _placement.Replicas)
            _services.Router.Send(replica.Peer.Node, _setup.Job, NodeActors.Replica, new Proceed(WirePlan.From(plan)));
        Reached(plan);
    }

    private IEnumerable<(string Whom, string? Node)> WaitingFor()
    {
        if (_held is not null && !AwaitsBackup)
        {
            yield return ($"the coordinator (rows of step {_shard.Version})", null);
            yield break;
        }
        if (_held is not null)
        {
            yield return ($"the backup of server {_setup.Index} on {Backup?.Node} (step {_shard.Version - 1})", Backup?.Node.Value);
            yield break;
        }
        if (!_begun)
        {
            yield return (_restoring ? $"the state of server {_setup.Index}" : "the start of training", null);
            yield break;
        }
        if (_ledger is { } ledger)
        {
            int workers = _placement.Replicas.Sum(r => r.Workers.Length);
            var late = ledger.Missing.Select(slice => slice % workers).ToHashSet();
            int position = 0;
            foreach (var (replica, worker) in Workers())
                if (late.Contains(position++)) yield return ($"worker {worker.Index} on {replica.Peer.Node} (evaluation at step {ledger.Step})", replica.Peer.Node.Value);
            yield break;
        }
        if (_hasDiverged || _setup.Planner?.Current.Stop is not null) yield break;
        if (_pending is not null)
        {
            foreach (var wait in WaitingForNorms()) yield return wait;
            yield break;
        }
        var missing = _shard.MissingShards().ToHashSet();
        foreach (var (replica, worker) in Workers())
        {
            if (Enumerable.Range(worker.ShardBegin, worker.ShardEnd - worker.ShardBegin).Any(missing.Contains))
                yield return ($"worker {worker.Index} on {replica.Peer.Node} (step {_shard.Version})", replica.Peer.Node.Value);
        }
    }

    private IEnumerable<(ReplicaPlace Replica, WorkerPlace Worker)> Workers() =>
        _placement.Replicas.SelectMany(r => r.Workers.Select(w => (r, w)));

    private void ToTraining(IWireMessage body) =>
        _services.Router.Send(_placement.Coordinator.Node, _setup.Job, NodeActors.Training, body);
}
