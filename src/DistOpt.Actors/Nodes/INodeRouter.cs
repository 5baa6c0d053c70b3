using System.Collections.Concurrent;
using Akka.Actor;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>
/// A message as it reaches a node's <c>/user/node</c>, its body already a contract. Local only: on the wire it is an
/// <see cref="NodeEnvelope"/>.
/// </summary>
public sealed record NodeDelivery(JobId Job, string Actor, NodeId From, IWireMessage Body) : INoSerializationVerificationNeeded;

/// <summary>Sends control messages to actors of any node, by address and never by reference. At most once; thread-safe.</summary>
public interface INodeRouter
{
    NodeId Self { get; }

    /// <param name="actor">One of <see cref="NodeActors"/>.</param>
    void Send(NodeId to, JobId job, string actor, IWireMessage body);

    /// <summary>Protocol version that a node runs; null where it is not known.</summary>
    string? VersionOf(NodeId node) => null;
}

/// <summary>Routes within one process: to node agents that were added.</summary>
public sealed class LocalNodeRouter(NodeId self, LocalNodes nodes) : INodeRouter
{
    public NodeId Self { get; } = self;

    public void Send(NodeId to, JobId job, string actor, IWireMessage body) => nodes.Deliver(to, new NodeDelivery(job, actor, Self, body));
}

/// <summary>The node agents of one process.</summary>
public sealed class LocalNodes
{
    private readonly ConcurrentDictionary<NodeId, IActorRef> _agents = new();

    /// <summary>Sees every message that is delivered; null = nobody does.</summary>
    public Action<NodeId, NodeDelivery>? OnDelivery { get; init; }

    public void Add(NodeId node, IActorRef agent) => _agents[node] = agent;

    public void Remove(NodeId node) => _agents.TryRemove(node, out _);

    /// <summary>Delivers, or drops the message when the node is not there, as a network would.</summary>
    public void Deliver(NodeId to, NodeDelivery delivery)
    {
        if (!_agents.TryGetValue(to, out var agent)) return;
        OnDelivery?.Invoke(to, delivery);
        agent.Tell(delivery, ActorRefs.NoSender);
    }
}
