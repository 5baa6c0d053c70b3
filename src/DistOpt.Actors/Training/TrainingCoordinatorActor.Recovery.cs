using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using DistOpt.Protocol.Journal;

namespace DistOpt.Actors.Training;

/// <summary>
/// Nodes that go and come. Workers: their gradient shards fall to others, and steps go on. Servers: a backup takes over, or everyone goes back
/// to the last checkpoint; both in a new epoch. New nodes get workers and backups.
/// </summary>
internal sealed partial class TrainingCoordinatorActor
{
    private const string NodesTimer = "nodes";
    private const string WorkersTimer = "workers";
    private const string AnyWorker = "a node with a worker slot (all workers of the job are lost)";

    private readonly Dictionary<string, WirePeer> _peers = new(StringComparer.Ordinal);
    private readonly Dictionary<NodeId, string> _refused = [];
    private readonly HashSet<(int Server, bool IsBackup)> _restored = [];
    private int _nextReplica;
    private Checkpoint? _restoring;
    private IActorRef? _restorer;
    private Action? _onceStored;

    // nodes hear of the placement once the journal has it
    private bool _isStoreAwaited;

    // servers and backups to which slices of the checkpoint are on the way
    private IReadOnlyCollection<(int Server, bool IsBackup)> _restoreUnderWay = [];
    private int _epoch;
    private int _workerFailures;
    private int _serverFailures;
    private int _rollbacks;
    private long _stepsRedone;
    private Return? _return;
    private long _shardsRedone;

    // of these, what the replicas that are there have told; they tell it again to whoever takes over
    private readonly Dictionary<int, long> _redoneBy = [];

    private sealed record WorkersTimeIsUp : INoSerializationVerificationNeeded;

    /// <summary>The way back to a checkpoint, until steps go on from there.</summary>
    /// <param name="At">Steps that were complete when state was lost.</param>
    /// <param name="RedoneBefore">Steps that were to be done again before that.</param>
    /// <param name="To">Step of the checkpoint, once nodes are told of it; -1 before.</param>
    private sealed record Return(long At, long RedoneBefore, long To = -1);

    /// <summary>Steps whose gradients were computed, those that were computed again included; parts of a step add up.</summary>
    private long StepsComputed(long steps) =>
        steps + _stepsRedone + (_shardsRedone + Spec.Training.GradientShards!.Value - 1) / Spec.Training.GradientShards.Value;

    private void OnRedone(NodeId from, ShardsRedone redone)
    {
        if (redone.Total == 0) _shardsRedone += redone.Shards; // of a build that does not say
        else if (_topology?.Replicas.FirstOrDefault(r => r.Node == from.Value) is { } replica)
        {
            _shardsRedone += Math.Max(0, redone.Total - _redoneBy.GetValueOrDefault(replica.Index));
            _redoneBy[replica.Index] = Math.Max(redone.Total, _redoneBy.GetValueOrDefault(replica.Index));
        }
    }

    /// <summary>Starts servers and workers of the epoch, from the newest checkpoint if the job has one to go on from.</summary>
    private void StartEpoch()
    {
        Enter("starting");
        _acknowledged.Clear();
        _atWork.Clear();
        _restored.Clear();
        _writer?.Tell(new CollectInEpoch(_epoch));
        _restoring?.Dispose();
        _restoring = OpenToRestore();
        _restorer = null;
        long from = _restoring?.Step ?? 0;
        if (_return is { } lost) _stepsRedone = lost.RedoneBefore + Math.Max(0, lost.At - from);
        var start = new StartJob(_wirePlacement!, _restoring?.Step ?? -1);
        Store(() =>
        {
            if (_return is { } back && back.To != from)
            {
                _return = back with { To = from };
                string where = start.RestoreStep >= 0 ? $"the checkpoint of step {from}" : "its beginning";
                // before steps went on from the first one
                Note("warning", back.To < 0 ? $"server state was lost: the job goes back to {where}" : $"another node was lost meanwhile: instead the job goes back to {where}");
            }
            // also to nodes that have no part in it: they end what they had in the epoch before
            foreach (var node in _asked) Send(node, NodeActors.Agent, start);
        }, isAwaited: true);
    }

