using DistOpt.Protocol;

namespace DistOpt.Hosting;

/// <summary>What a node runs, as far as others care.</summary>
/// <param name="Version">Protocol version.</param>
/// <param name="Build">Its build, for people.</param>
public sealed record NodeBuild(ProtocolVersion Version, string Build)
{
    /// <summary>What this process runs.</summary>
    public static NodeBuild Current { get; } = new(ProtocolVersion.Current, BuildIdentity.Current);

    /// <summary>Why nodes of these builds cannot be members of one cluster; null if they can. The first is named as <paramref name="who"/>.</summary>
    public static string? Problem(string who, NodeBuild first, string other, NodeBuild second) => first.Version.WorksWith(second.Version) ? null
        : $"{who} runs {first}, {other} {second}: nodes of one cluster are at most one minor version of the protocol apart; "
            + "install the version of the cluster, or upgrade the cluster by one minor version at a time";

    public override string ToString() => $"protocol {Version} (build {Build})";
}
