using DistOpt.Protocol;

namespace DistOpt.Hosting.Control;

/// <summary>A member of the cluster, as far as the gate cares.</summary>
/// <param name="Node">Its control address, <c>host:port</c>.</param>
internal readonly record struct MemberVersion(string Node, ProtocolVersion Version);

/// <summary>
/// Decides which builds may be connected. Every member speaks with every other one, so who joins must get along with all of them, not only with
/// the one that it asks. Thread-safe.
/// </summary>
/// <param name="own">What this node runs.</param>
internal sealed class VersionGate(NodeBuild own)
{
    private readonly TaskCompletionSource<string> _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Func<IEnumerable<MemberVersion>> _members = () => [];

    public NodeBuild Own => own;

    /// <summary>Completes with the reason when a node that this one connects to is found to be too far away, on whichever side.</summary>
    public Task<string> Refused => _refused.Task;

    /// <summary>Says which members the cluster has, once that is known.</summary>
    public void UseMembers(Func<IEnumerable<MemberVersion>> members) => Volatile.Write(ref _members, members);

    /// <summary>Why a node is not let in; null if it is.</summary>
    public string? Problem(string node, NodeBuild build)
    {
        if (NodeBuild.Problem($"node {node}", build, "this node", own) is { } problem) return problem;
        foreach (var member in Volatile.Read(ref _members)())
        {
            if (member.Node != node && !build.Version.WorksWith(member.Version))
                return $"node {node} runs {build}, but {member.Node}, a member of the cluster, protocol {member.Version}: all nodes of one cluster are at "
                    + "most one minor version of the protocol apart; finish the upgrade that is under way first";
        }
        return null;
    }

    public void Refuse(string why) => _refused.TrySetResult(why);
}
