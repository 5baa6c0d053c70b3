using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Compares what nodes report of a job with what the coordinator has (DESIGN section 4).</summary>
internal static class FingerprintCheck
{
    /// <summary>One violation for each node and value that differs, with both values. The numeric part counts only under <paramref name="bitExact"/>.</summary>
    public static IReadOnlyList<SpecViolation> Compare(string coordinator, JobFingerprint own, IEnumerable<JobPrepared> nodes, bool bitExact)
    {
        var violations = new List<SpecViolation>();
        foreach (var node in nodes)
        {
            bool isSameVersion = node.Version == ProtocolVersion.Current.ToString();
            Add(violations, coordinator, own.Exact, node.NodeName, node.Exact, isSameVersion, "deploy the same build and data to every node");
            if (!bitExact) continue;
            Add(violations, coordinator, own.Numeric, node.NodeName, node.Numeric, isSameVersion,
                "use nodes with the same CPU family and libtorch, or set training.bit_exact=false");
        }
        return violations;
    }

    /// <summary>Who computes with another build of DistOpt than the coordinator's: allowed, since a cluster is upgraded node by node.</summary>
    public static IEnumerable<string> OtherBuilds(string coordinator, JobFingerprint own, IEnumerable<JobPrepared> nodes) => nodes
        .Where(n => n.Engine is not null && n.Engine != own.Engine)
        .Select(n => $"node {n.NodeName} runs another build of DistOpt than {coordinator}: {n.Engine} there, {own.Engine} here; "
            + "all nodes should run the same one once an upgrade is done");

    private static void Add(List<SpecViolation> violations, string coordinator, IReadOnlyDictionary<string, string> own, string name,
        NamedText[] theirs, bool isSameVersion, string remedy)
    {
        var values = theirs.ToDictionary(t => t.Name, t => t.Text, StringComparer.Ordinal);
        foreach (string key in own.Keys.Concat(values.Keys).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            // another version may report more or less
            if (!isSameVersion && !(own.ContainsKey(key) && values.ContainsKey(key))) continue;
            string mine = own.GetValueOrDefault(key, "nothing"), other = values.GetValueOrDefault(key, "nothing");
            if (mine != other)
                violations.Add(new SpecViolation("", $"node {name} is refused: its {key} is '{other}', but '{mine}' on {coordinator}; {remedy}"));
        }
    }
}
