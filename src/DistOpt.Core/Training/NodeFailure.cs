using System.Collections.Immutable;

namespace DistOpt.Core.Training;

/// <summary>A node that a job has lost, or whose user code threw.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Roles">What it had of the job, such as <c>worker 0, server 1</c>.</param>
/// <param name="Step">Step at which the job was, or that the work belonged to.</param>
/// <param name="At">When, UTC.</param>
/// <param name="Why">In words.</param>
/// <param name="LastLines">The last lines that it wrote, oldest first; see <see cref="LastLines"/>.</param>
/// <param name="Stack">Stack trace where an exception was the reason; else null.</param>
public sealed record NodeFailure(string Node, string Roles, long Step, DateTimeOffset At, string Why, ImmutableArray<string> LastLines, string? Stack)
{
    /// <summary>Longest stack that is kept, in characters.</summary>
    public const int StackMax = 4_000;

    /// <summary>Longest reason that is kept, in characters.</summary>
    public const int WhyMax = 1_000;
}

/// <summary>The latest failures of a job, for people. Bounded.</summary>
public sealed class NodeFailures
{
    /// <summary>Failures that are kept; older ones are forgotten.</summary>
    public const int Kept = 10;

    private readonly List<(string Id, NodeFailure Failure)> _all = [];

    /// <summary>Oldest first.</summary>
    public ImmutableArray<NodeFailure> All { get; private set; } = [];

    /// <param name="id">The node's incarnation.</param>
    public void Add(string id, NodeFailure failure)
    {
        _all.Add((id, Bounded(failure)));
        if (_all.Count > Kept) _all.RemoveAt(0);
        All = [.. _all.Select(f => f.Failure)];
    }

    /// <summary>
    /// More is known of how the node was lost: its last own words and the better reason. False where its loss is not among those that are kept, or
    /// all of that is known.
    /// </summary>
    /// <param name="lines">What it wrote outside of the job (before it joined, or while it died).</param>
    /// <param name="stack">Stack trace where an exception ended it; else null.</param>
    public bool Amend(string id, string why, IReadOnlyCollection<string> lines, string? stack)
    {
        int index = _all.FindLastIndex(f => f.Id == id && f.Failure.Stack is null);
        if (index < 0) return false;
        var known = _all[index].Failure;
        var all = new LastLines();
        foreach (string line in known.LastLines.Concat(lines.Where(l => !known.LastLines.Contains(LastLines.Bounded(l))))) all.Add(line);
        var amended = Bounded(known with { Why = why, LastLines = all.Snapshot(), Stack = stack });
        if (stack is null && amended.Why == known.Why && amended.LastLines.SequenceEqual(known.LastLines)) return false;
        _all[index] = (id, amended);
        All = [.. _all.Select(f => f.Failure)];
        return true;
    }

    /// <summary>Goes on from what a former coordinator has kept.</summary>
    public void Restore(IEnumerable<NodeFailure> failures)
    {
        _all.Clear();
        _all.AddRange(failures.TakeLast(Kept).Select(f => ("", Bounded(f))));
        All = [.. _all.Select(f => f.Failure)];
    }

    private static NodeFailure Bounded(NodeFailure failure) => failure with
    {
        Why = Cut(failure.Why, NodeFailure.WhyMax),
        Stack = failure.Stack is { } stack ? Cut(stack, NodeFailure.StackMax) : null,
    };

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..most] + "...";
}

/// <summary>The last lines that a node wrote: at most <see cref="Kept"/>, each of at most <see cref="CharactersMax"/> characters.</summary>
public sealed class LastLines
{
    public const int Kept = 20;

    public const int CharactersMax = 300;

    private readonly Queue<string> _lines = new();

    public void Add(string line)
    {
        _lines.Enqueue(Bounded(line));
        if (_lines.Count > Kept) _lines.Dequeue();
    }

    /// <summary>Oldest first.</summary>
    public ImmutableArray<string> Snapshot() => [.. _lines];

    internal static string Bounded(string line) => line.Length <= CharactersMax ? line : line[..CharactersMax] + "...";
}
