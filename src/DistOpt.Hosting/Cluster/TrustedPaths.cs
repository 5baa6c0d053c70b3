using DistOpt.Actors.Nodes;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// What other nodes may reach by path: everything else that comes from them is dropped (Akka's untrusted mode), and so are remote
/// deployment, <c>PoisonPill</c> and <c>Kill</c>. A feature that talks between nodes by path adds its line here, and none can be missed: a
/// path that is not listed never gets a message.
/// </summary>
internal static class TrustedPaths
{
    /// <summary>Joining, gossip and leaving.</summary>
    public const string ClusterDaemon = "/system/cluster/core/daemon";

    /// <summary>Heartbeats of the cluster.</summary>
    public const string ClusterHeartbeats = "/system/cluster/heartbeatReceiver";

    /// <summary>All messages of DistOpt: the node agent opens them and hands them on.</summary>
    public const string NodeAgent = "/user/" + NodeAgentActor.Name;

    /// <summary>Hand-over of the job coordinator between coordinator nodes. The coordinator itself is reached through node agents alone.</summary>
    public const string SingletonManager = "/user/" + CoordinatorSingleton.ManagerName;

    public static readonly IReadOnlyList<string> All = [ClusterDaemon, ClusterHeartbeats, NodeAgent, SingletonManager];
}
