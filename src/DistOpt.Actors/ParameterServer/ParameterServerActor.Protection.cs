using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>
/// Server and backup (<c>training.replicas</c>). The server answers a step only when the backup holds its whole gradient sum, so that whatever
/// a worker has seen survives the server. A new backup is seeded with a copy while steps go on; until it has caught up, the key range is
/// unprotected.
/// </summary>
internal sealed partial class ParameterServerActor
{
    /// <summary>Number by which a backup says that it has taken in the state that it was seeded with.</summary>
    private const int SeedTaken = 0;

    /// <summary>Steps that a backup may be behind while it is being seeded; beyond that the server waits for it.</summary>
    private const int SeedingWindow = 8;

    private readonly Queue<TensorArrived> _queue = new();
    private bool _isSeededByCoordinator;
    private bool _isStrict;

    // numbers of what was sent to backups and what the present one holds. They are never used again: a former backup may still acknowledge
    private int _sent;
    private int _acknowledged;

    // version with which the backup was seeded, without the one before it, and the number that stands for that
    private long _seedVersion = -1;
    private int _seedNumber;
    private Action? _held;

    // an evaluation is complete and its row is told
    private bool _isAtBarrier;
    private long _heardAt;

    private WirePeer? Backup => Place.Backup;

    /// <summary>
    /// Frames between a server and its backup name the epoch since which it is the server, so that a new epoch that concerns others does not
    /// disturb them.
    /// </summary>
    private static bool IsOfThePair(TensorKind kind) => kind is TensorKind.Restore or TensorKind.Replicate or TensorKind.ReplicateBuffers
        or TensorKind.ReplicateNorms or TensorKind.ReplicateState or TensorKind.Replicated;

    /// <summary>A backup that begins with the epoch gets its state where the server does.</summary>
    private void BeginProtection() => _isStrict = _isSeededByCoordinator = Backup is not null && Place.BackupIsSeeded;

    /// <summary>
    /// Sends the step to the backup. Returns what the caller disposes in place of the gradient's lease once it has used the gradient itself.
    /// </summary>
    private IDisposable Replicate(StepPlan plan, TensorLease gradient, double weight)
    {
        if (Backup is null) return gradient;
        if (NeedsBuffers)
        {
            var next = _receiveModelBuffers.Rent();
            _nextBuffers.Memory.CopyTo(next.Memory);
            ToBackup(TensorKind.ReplicateBuffers, plan.Step, new KeyRange(0, next.Memory.Length), null, next);
        }
        var meta = new ReplicateMeta(WirePlan.From(plan), weight, WireState.From(State()))
        {
            Rows = RowsForBackup,
            Norms = NormsForBackup,
        };
        if (NormsOfLeavesAt(plan.Step) is { } measured)
        {
            // memory that is used again two steps on, which a backup that is behind has not taken in yet
            var kept = _isStrict ? measured.Memory : measured.Span.ToArray();
            ToBackup(TensorKind.ReplicateNorms, plan.Step, new KeyRange(0, kept.Length), null, new TensorLease(kept));
        }
        _sent++;
        if (!_isStrict)
        {
            // workers may go on before the backup has it, and the memory may be theirs
            var copy = _receiveBuffers.Rent();
            gradient.Memory[.._setup.Weights.Length].CopyTo(copy.Memory);
            ToBackup(TensorKind.Replicate, plan.Step, Range, meta, copy);
            return gradient;
        }
        var shared = new SharedLease(gradient, 2);
        ToBackup(TensorKind.Replicate, plan.Step, Range, meta, new TensorLease(gradient.Memory[.._setup.Weights.Length], _ => shared.Dispose()));
        return shared;
    }

