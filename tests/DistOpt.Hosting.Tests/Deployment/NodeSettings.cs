using System.Text.RegularExpressions;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;

namespace DistOpt.Hosting.Tests.Deployment;

/// <summary>What a node of a deployment would run with, and how long it may take to leave.</summary>
internal static partial class NodeSettings
{
    /// <summary>Variables of the command line that are no settings of <see cref="NodeOptions"/> by name.</summary>
    private static readonly string[] s_others = ["DISTOPT_CONFIG"];

    /// <summary>A node.yaml with the environment of a container over it, bound as the command does it. A variable that is no setting fails.</summary>
    public static NodeOptions Bind(string nodeYaml, IReadOnlyDictionary<string, string> environment)
    {
        var overrides = environment.Where(e => e.Key.StartsWith("DISTOPT_", StringComparison.Ordinal) && !s_others.Contains(e.Key)).Select(e =>
        {
            string field = e.Key["DISTOPT_".Length..].ToLowerInvariant();
            return field is "roles" or "join" ? $"{field}=[{string.Join(", ", e.Value.Split(',').Select(v => $"'{v}'"))}]" : $"{field}={(Number().IsMatch(e.Value) ? e.Value : $"'{e.Value}'")}";
        });
        return new SpecBinder(new SpecCatalogs()).Bind<NodeOptions>(nodeYaml, "node.yaml", [.. overrides]);
    }

    /// <summary>
    /// The most that leaving the cluster can take: handing over, every phase of Akka's coordinated shutdown to its limit, and the last export
    /// of metrics.
    /// </summary>
    public static TimeSpan LongestLeave(string? akka = null)
    {
        var config = NodeConfiguration.Hocon(new NodeOptions()).WithFallback(AkkaOverlay.Reference);
        if (akka is not null) config = Akka.Configuration.ConfigurationFactory.ParseString(akka).WithFallback(config);
        var usual = config.GetTimeSpan("akka.coordinated-shutdown.default-phase-timeout");
        var phases = config.GetConfig("akka.coordinated-shutdown.phases").Root.GetObject().Items.Keys.ToList();
        Assert.Contains("cluster-exiting", phases);
        return phases.Aggregate(TimeSpan.FromSeconds(5 + new NodeOptions().LeaveTimeout), (sum, phase) =>
            sum + config.GetTimeSpan($"akka.coordinated-shutdown.phases.{phase}.timeout", usual));
    }

    /// <summary>With one or two coordinators the oldest, or whoever has the journal; with more of them their majority.</summary>
    public static SplitBrain StrategyFor(int coordinators) => coordinators >= 3 ? SplitBrain.KeepMajority : SplitBrain.KeepOldest;

    [GeneratedRegex("^[0-9]+$")]
    private static partial Regex Number();
}
