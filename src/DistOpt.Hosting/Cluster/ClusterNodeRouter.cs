using System.Collections.Concurrent;
using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// Sends control messages to <c>/user/node</c> of other processes. A node's id begins with its control address (<c>host:port#incarnation</c>),
/// so an id is all that is needed. A message for another incarnation than the one that runs there is dropped by the receiver.
/// </summary>
internal sealed class ClusterNodeRouter(NodeId self, ActorSystem system, string protocol) : INodeRouter
{
    private readonly ConcurrentDictionary<NodeId, ActorSelection> _peers = new();
    private volatile IActorRef? _agent;

    public NodeId Self { get; } = self;

    public string? VersionOf(NodeId node) => Akka.Cluster.Cluster.Get(system).State.Members
        .FirstOrDefault(m => MembershipActor.IdOf(m.UniqueAddress) == node) is { } member ? MemberVersions.Of(member)?.ToString() : null;

    public void Attach(IActorRef agent) => _agent = agent;

    public void Send(NodeId to, JobId job, string actor, IWireMessage body)
    {
        if (to == Self)
        {
            _agent?.Tell(new NodeDelivery(job, actor, Self, body), ActorRefs.NoSender);
            return;
        }
        var envelope = new NodeEnvelope(job, actor, Self, WireCodec.Manifest(body), WireCodec.Serialize(body)) { To = to };
        _peers.GetOrAdd(to, Select).Tell(envelope, ActorRefs.NoSender);
    }

    /// <summary>Passes on what another node sent to one that is no longer the right one; the sender stays the same.</summary>
    public void Forward(NodeId to, NodeDelivery delivery)
    {
        var (manifest, body) = (WireCodec.Manifest(delivery.Body), WireCodec.Serialize(delivery.Body));
        var envelope = new NodeEnvelope(delivery.Job, delivery.Actor, delivery.From, manifest, body) { To = to };
        _peers.GetOrAdd(to, Select).Tell(envelope, ActorRefs.NoSender);
    }

    public void Forget(NodeId node) => _peers.TryRemove(node, out _);

    /// <summary>The node agent at a control address, whatever its incarnation.</summary>
    public void SendToAddress(Address address, JobId job, string actor, IWireMessage body)
    {
        var envelope = new NodeEnvelope(job, actor, Self, WireCodec.Manifest(body), WireCodec.Serialize(body));
        system.ActorSelection(new RootActorPath(address) / "user" / NodeAgentActor.Name).Tell(envelope, ActorRefs.NoSender);
    }

    private ActorSelection Select(NodeId node)
    {
        string endpoint = node.Value[..node.Value.IndexOf('#', StringComparison.Ordinal)];
        return system.ActorSelection($"{protocol}://{system.Name}@{endpoint}/user/{NodeAgentActor.Name}");
    }
}
