using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>
/// Nodes that are about to leave: others take over what they have of the job while steps go on. Where no other node has room, a checkpoint is
/// written first, so that nothing but time is lost.
/// </summary>
internal sealed partial class TrainingCoordinatorActor
{
    /// <summary>Nodes that could hand nothing over and may go nevertheless, since there is a checkpoint to go back to.</summary>
    private readonly HashSet<string> _released = new(StringComparer.Ordinal);

    /// <summary>Nodes that wait for the checkpoint that was asked for; null = none was.</summary>
    private HashSet<string>? _awaitCheckpoint;

    private HashSet<string> Leaving() => _offered.Values.Where(n => n.Leaving).Select(n => n.Peer.Node.Value).ToHashSet(StringComparer.Ordinal);

    /// <summary>Nodes that have something of the job which nobody else has yet.</summary>
    private HashSet<NodeId> Holding() => ((_topology ?? _found)?.Nodes ?? []).Union(_leftBehind).Except(_released).Select(n => new NodeId(n)).ToHashSet();

    private void LeaveBehind(string node)
    {
        _leftBehind.Add(node);
        Note("information", $"node {NameOf(node)} leaves: others have taken over what it had of the job at step {_progress.CurrentStep}");
    }

    /// <summary>No other node has room for what is on those that leave.</summary>
    private void SaveForLeaving(JobTopology topology, HashSet<string> leaving)
    {
        var stuck = topology.Nodes.Where(n => leaving.Contains(n) && !_released.Contains(n)).ToHashSet(StringComparer.Ordinal);
        if (stuck.Count == 0 || topology.IsHandingOver(leaving) || (_awaitCheckpoint is { } asked && stuck.IsSubsetOf(asked))) return;
        Note("warning", $"node {string.Join(", ", stuck.Select(NameOf))} leaves at step {_progress.CurrentStep}, and no other node has room for what it has of the job"
            + (_store is null ? "" : ": it waits for a checkpoint"));
        if (_store is null)
        {
            _released.UnionWith(stuck);
            TellPlaced();
            return;
        }
        _awaitCheckpoint = stuck;
        OnCheckpointDue();
    }

    private void ReleaseAfterCheckpoint()
    {
        if (_awaitCheckpoint is not { } waiting) return;
        _awaitCheckpoint = null;
        _released.UnionWith(waiting);
        TellPlaced();
    }
}