    private void ToBackup(TensorKind kind, long step, KeyRange range, IWireMessage? meta, TensorLease payload)
    {
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Backup, _setup.Index);
        _services.Channel.Send(Backup!.ToPeer(), new TensorHeader(kind, to, Place.Since, step, default, range, _sent), meta, payload);
    }

    private void AnswerOnceProtected(StepPlan plan, StepPlan? next) => Hold(() => Finish(plan, next));

    private void ProceedOnceProtected(StepPlan plan)
    {
        if (Backup is not null)
        {
            _sent++;
            var meta = new StateMeta(WireState.From(State()), 0) { Rows = RowsForBackup };
            ToBackup(TensorKind.ReplicateState, plan.Step, default, meta, new TensorLease(default));
        }
        _isAtBarrier = true;
        Hold(() => ProceedWith(plan));
    }

    private RowsKept? RowsForBackup => _setup.Planner is null ? null : _rows.Wire;

    private void Hold(Action go)
    {
        if (!MustWait())
        {
            _isAtBarrier = false;
            go();
            return;
        }
        _held = go;
    }

    private bool MustWait() => AwaitsBackup || AwaitsCoordinator;

    private bool AwaitsBackup => Backup is not null && (_isStrict ? _acknowledged < _sent : _sent - _acknowledged > SeedingWindow);

    /// <summary>
    /// At a barrier until its rows are stored; at any step once the coordinator has been silent for too long. Where it shares this process for good
    /// there is nobody left to go on without it.
    /// </summary>
    private bool AwaitsCoordinator => _setup.Planner is not null && !_placement.IsFixed && ((_isAtBarrier && !_rows.AreStored)
        || _services.Time.GetElapsedTime(_heardAt).TotalSeconds > _setup.Spec.Training.CoordinatorGrace);

    private bool OnReplicated(TensorHeader header)
    {
        _acknowledged = Math.Max(_acknowledged, header.Part == SeedTaken ? _seedNumber : header.Part);
        // it must hold the version before too: others may still be at that step, and whoever recomputes it fetches it here
        if (!_isStrict && Backup is not null && _acknowledged >= _sent && header.Step > _seedVersion)
        {
            _isStrict = true;
            ToTraining(new BackupSeeded(_setup.Index, _placement.JobEpoch, Backup.Node));
        }
        Release();
        return false;
    }

    private void Release()
    {
        if (_held is not { } go || MustWait()) return;
        (_held, _isAtBarrier) = (null, false);
        go();
    }

    /// <summary>The placement has changed: the backup is another one, or there is none any more.</summary>
    private void OnBackupChanged(ServerPlace before)
    {
        if (_isBackup) return;
        if (Backup?.Node != before.Backup?.Node || Place.Peer.Node != before.Peer.Node)
        {
            _isStrict = false;
            if (Backup is not null) Seed(Backup);
        }
        else if (_isStrict && Backup is not null && !Place.BackupIsSeeded)
        {
            // whoever coordinates now has not heard of it
            ToTraining(new BackupSeeded(_setup.Index, _placement.JobEpoch, Backup.Node));
        }
        Release();
    }

    /// <summary>Sends the state of this moment; the steps after it follow by <see cref="Replicate"/>, to the same address and so in order.</summary>
    private void Seed(WirePeer backup)
    {
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Backup, _setup.Index);
        var state = State();
        bool selected = state.HasSelected && _shard.SelectedVersion >= 0;
        (_seedNumber, _acknowledged, _seedVersion) = (_sent, _sent - 1, _shard.Version);
        Send(Copy(selected), TensorKind.Restore, backup, to, new StateMeta(WireState.From(state), 0) { Rows = RowsForBackup });
    }

    private bool OnReplicate(TensorArrived frame)
    {
        _queue.Enqueue(frame);
        if (!_restoring) CatchUp();
        return true;
    }

    /// <summary>
    /// Applies what has come, in order, and says so after each: within a process the gradient is the server's memory until then.
    /// </summary>
    private void CatchUp()
    {
        while (_queue.TryDequeue(out var frame))
        {
            using var payload = frame.Payload;
            var header = frame.Header;
            if (header.Step != _shard.Version) continue;
            switch (header.Kind)
            {
                case TensorKind.ReplicateBuffers:
                    payload.Memory.CopyTo(_nextBuffers.Memory);
                    break;
                case TensorKind.ReplicateNorms when header.Range.Length == 2 * _shard.NormCount(0):
                    payload.Memory.CopyTo((_measuredByServer ??= new FlatBuffer(header.Range.Length)).Memory);
                    break;
                case TensorKind.Replicate when frame.Meta is ReplicateMeta meta && header.Range == Range:
                    TakeNorms(meta, payload.Memory.Span);
                    ApplyTo(meta.Plan.ToPlan(), payload.Memory.Span, meta.Weight, _nextBuffers.Memory);
                    Adopt(meta.State.ToState(), meta.Rows);
                    Acknowledge(header.Part);
                    break;
                case TensorKind.ReplicateState when frame.Meta is StateMeta meta:
                    Adopt(meta.State.ToState(), meta.Rows);
                    Acknowledge(header.Part);
                    break;
            }
        }
    }

    private void Acknowledge(int number)
    {
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Server, _setup.Index);
        var header = new TensorHeader(TensorKind.Replicated, to, Place.Since, _shard.Version, default, default, number);
        _services.Channel.Send(Place.Peer.ToPeer(), header, null, new TensorLease(default));
    }

    /// <summary>Becomes the server, in the epoch that says so.</summary>
    private void TakeOver()
    {
        _isBackup = false;
        _held = null;
        _plan = null;
        _buffersArrived = false;
        _isStrict = false;
        ReleaseQueue();
        Listen();
    }

    private void ReleaseQueue()
    {
        while (_queue.TryDequeue(out var frame)) frame.Payload.Dispose();
    }

    /// <summary>Memory that several use: the last one gives it back. Thread-safe.</summary>
    private sealed class SharedLease(TensorLease inner, int users) : IDisposable
    {
        private int _users = users;

        public Memory<float> Memory => inner.Memory;

        public void Dispose()
        {
            if (Interlocked.Decrement(ref _users) == 0) inner.Dispose();
        }
    }
}
