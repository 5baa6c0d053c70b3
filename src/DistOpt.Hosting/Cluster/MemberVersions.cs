using Akka.Actor;
using Akka.Cluster;
using DistOpt.Hosting.Control;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Cluster;

/// <summary>A cluster does not take this node in (exit code 4); the text names both versions and what to do.</summary>
public sealed class JoinRefusedException(string message) : Exception(message);

/// <summary>Which protocol versions a cluster's members run: each tells its own as <c>akka.cluster.app-version</c>.</summary>
internal static class MemberVersions
{
    /// <summary>Those who are not about to be gone.</summary>
    public static IEnumerable<MemberVersion> Of(ClusterEvent.CurrentClusterState state)
    {
        foreach (var member in state.Members)
        {
            if (!IsLeft(member) && Of(member) is { } version) yield return new MemberVersion($"{member.Address.Host}:{member.Address.Port}", version);
        }
    }

    private static bool IsLeft(Member member) => member.Status is MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed;

    /// <summary>The member's version; null where it does not tell it.</summary>
    public static ProtocolVersion? Of(Member member) =>
        ProtocolVersion.TryParse(member.AppVersion.Version, out var version) ? version : null;

    /// <summary>
    /// Two nodes that join at once are judged without each other: this finds the other one afterwards, and the younger of the two leaves again.
    /// </summary>
    /// <exception cref="JoinRefusedException">This node is the younger of two that do not get along; it has left.</exception>
    public static async Task CheckAsync(Akka.Cluster.Cluster cluster, NodeBuild own)
    {
        foreach (var member in cluster.State.Members)
        {
            if (IsLeft(member) || Of(member) is not { } version || version.WorksWith(own.Version) || !member.IsOlderThan(cluster.SelfMember)) continue;
            await CoordinatedShutdown.Get(cluster.System).Run(CoordinatedShutdown.ClrExitReason.Instance).ConfigureAwait(false);
            throw new JoinRefusedException($"could not join: this node runs {own}, but {member.Address.Host}:{member.Address.Port}, a member of the "
                + $"cluster, protocol {version}: all nodes of one cluster are at most one minor version of the protocol apart; finish the upgrade that is under way first");
        }
    }
}