    /// <summary>Stores the placement, and goes on once that is done, unless it is no longer the placement then.</summary>
    /// <param name="isAwaited">Whether the job stands still until then.</param>
    private void Store(Action then, bool isAwaited = false)
    {
        (_onceStored, _isStoreAwaited) = (then, isAwaited);
        var begun = _sinkStarted ? _services.Time.GetUtcNow() - TimeSpan.FromSeconds(_progress.WallSeconds) : _begunAt;
        var record = new PlacementRecord(_wirePlacement!, begun.ToUnixTimeMilliseconds(), _workerFailures, _serverFailures, _rollbacks, _stepsRedone,
            _shardsRedone)
        {
            Failures = [.. _failures.All.Select(JournalFailure.From)],
            NodesOut = [.. _userFailures.Out],
            Standstill = new JournalStandstill(_standstill.Step, _standstill.Losses, _standstill.Nodes),
            RedoneBy = [.. _topology!.Replicas.Where(r => _redoneBy.ContainsKey(r.Index)).Select(r => new ReplicaRedone(r.Index, _redoneBy[r.Index]))],
        };
        Context.Parent.Tell(new StorePlacement(_submission.Job, _topology!.Epoch, _topology.Assignment, record.Write()));
    }

    private void OnPlacementStored(PlacementStored stored)
    {
        if (_ended || _topology is not { } topology || (stored.Epoch, stored.Assignment) != (topology.Epoch, topology.Assignment)) return;
        var then = _onceStored;
        if (_isStoreAwaited)
        {
            // those who hear of it now have all their time
            _progress.Moved();
            WaitFor(null);
        }
        (_onceStored, _isStoreAwaited) = (null, false);
        then?.Invoke();
    }

    /// <summary>Sends the checkpoint once servers of the new epoch listen: those of the one before would refuse it.</summary>
    private void StartRestore()
    {
        if (_restoring is not { } checkpoint) return;
        _restoring = null;
        _restoreUnderWay = [];
        var (placement, layout, manifest) = (_wirePlacement!, StateLayout, Own(checkpoint.Manifest));
        _restorer = Context.ActorOf(Props.Create(() => new RestoreActor(_submission.Job, _services, placement, checkpoint, manifest, layout))
            .WithDispatcher(_services.ComputeDispatcher));
    }

    private Checkpoint? OpenToRestore()
    {
        if (_store is null || (_epoch == 1 && _resumed is null)) return null;
        // a folder that is not mounted any more is no folder without checkpoints
        _store.CheckShared();
        var skipped = new List<SkippedCheckpoint>();
        var checkpoint = _store.OpenNewest(skipped);
        foreach (var skip in skipped) Note("warning", skip.ToString());
        _latestCheckpoint = checkpoint?.Step;
        // whoever asked for a checkpoint gets the first one from there on
        if (_askedSince is { } asked) _askedSince = Math.Min(asked, _latestCheckpoint ?? 0);
        return checkpoint;
    }

    private void OnRestoreMoved(RestoreMoved moved)
    {
        if (!Sender.Equals(_restorer)) return;
        _restoreUnderWay = moved.UnderWay;
        _progress.Moved();
    }

    /// <summary>Servers and backups that have not taken in the checkpoint; while slices are on the way those that do not take them.</summary>
    private List<(string Whom, string? Node)> NotRestored(JobTopology topology)
    {
        if (_restorer is null) return [];
        var missing = topology.Servers.Select(s => (s.Index, IsBackup: false, Node: (string?)s.Node))
            .Concat(topology.Servers.Where(s => s is { Backup: not null, Seeded: true }).Select(s => (s.Index, IsBackup: true, Node: s.Backup)))
            .Where(s => !_restored.Contains((s.Index, s.IsBackup))).ToList();
        if (_restoreUnderWay.Count > 0) missing.RemoveAll(s => !_restoreUnderWay.Contains((s.Index, s.IsBackup)));
        return [.. missing.Select(s =>
            ($"{(s.IsBackup ? "the backup of " : "")}server {s.Index} on {NameOf(s.Node!)} (to take in the checkpoint of step {_latestCheckpoint})", s.Node))];
    }

