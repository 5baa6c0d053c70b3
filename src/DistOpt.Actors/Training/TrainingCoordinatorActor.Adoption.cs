using Akka.Actor;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using DistOpt.Protocol.Journal;

namespace DistOpt.Actors.Training;

/// <summary>
/// A job that another coordinator began: its servers and workers go on, in a new epoch that names this coordinator, wherever they still run.
/// Where too much of them is gone, everyone goes back to the last checkpoint.
/// </summary>
internal sealed partial class TrainingCoordinatorActor
{
    private const string AdoptionTimer = "adoption";

    /// <summary>How long nodes that had part in the job may take to report. Steps go on meanwhile.</summary>
    private static readonly TimeSpan AdoptionTime = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, JobRunning> _running = new(StringComparer.Ordinal);
    private readonly HashSet<string> _askedRunning = new(StringComparer.Ordinal);

    // nodes that came too late to be adopted: what runs there is of no use
    private readonly HashSet<string> _leftBehind = new(StringComparer.Ordinal);
    private JobTopology? _found;

    private sealed record AdoptionTimeIsUp : INoSerializationVerificationNeeded;

    /// <summary>Reads what the former coordinator stored.</summary>
    private void OpenRecovery()
    {
        if (_submission.Recovery is not { Placement: { } placed } recovery) return;
        if (recovery.Checkpoint is { } stored && stored.Step > (_resumed?.Step ?? 0))
            _warnings.Add($"the checkpoint of step {stored.Step} was written to {stored.Path}, but is not to be found there");
        var record = PlacementRecord.Read(placed.Placement);
        (_workerFailures, _serverFailures, _rollbacks) = (record.WorkerFailures, record.ServerFailures, record.Rollbacks);
        (_stepsRedone, _shardsRedone) = (record.StepsRedone, record.ShardsRedone);
        foreach (var by in record.RedoneBy ?? []) _redoneBy[by.Replica] = by.Shards;
        RestoreFailures(record);
        _begunAt = DateTimeOffset.FromUnixTimeMilliseconds(record.UnixMilliseconds);
        _epoch = placed.Epoch;
        foreach (var peer in TopologyWire.Peers(record.Placement)) _peers[peer.Node.Value] = peer;
        _found = TopologyWire.FromWire(record.Placement, Spec.Training.GradientShards!.Value);
        WaitForReports(_found);
        Enter("adopting");
        Timers.StartSingleTimer(AdoptionTimer, new AdoptionTimeIsUp(), AdoptionTime);
    }

    /// <summary>Asks those nodes that are there what they have; an incarnation whose successor is there has nothing.</summary>
    private void AskRunning(JobTopology found)
    {
        foreach (string node in found.Nodes)
        {
            if (_offered.ContainsKey(node))
            {
                if (_askedRunning.Add(node)) Send(new NodeId(node), NodeActors.Agent, new AskRunning());
            }
            else if (_offered.Values.Any(o => o.Peer.Node.Succeeds(new NodeId(node))))
            {
                _running[node] = new JobRunning(node, 0, false, false);
            }
        }
        AdoptIfKnown();
    }

    private void OnPresent(IReadOnlySet<NodeId> present)
    {
        if (_found is not { } found) return;
        foreach (string node in found.Nodes.Where(n => !present.Contains(new NodeId(n)))) _running[node] = new JobRunning(node, 0, false, false);
        AdoptIfKnown();
    }

    private void OnRunning(NodeId from, JobRunning running)
    {
        if (_found is null) return;
        _running[from.Value] = running;
        AdoptIfKnown();
    }

    private void AdoptIfKnown()
    {
        if (_found is not { } found) return;
        if (found.Nodes.All(_running.ContainsKey))
        {
            Adopt(found);
            return;
        }
        WaitForReports(found);
        TellStatus();
    }

    private void WaitForReports(JobTopology found) => WaitFor(string.Join(", ", found.Nodes.Where(n => !_running.ContainsKey(n))
        .Select(n => $"node {NameOf(n)} (to say what it has of the job)")));

