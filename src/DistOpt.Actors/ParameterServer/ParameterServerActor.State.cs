using System.Collections.ObjectModel;
using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>A server's state as a whole: copied for a checkpoint or a backup, sent, and taken in again.</summary>
internal sealed partial class ParameterServerActor
{
    /// <summary>Receiver of checkpoints on the coordinator's node; index 0 collects the weights at the end of a run.</summary>
    public const int CheckpointCollector = 1;

    private readonly StateCopies _copies = new();
    private readonly Dictionary<int, long> _missing = [];
    private bool _restoring;
    private TrainingState? _restoredState;
    private RowsKept? _restoredRows;
    private IActorRef? _writer;

    /// <summary>What belongs to the vectors. On servers other than that of key 0 only the versions and the first loss count.</summary>
    private TrainingState State() => _setup.Planner is { } planner
        ? planner.Save() with { LastEpoch = _lastEpoch, SinceRow = _sinceRow.Copy(), FirstLoss = _watch.FirstLoss }
        : new TrainingState
        {
            Step = _shard.Version,
            SelectedStep = _shard.SelectedVersion < 0 ? null : _shard.SelectedVersion,
            FirstLoss = _watch.FirstLoss,
        };

    private StateCopy Copy(bool withSelected)
    {
        var copy = _copies.Rent();
        copy.Add(CheckpointPart.Weights, Range, _shard.Weights);
        for (int i = 0; i < _shard.Slots.Count; i++) copy.Add(CheckpointPart.Slot(i), _setup.State.RangeOf(CheckpointPart.Slot(i), Range), _shard.Slots[i]);
        var buffers = new KeyRange(0, _setup.Buffers.Length);
        copy.Add(CheckpointPart.Buffers, buffers, _buffers);
        if (_setup.Average is not null)
        {
            copy.Add(CheckpointPart.AveragedWeights, Range, _shard.Average);
            copy.Add(CheckpointPart.AveragedBuffers, buffers, AveragedBuffers);
        }
        if (!withSelected || _shard.SelectedVersion < 0) return copy;
        copy.Add(CheckpointPart.SelectedWeights, Range, _shard.Selected);
        copy.Add(CheckpointPart.SelectedBuffers, buffers, _selectedBuffers.Memory);
        return copy;
    }