    private void OnStarted(NodeId node, JobStarted started)
    {
        if (_topology is not { } topology || started.JobEpoch != topology.Epoch || started.Assignment != topology.Assignment) return;
        _acknowledged.Add(node);
        if (topology.Replicas.Any(r => r.Node == node.Value)) _atWork.Add(node.Value);
        if (topology.Nodes.Any(n => !_acknowledged.Contains(new NodeId(n)))) return;
        if (_state == "training")
        {
            AllAssigned(topology);
            return;
        }
        StartRestore();
        BeginIfReady();
    }

    private void OnRestored(ServerRestored restored)
    {
        if (restored.JobEpoch != _epoch) return;
        _restored.Add((restored.Server, restored.IsBackup));
        BeginIfReady();
    }

    private void BeginIfReady()
    {
        if (_state != "starting" || _restoring is not null || _topology is not { } topology) return;
        if (topology.Nodes.Any(n => !_acknowledged.Contains(new NodeId(n)))) return;
        if (_restorer is not null)
        {
            int expected = topology.Servers.Length + topology.Servers.Count(s => s is { Backup: not null, Seeded: true });
            if (_restored.Count < expected) return;
        }
        Begin();
    }

    /// <summary>Every node knows the placement: servers begin the new epoch, or plans name the new assignment.</summary>
    private void AllAssigned(JobTopology topology)
    {
        if (topology.Epoch != _begunEpoch)
        {
            _begunEpoch = topology.Epoch;
            TellBegin(topology.Epoch);
            if (_pendingStop is { } reason) Stop(reason);
            ScheduleCheckpoint();
        }
        else
        {
            Send(FirstServer.Peer.Node, NodeActors.Server(0), new UseAssignment(topology.Epoch, topology.Assignment));
        }
        if (_leftBehind.Count > 0)
        {
            EndLeftBehind();
            TellPlaced();
        }
        LeaveOffIfIdle();
        Grow();
    }

    private void TellBegin(int epoch)
    {
        TellStored();
        foreach (var server in _wirePlacement!.Servers) Send(server.Peer.Node, NodeActors.Server(server.Index), new BeginTraining(epoch));
        foreach (var replica in _wirePlacement.Replicas) Send(replica.Peer.Node, NodeActors.Replica, new BeginTraining(epoch));
    }

    private void OnSeeded(BackupSeeded seeded)
    {
        if (_topology is not { } topology) return;
        var server = topology.Servers[seeded.Server];
        if (server.Backup != seeded.Backup.Value || server.Since > seeded.JobEpoch) return;
        _topology = topology.WithSeeded(seeded.Server);
        _wirePlacement = ToWire(_topology);
        if (_onceStored is null) Store(() => { });
        Note("information", $"server {server.Index} on {NameOf(server.Node)} is protected by a backup on {NameOf(server.Backup)}");
        TellStatus();
        Grow();
    }

    private void OnNodeGone(NodeGone gone)
    {
        if (IsIsolated)
        {
            LoseProcess(gone);
            return;
        }
        _offered.Remove(gone.Node.Value);
        _asked.Remove(gone.Node);
        _prepared.Remove(gone.Node);
        _leftBehind.Remove(gone.Node.Value);
        if (_found is not null) OnRunning(gone.Node, new JobRunning(gone.Node.Value, 0, false, false));
        Lose(new HashSet<string>(StringComparer.Ordinal) { gone.Node.Value }, gone.Why);
        Amend(gone);
        ForgetLines(gone.Node);
    }

