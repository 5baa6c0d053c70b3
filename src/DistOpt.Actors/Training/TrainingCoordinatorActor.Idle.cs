using DistOpt.Core.Checkpoints;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// A run that is to leave off while it has no workers: nobody would bring it to its next step, so that it ends at the one where it is. For that
/// its servers go into an epoch of their own, in which nothing can reach them that could still move them.
/// </summary>
internal sealed partial class TrainingCoordinatorActor
{
    private readonly Dictionary<int, VersionHeld> _versions = [];
    private StopReason? _leaveOff;

    // epoch of servers alone, from which the run does not go on
    private int _idleEpoch;

    // steps and samples of the checkpoint with which a run has ended
    private (long Step, long Samples)? _leftAt;

    private void LeaveOffIfIdle()
    {
        if (_ended || _leaveOff is not { } reason || !_sinkStarted || _training is not null) return;
        if (_topology is null && _state == "placing") EndAtCheckpoint(reason);
        else if (_topology is { Replicas.IsEmpty: true } topology && _state == "training")
        {
            if (_idleEpoch != _epoch)
            {
                _idleEpoch = _epoch + 1;
                Assign(topology.TakenOver(new HashSet<string>())!);
            }
            else if (_begunEpoch == _epoch)
            {
                foreach (var server in _wirePlacement!.Servers) Send(server.Peer.Node, NodeActors.Server(server.Index), new AskVersion(_epoch));
            }
        }
    }

    private void OnVersionHeld(VersionHeld held)
    {
        if (held.JobEpoch != _epoch || _idleEpoch != _epoch || _leaveOff is not { } reason || _training is not null) return;
        _versions[held.Server] = held;
        if (_versions.Count < _topology!.Servers.Length) return;
        var all = _versions.Values.ToList();
        _versions.Clear();
        bool isOne = all.TrueForAll(v => v.Step == all[0].Step);
        // with a gradient that is whole everywhere servers finish the step among themselves; they are asked again
        if (all.TrueForAll(v => v.Completes) || (!isOne && all.Exists(v => v.Completes))) return;
        if (isOne) Send(FirstServer.Peer.Node, NodeActors.Server(0), new RequestStop((int)reason) { Step = all[0].Step });
        else EndAtCheckpoint(reason);
    }

    /// <summary>Nobody holds a later state as a whole, and nobody is there who could compute it again.</summary>
    private void EndAtCheckpoint(StopReason reason)
    {
        _store?.CheckShared();
        using var newest = _store?.OpenNewest(new List<SkippedCheckpoint>());
        _leftAt = (newest?.Step ?? 0, newest?.Manifest.State.Samples ?? 0);
        var (from, before) = _return is { } lost ? (lost.At, lost.RedoneBefore) : (_progress.CurrentStep, _stepsRedone);
        _stepsRedone = before + Math.Max(0, from - _leftAt.Value.Step);
        Note("warning", $"the run ends with {(newest is null ? "nothing" : $"the checkpoint of step {newest.Step}")}: "
            + "it has no workers, and no servers that hold a later step as a whole");
        End(reason == StopReason.Cancelled ? RunStatus.Cancelled : RunStatus.Interrupted, reason, null, null);
    }
}
