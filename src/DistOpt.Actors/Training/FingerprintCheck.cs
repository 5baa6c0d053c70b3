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
            Add(violations, coordinator, own.Exact, node.NodeName, node.Exact, "deploy the same build and data to every node");
            if (!bitExact) continue;
            Add(violations, coordinator, own.Numeric, node.NodeName, node.Numeric,
                "use nodes with the same CPU family and libtorch, or set training.bit_exact=false");
        }
        return violations;
    }

    private static void Add(List<SpecViolation> violations, string coordinator, IReadOnlyDictionary<string, string> own, string name,
        NamedText[] theirs, string remedy)
    {
        var values = theirs.ToDictionary(t => t.Name, t => t.Text, StringComparer.Ordinal);
        foreach (string key in own.Keys.Concat(values.Keys).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            string mine = own.GetValueOrDefault(key, "nothing"), other = values.GetValueOrDefault(key, "nothing");
            if (mine != other)
                violations.Add(new SpecViolation("", $"node {name} is refused: its {key} is '{other}', but '{mine}' on {coordinator}; {remedy}"));
        }
    }
}
