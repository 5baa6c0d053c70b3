using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Specs;
using DistOpt.Protocol;

namespace DistOpt.Hosting;

/// <summary>Which build of DistOpt this process runs, for people: whether builds work together is decided by <see cref="ProtocolVersion"/>.</summary>
public static class BuildIdentity
{
    /// <summary>Version and the first digits of a hash over the code of Core, Protocol, Actors and Hosting.</summary>
    public static string Current { get; } = Of(typeof(SpecBinder).Assembly, typeof(ProtocolVersion).Assembly,
        typeof(NodeAgentActor).Assembly, typeof(BuildIdentity).Assembly);

    private static string Of(params Assembly[] assemblies)
    {
        // a deterministic compiler derives these ids from the source
        string ids = string.Join(' ', assemblies.Select(a => a.ManifestModule.ModuleVersionId));
        string version = typeof(BuildIdentity).Assembly.GetName().Version?.ToString(3) ?? "?";
        return $"{version} {Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(ids)))[..12]}";
    }
}
