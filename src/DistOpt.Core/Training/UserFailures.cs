namespace DistOpt.Core.Training;

/// <summary>Work that user code did not do: gradient shards of a step, or slices of an evaluation.</summary>
/// <param name="JobEpoch">Epoch in which it was given out.</param>
/// <param name="Split">The part of the data that was evaluated; null for gradient shards.</param>
/// <param name="Parts">Indices of gradient shards or slices.</param>
public sealed record FailedWork(int JobEpoch, long Step, DataSplit? Split, IReadOnlyList<int> Parts)
{
    public override string ToString() =>
        Split is { } split ? $"{Count("slice")} of {split.ToString().ToLowerInvariant()} data" : $"gradient {Count("shard")}";

    private string Count(string what) => Parts.Count == 1 ? $"{what} {Parts[0]}" : $"{what}s {Parts.Min()}-{Parts.Max()}";
}

/// <summary>What a job does about an exception of user code.</summary>
/// <param name="Node">Who tries <paramref name="Work"/> once more; null where nobody has to be told to.</param>
/// <param name="First">What was said of the first try; null where this was it.</param>
/// <param name="IsOut">Whether the node that failed is given no more work from now on.</param>
public sealed record UserFailureDecision(FailedWork Work, string? Node, string? First, bool IsOut)
{
    /// <summary>Whether the job fails, for this was the second try.</summary>
    public bool Fails => First is not null;
}

/// <summary>
/// Decides about exceptions of user code, which are no failures of nodes. The work is tried once more, on another node where there is one with
/// workers; when that fails too the job fails. A node whose user code has failed on <see cref="OccasionsMax"/> occasions (steps or evaluations)
/// is given no more work, as long as others are left: its shards fall to them, and that is the second try then. So nothing is tried in a loop.
/// </summary>
public sealed class UserFailures
{
    /// <summary>Occasions on which a node's user code may fail, the last of which puts it out.</summary>
    public const int OccasionsMax = 2;

    private readonly List<Try> _tries = [];
    private readonly Dictionary<string, HashSet<(int Epoch, long Step, DataSplit? Split)>> _occasions = new(StringComparer.Ordinal);
    private readonly HashSet<string> _out = new(StringComparer.Ordinal);

    private sealed record Try(FailedWork Work, string Node, string Said)
    {
        public string? Second { get; set; }
    }

    /// <summary>Nodes that are given no more work.</summary>
    public IReadOnlySet<string> Out => _out;

    /// <summary>User code failed.</summary>
    /// <param name="node">Where.</param>
    /// <param name="said">Place, type, message and stack, for people.</param>
    /// <param name="workers">Nodes that have workers of the job now.</param>
    public UserFailureDecision Report(string node, FailedWork work, string said, IReadOnlyList<string> workers)
    {
        // what is of an older epoch or step is done or will be done anew
        _tries.RemoveAll(t => t.Work.JobEpoch != work.JobEpoch || t.Work.Step < work.Step);
        var same = _tries.Where(t => t.Work.Split == work.Split && t.Work.Step == work.Step && t.Work.Parts.Any(work.Parts.Contains)).ToList();
        if (same.Find(t => t.Node != node || t.Second == node) is { } first) return new UserFailureDecision(work, null, first.Said, false);
        // an epoch that begins meanwhile may let the node do again what others try already
        int[] rest = [.. work.Parts.Where(p => !same.Any(t => t.Work.Parts.Contains(p)))];
        if (rest.Length == 0) return new UserFailureDecision(work, null, null, false);
        work = work with { Parts = rest };
        if (!_occasions.TryGetValue(node, out var occasions)) _occasions[node] = occasions = [];
        occasions.Add((work.JobEpoch, work.Step, work.Split));
        var others = workers.Where(n => n != node && !_out.Contains(n)).ToList();
        bool isOut = others.Count > 0 && occasions.Count >= OccasionsMax && _out.Add(node);
        var tried = new Try(work, node, said) { Second = isOut ? null : others.Count > 0 ? Calmest(others) : node };
        _tries.Add(tried);
        return new UserFailureDecision(work, tried.Second, null, isOut);
    }

    /// <summary>Nodes are lost: who does what they were to try instead.</summary>
    /// <param name="lost">These nodes.</param>
    /// <param name="workers">Nodes that have workers of the job now.</param>
    public IReadOnlyList<(FailedWork Work, string Node)> Without(IReadOnlySet<string> lost, IReadOnlyList<string> workers)
    {
        var again = new List<(FailedWork, string)>();
        foreach (var t in _tries.Where(t => t.Second is not null && lost.Contains(t.Second)))
        {
            var others = workers.Where(n => n != t.Node && !_out.Contains(n)).ToList();
            t.Second = others.Count > 0 ? Calmest(others) : workers.Contains(t.Node) ? t.Node : null;
            // where both are lost, whoever has their work does it anyway
            if (t.Second is { } second) again.Add((t.Work, second));
        }
        return again;
    }

    /// <summary>Goes on from what a former coordinator has kept.</summary>
    public void Restore(IEnumerable<string> isOut) => _out.UnionWith(isOut);

    private string Calmest(List<string> nodes) => nodes.MinBy(n => _occasions.TryGetValue(n, out var occasions) ? occasions.Count : 0)!;
}
