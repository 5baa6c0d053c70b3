using Akka.Actor;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Nodes that leave: each one says so in its offers, and hears when no job needs it any more.</summary>
public sealed partial class JobCoordinatorActor
{
    private void OnDrain(DrainNodeNamed drain)
    {
        var nodes = _nodes.Values.Where(n => n.Parent is null && n.Name == drain.Name && (drain.Incarnation is not { } one || n.Peer.Node == one)).ToList();
        foreach (var known in nodes) _services.Router.Send(known.Peer.Node, default, NodeActors.Agent, new DrainNode());
        Sender.Tell(new DrainAnswer(drain.Name, nodes.Count > 0));
    }

    /// <summary>Said again with each offer of the node, until it is gone.</summary>
    private void ReleaseLeaving()
    {
        foreach (var node in _nodes.Values.Where(n => n.Leaving).Select(n => n.Peer.Node))
        {
            // with what its children have; a job that has not answered yet may go on with what a former coordinator began there
            if (_jobs.Values.Any(j => !j.Ending && (j.Holding is null || j.Holding.Any(h => h == node || HostOf(h) == node)))) continue;
            _services.Router.Send(node, default, NodeActors.Agent, new NodeReleased());
        }
    }
}