    private void Adopt(JobTopology found)
    {
        _found = null;
        WaitFor(null);
        Timers.Cancel(AdoptionTimer);
        bool Runs(string node) => _running.TryGetValue(node, out var r) && r.StartEpoch == found.StartEpoch;
        var lost = found.Nodes.Where(n => !Runs(n)).ToHashSet(StringComparer.Ordinal);
        long told = found.Nodes.Where(Runs).Select(n => _running[n].Step).DefaultIfEmpty(0).Max();
        CountLost(found, lost, $"it no longer ran the job when the coordinator on {_services.Name} took over", Math.Max(told, _latestCheckpoint ?? 0));
        if (FailsForStandstill()) return;
        bool hasBegun = found.Nodes.Any(n => Runs(n) && _running[n].Begun), isSpent = found.Nodes.Any(n => Runs(n) && _running[n].Spent);
        var next = hasBegun && !isSpent && !found.IsFixed ? found.TakenOver(lost) : null;
        _leftBehind.UnionWith(next is null ? found.Nodes : found.Nodes.Except(next.Nodes));
        if (next is null)
        {
            _epoch = found.Epoch + 1;
            EndLeftBehind();
            if (hasBegun)
            {
                // nobody has told this coordinator any step yet
                CountReturn(told);
            }
            _nextReplica = found.NextReplica;
            Enter("placing");
            Timers.StartSingleTimer(NodesTimer, new GiveUp(), TimeSpan.FromSeconds(Spec.Training.NodeTimeout));
            Place();
            TellPlaced();
            return;
        }
        // they have opened model and data long ago, and tell what they are once more
        PrepareNodes(next.Nodes);
        ListenForWeights();
        WatchProgress();
        _state = "training";
        _atWork.UnionWith(next.Replicas.Select(r => r.Node));
        Assign(next);
        EndLeftBehind();
        TellPlaced();
    }

    /// <summary>Nodes that are there and do nothing for the job any more may forget it; they can be asked to join it anew.</summary>
    private void EndLeftBehind()
    {
        foreach (string node in _leftBehind.Where(_offered.ContainsKey).ToList())
        {
            _leftBehind.Remove(node);
            _asked.Remove(new NodeId(node));
            _prepared.Remove(new NodeId(node));
            Send(new NodeId(node), NodeActors.Agent, new EndJob("the job goes on without what ran here", _epoch));
        }
    }

    /// <summary>What the server of key 0 has told the coordinator before this one, or might have told in vain.</summary>
    private void OnRowsKept(RowsKept kept)
    {
        if (!_sinkStarted)
        {
            (_lastRows[DataSplit.Train], _lastRows[DataSplit.Validation]) = (kept.StoredTrain, kept.StoredValidation);
            if (kept.Train is { } train) _train = Lookup(Values(train.Metrics));
            if (kept.Validation is { } validation && (validation.Selected || _validation.Count == 0)) _validation = Lookup(Values(validation.Metrics));
            StartSink(new RunResumed(kept.Train?.Step ?? 0, kept.StoredTrain, kept.StoredValidation),
                kept.Train?.Samples ?? 0, (_services.Time.GetUtcNow() - _begunAt).TotalSeconds);
            _rowMark = (_progress.Samples, _progress.WallSeconds);
            Note("information", $"the coordinator on {_services.Name} has taken the job over in epoch {_epoch}");
        }
        int next = 0;
        foreach (var row in kept.NewTrain)
        {
            OnTrainRow(row);
            // the evaluation of a step follows its training row
            for (; next < kept.NewValidation.Length && kept.NewValidation[next].Step <= row.Step; next++) OnValidationRow(kept.NewValidation[next]);
        }
        foreach (var row in kept.NewValidation[next..]) OnValidationRow(row);
        TellStored();
    }

    /// <summary>That the coordinator is there, and which rows the server of key 0 need not keep.</summary>
    private void TellStored()
    {
        if (_ended || _wirePlacement is null || !_sinkStarted) return;
        var stored = new RowsStored(_lastRows.GetValueOrDefault(DataSplit.Train, -1), _lastRows.GetValueOrDefault(DataSplit.Validation, -1));
        Send(FirstServer.Peer.Node, NodeActors.Server(0), stored);
    }
}