    /// <summary>Goes on without these nodes.</summary>
    private void Lose(HashSet<string> lost, string why)
    {
        if (_ended || _topology is not { } topology) return;
        var recovery = topology.After(lost);
        if (recovery == Recovery.None) return;
        foreach (string node in lost) Note("warning", $"node {NameOf(node)} was lost ({why}) at step {_progress.CurrentStep}");
        CountLost(topology, lost, why, _progress.CurrentStep);
        if (topology.IsFixed)
        {
            Fail($"node {string.Join(", ", lost.Select(NameOf))} was lost ({why}) at step {_progress.CurrentStep}");
            return;
        }
        if (FailsForStandstill()) return;
        var next = recovery == Recovery.Rollback || _state is "preparing" or "starting" ? null : topology.Without(lost);
        // the selected weights are loaded by now: nobody holds the last ones any more
        if (_state == "testing" && (recovery == Recovery.Promote || next is { Replicas.IsEmpty: true })) next = null;
        if (next is null)
        {
            GoBack(topology);
            return;
        }
        if (recovery == Recovery.Promote) BackToTraining();
        Assign(next);
    }

    /// <param name="step">Steps that were complete, as far as is known.</param>
    private void CountLost(JobTopology topology, HashSet<string> lost, string why, long step)
    {
        var own = lost.Where(topology.Nodes.Contains).ToList();
        foreach (string node in own) AddLoss(topology, node, why);
        if (own.Count > 0) _standstill.Lose(step, own.Count, topology.Nodes.Count());
        int workers = topology.Replicas.Count(r => lost.Contains(r.Node)), servers = topology.Servers.Count(s => lost.Contains(s.Node));
        (_workerFailures, _serverFailures) = (_workerFailures + workers, _serverFailures + servers);
        _services.Meter.Failure(FailureKind.Worker, workers);
        _services.Meter.Failure(FailureKind.Server, servers);
    }

    /// <summary>Everyone returns to the last checkpoint, on the nodes that are there.</summary>
    private void GoBack(JobTopology topology)
    {
        if (_sinkStarted) CountReturn(_progress.CurrentStep);
        if (_restorer is not null) Context.Stop(_restorer);
        BackToTraining();
        PlaceAnew(topology);
    }

    /// <summary>Counts a return once, however often it is begun anew before steps go on.</summary>
    /// <param name="from">Steps that were complete.</param>
    private void CountReturn(long from)
    {
        if (_return is not null) return;
        _rollbacks++;
        _return = new Return(from, _stepsRedone);
    }

    private void PlaceAnew(JobTopology topology)
    {
        // of the placement that is given up
        Timers.Cancel(WorkersTimer);
        _nextReplica = topology.NextReplica;
        _topology = null;
        (_onceStored, _isStoreAwaited) = (null, false);
        Enter("placing");
        Timers.StartSingleTimer(NodesTimer, new GiveUp(), TimeSpan.FromSeconds(Spec.Training.NodeTimeout));
        Place();
        TellPlaced();
        LeaveOffIfIdle();
    }

    /// <summary>Steps are to be done again or anew: what was begun at the end of training is given up.</summary>
    private void BackToTraining()
    {
        _training = null;
        _final.Clear();
        _awaitCheckpoint = null;
        Timers.Cancel("give-up");
        Timers.Cancel(CheckpointTimer);
        if (_state is not ("preparing" or "starting")) Enter("training");
    }

    private void Assign(JobTopology next)
    {
        bool isNewEpoch = next.Epoch != _epoch;
        TryElsewhere(_topology, next);
        _epoch = next.Epoch;
        _topology = next;
        _wirePlacement = ToWire(next);
        _acknowledged.Clear();
        if (isNewEpoch) _writer?.Tell(new CollectInEpoch(_epoch));
        var assign = new Assign(_wirePlacement);
        Store(() =>
        {
            foreach (string node in next.Nodes) Send(new NodeId(node), NodeActors.Agent, assign);
        }, isAwaited: true);
        AwaitWorkers(next);
        TellPlaced();
        TellStatus();
    }