    /// <summary>
    /// Copies the state at once and sends it to the coordinator, slice by slice, while steps go on; or writes it to shared storage on another
    /// thread.
    /// </summary>
    private void SendSnapshot()
    {
        long begin = _services.Time.GetTimestamp();
        var state = State();
        var copy = Copy(withSelected: true);
        var meta = _setup.Planner is null ? null : new StateMeta(WireState.From(state), _services.Time.GetElapsedTime(begin).TotalSeconds);
        if (_setup.Spec.Storage.Kind == StorageSection.Shared)
        {
            _writer ??= Context.ActorOf(StateWriterActor.Props(_setup, _services));
            var slices = copy.Slices(StateSlices.Length(_setup.Layout.ParameterCount)).ToList();
            _writer.Tell(new WriteState(_placement.JobEpoch, _shard.Version, _placement.Coordinator.Node, begin, meta, slices));
            return;
        }
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Collector, CheckpointCollector);
        Send(copy, TensorKind.Snapshot, _placement.Coordinator, to, meta);
    }

    private void Send(StateCopy copy, TensorKind kind, WirePeer peer, TensorAddress to, IWireMessage? firstMeta)
    {
        var target = peer.ToPeer();
        foreach (var (part, range, values) in copy.Slices(StateSlices.Length(_setup.Layout.ParameterCount)).ToList())
        {
            int epoch = kind == TensorKind.Restore ? Place.Since : _placement.JobEpoch;
            _services.Channel.Send(target, new TensorHeader(kind, to, epoch, _shard.Version, default, range, part), firstMeta, values);
            firstMeta = null;
        }
    }

    /// <summary>Takes in a slice of the state to go on from. The first one says which vectors there are.</summary>
    private bool OnRestore(TensorArrived frame)
    {
        if (!_restoring) return false;
        var header = frame.Header;
        if (frame.Meta is StateMeta meta) ExpectState(meta.State.ToState(), meta.Rows);
        if (_restoredState is not { } state || header.Step != state.Step || !_missing.TryGetValue(header.Part, out long missing)) return false;
        var target = RestoreTarget(header.Part);
        long offset = header.Range.Begin - _setup.State.RangeOf(header.Part, Range).Begin;
        if (offset < 0 || offset + header.Range.Length > target.Length) return false;
        frame.Payload.Memory.CopyTo(target.Slice((int)offset, (int)header.Range.Length));
        _missing[header.Part] = missing - header.Range.Length;
        if (_missing.Values.All(left => left == 0)) Restored(state);
        return false; // copied
    }

    private void ExpectState(TrainingState state, RowsKept? rows)
    {
        (_restoredState, _restoredRows) = (state, rows);
        _missing.Clear();
        // the state of key 0 speaks of the selection; the others know by their version whether they kept anything
        bool selected = state.HasSelected;
        foreach (var vector in _setup.State.Vectors(selected))
        {
            long length = _setup.State.RangeOf(vector.Part, Range).Length;
            if (length > 0) _missing[vector.Part] = length;
        }
    }

    private Memory<float> RestoreTarget(int part) => part switch
    {
        CheckpointPart.Weights => _shard.Weights,
        CheckpointPart.Buffers => _buffers,
        CheckpointPart.SelectedWeights => _shard.SelectedToRestore,
        CheckpointPart.SelectedBuffers => _selectedBuffers.Memory,
        CheckpointPart.AveragedWeights => _shard.Average,
        CheckpointPart.AveragedBuffers => AveragedBuffers,
        _ => _shard.Slots[part - CheckpointPart.FirstSlot],
    };

    private void Restored(TrainingState state)
    {
        _restoring = false;
        _shard.Restore(state.Step, state.HasSelected ? state.SelectedStep!.Value : -1);
        Volatile.Write(ref _expected, _shard.Version);
        // a coordinator of the version before sends none
        Adopt(state, _restoredRows ?? KeptRows.Of(state, ReadOnlyDictionary<string, double>.Empty));
        if (!_isBackup && _setup.Planner is { Current.Evaluate: true } planner && _sinceRow.Count > 0) ReportRow(planner, planner.Before(), planner.Current);
        if (!_isBackup || _isSeededByCoordinator) ToTraining(new ServerRestored(_setup.Index, _placement.JobEpoch, _shard.Version, _isBackup));
        if (!_isBackup) return;
        if (!_isSeededByCoordinator) Acknowledge(SeedTaken);
        CatchUp();
    }

    /// <summary>Takes over the planner's part of a state.</summary>
    private void Adopt(TrainingState state, RowsKept? rows)
    {
        _watch.FirstLoss = state.FirstLoss;
        if (_setup.Planner is not { } planner) return;
        if (rows is not null) _rows.Restore(rows);
        planner.Restore(state);
        _lastEpoch = state.LastEpoch;
        _sinceRow.Clear();
        _sinceRow.Add(state.SinceRow);
    }

    /// <summary>Sends a vector, uncopied, to the collector: after the last step.</summary>
    private void SendPart(int part)
    {
        bool isBuffers = CheckpointPart.IsBuffers(part);
        if (isBuffers && !NeedsBuffers) return;
        var memory = part switch
        {
            CheckpointPart.Weights => _shard.Weights,
            CheckpointPart.Buffers => _buffers,
            CheckpointPart.SelectedWeights => _shard.Selected,
            CheckpointPart.SelectedBuffers => _selectedBuffers.Memory,
            CheckpointPart.AveragedWeights => _shard.Average,
            CheckpointPart.AveragedBuffers => AveragedBuffers,
            _ => throw new ArgumentOutOfRangeException(nameof(part), part, "no such part"),
        };
        var range = isBuffers ? new KeyRange(0, _setup.Buffers.Length) : Range;
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Collector, 0);
        var header = new TensorHeader(TensorKind.Snapshot, to, _placement.JobEpoch, _shard.Version, default, range, part);
        _services.Channel.Send(_placement.Coordinator.ToPeer(), header, null, new TensorLease(memory));
    }

    /// <summary>Sends the asked version, if it is one that is kept, for a step that somebody has left behind.</summary>
    private void SendVersion(FetchVersion fetch)
    {
        bool isCurrent = fetch.Step == _shard.Version;
        if (!isCurrent && fetch.Step != _shard.PreviousVersion) return; // nobody needs it: every server is beyond that step
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Recovery, fetch.Address);
        var peer = fetch.Peer.ToPeer();
        var weights = new TensorHeader(TensorKind.Version, to, _placement.JobEpoch, fetch.Step, default, Range, CheckpointPart.Weights);
        if (NeedsBuffers)
        {
            var buffers = new TensorHeader(TensorKind.Version, to, _placement.JobEpoch, fetch.Step, default,
                new KeyRange(0, _setup.Buffers.Length), CheckpointPart.Buffers);
            _services.Channel.Send(peer, buffers, null, isCurrent ? LendBuffers() : _lentBuffers.LendPrevious(_previousBuffers));
        }
        var plan = _setup.Planner is null ? null : isCurrent ? _setup.Planner.Current : _applied;
        _services.Channel.Send(peer, weights, plan is null ? null : new AnswerMeta(WirePlan.From(plan)),
            isCurrent ? LendWeights() : _lentWeights.LendPrevious(_shard.Previous));
    }

    /// <summary>Sends the average of the barrier's version to a replica that does not share this memory.</summary>
    private void SendAverage(FetchAverage fetch)
    {
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Replica, fetch.Replica);
        Send(CheckpointPart.AveragedWeights, Range, _shard.Average);
        if (NeedsBuffers) Send(CheckpointPart.AveragedBuffers, new KeyRange(0, AveragedBuffers.Length), AveragedBuffers);

        void Send(int part, KeyRange range, Memory<float> values) => _services.Channel.Send(fetch.Peer.ToPeer(),
            new TensorHeader(TensorKind.Average, to, _placement.JobEpoch, fetch.Step, default, range, part), null, new TensorLease(values));
    }

    private void Publish(long version, bool usesAverage)
    {
        if (_lentWeights.Overwrite() is { } other) _shard.MoveTo(other);
        _shard.LoadSelected(usesAverage);
        if (NeedsBuffers) _buffers = _lentBuffers.Overwrite() ?? _buffers;
        if (NeedsBuffers) (usesAverage ? AveragedBuffers : _selectedBuffers.Memory).CopyTo(_buffers);
        foreach (var replica in _placement.Replicas) Answer(replica, version, null);
    }
}