    /// <summary>Every worker may be lost at once: servers hold what there is until others come, but not for ever.</summary>
    private void AwaitWorkers(JobTopology topology)
    {
        if (!topology.Replicas.IsEmpty || _state != "training")
        {
            Timers.Cancel(WorkersTimer);
            return;
        }
        Timers.Cancel("give-up");
        WaitForWorkers();
        if (!Timers.IsTimerActive(WorkersTimer))
            Timers.StartSingleTimer(WorkersTimer, new WorkersTimeIsUp(), TimeSpan.FromSeconds(Spec.Training.NodeTimeout));
    }

    private void OnWorkersTimeIsUp()
    {
        if (_topology is not { Replicas.IsEmpty: true } || _state != "training") return;
        FailForNodes($"no nodes to go on with for {Spec.Training.NodeTimeout:0.#} s (training.node_timeout): the job waits for {AnyWorker}");
    }

    private void WaitForWorkers() => WaitFor(AnyWorker);

    /// <summary>
    /// Gives room on other nodes to the job, if it wants more than it has, and takes it off nodes that leave, unless something else is under way.
    /// </summary>
    private void Grow()
    {
        if (_ended || _state != "training" || _idleEpoch == _epoch || _topology is not { IsFixed: false } topology) return;
        if (topology.Nodes.Any(n => !_acknowledged.Contains(new NodeId(n)))) return;
        var nodes = _offered.Values.Where(n => !_refused.ContainsKey(n.Peer.Node)).ToList();
        var leaving = Leaving();
        var own = topology.Replicas.ToDictionary(r => new NodeId(r.Node), r => r.Workers.Length);
        var capacities = nodes.Select(n => new NodeCapacity(n.Peer.Node.Value,
            _userFailures.Out.Contains(n.Peer.Node.Value) ? 0 : Math.Max(0, n.Slots - own.GetValueOrDefault(n.Peer.Node)), n.Server)).ToList();
        if (topology.Improved(capacities, leaving, Spec.Training.Workers, Spec.Training.Replicas) is not { } wanted)
        {
            if (leaving.Count > 0) SaveForLeaving(topology, leaving);
            return;
        }
        var unknown = wanted.Nodes.Where(n => !_prepared.ContainsKey(new NodeId(n))).ToList();
        PrepareNodes(unknown);
        var ready = capacities.Where(c => _prepared.ContainsKey(new NodeId(c.Node))).ToList();
        if (topology.Improved(ready, leaving, Spec.Training.Workers, Spec.Training.Replicas) is not { } next) return;
        foreach (string node in next.Nodes.Except(topology.Nodes)) Note("information", $"node {NameOf(node)} takes part from step {_progress.CurrentStep + 1} or soon after");
        foreach (string node in topology.Nodes.Except(next.Nodes)) LeaveBehind(node);
        if (next.Epoch != topology.Epoch) BackToTraining();
        Assign(next);
    }

    /// <summary>The job goes on without a node that cannot have part in it.</summary>
    private void LeaveOut(NodeId node, string why)
    {
        bool isPlaced = _topology?.Nodes.Contains(node.Value) == true;
        if (isPlaced && _state != "preparing")
        {
            // it had part in the job before this coordinator led it, and goes on; what it cannot do any more will show
            if (_sinkStarted) Note("error", $"node {NameOf(node.Value)}: {why}");
            else _warnings.Add($"node {NameOf(node.Value)}: {why}");
            return;
        }
        Refuse(node, why);
        if (isPlaced) PlaceAnew(_topology!);
    }

    private void Refuse(NodeId node, string why)
    {
        _refused[node] = why;
        Note("warning", $"node {NameOf(node.Value)} cannot take part: {why}");
        Send(node, NodeActors.Agent, new EndJob("refused", _epoch));
    }
}
