namespace DistOpt.Core.Training;

/// <summary>A node that can run attempts at trials in child processes of its own. Whatever runs in them is charged to its slots.</summary>
/// <param name="Node">Id of the node.</param>
/// <param name="Name">For people.</param>
/// <param name="WorkerSlots">Workers that it may run at once, those in its children among them.</param>
/// <param name="ProcessesMax">Children that it may run at once, at least 1.</param>
/// <param name="Used">Slots that are taken.</param>
public sealed record TrialHost(string Node, string Name, int WorkerSlots, int ProcessesMax, int Used)
{
    /// <summary>Whether it is about to leave: it gets nothing new.</summary>
    public bool Leaving { get; init; }

    /// <summary>How its last child ended that never joined; null where one has joined since, or none has ended so.</summary>
    public string? StartFailure { get; init; }
}

/// <summary>A child process that has joined as a node with the trial role.</summary>
/// <param name="Node">Id of the child.</param>
/// <param name="Host">Id of its parent.</param>
/// <param name="IsBusy">Whether it has an attempt: it holds one at a time.</param>
/// <param name="IsEnding">Whether it was told to end.</param>
public sealed record TrialProcess(string Node, string Host, bool IsBusy, bool IsEnding);

/// <summary>The workers that an attempt wants in one process.</summary>
/// <param name="Least">Fewest with which it begins, at least 1.</param>
/// <param name="Most">Most that it has a use for.</param>
public sealed record TrialDemand(int Least, int Most);

/// <summary>Decides which child process an attempt gets, and how many of them nodes keep. Pure functions; nodes are taken in the given order.</summary>
public static class TrialHosts
{
    /// <summary>
    /// The child process for an attempt, and the slots that it may use there: an idle one, on the node with most free slots, so that attempts are spread.
    /// </summary>
    /// <param name="missing">What it waits for, in words, when the result is null.</param>
    public static (string Process, int Slots)? Choose(IReadOnlyList<TrialHost> hosts, IReadOnlyList<TrialProcess> processes, TrialDemand demand,
        out string? missing)
    {
        missing = Hopeless(hosts, demand);
        if (missing is not null) return null;
        var roomy = hosts.Where(h => !h.Leaving && h.WorkerSlots - h.Used >= demand.Least).ToList();
        if (roomy.Count == 0)
        {
            missing = Slots(demand.Least, "worker slot") + " on one node (study.isolation: process places a trial whole)";
            return null;
        }
        var idle = processes.Where(p => p is { IsBusy: false, IsEnding: false }).ToLookup(p => p.Host, StringComparer.Ordinal);
        var host = roomy.Where(h => idle.Contains(h.Node)).MinBy(h => h.Used - h.WorkerSlots);
        if (host is null)
        {
            missing = $"a child process on node {string.Join(" or ", roomy.Select(h => h.Name))} (study.isolation: process)";
            return null;
        }
        return (idle[host.Node].First().Node, Math.Min(demand.Most, host.WorkerSlots - host.Used));
    }

    /// <summary>Why no node that is there could ever take the attempt, in words; null where one could.</summary>
    public static string? Hopeless(IReadOnlyList<TrialHost> hosts, TrialDemand demand)
    {
        var able = hosts.Where(h => !h.Leaving).ToList();
        if (able.Count == 0) return "a worker node that runs trials in child processes (study.isolation: process)";
        if (able.Max(h => h.WorkerSlots) is var most && most < demand.Least)
        {
            return $"a node with {Slots(demand.Least, "worker slot")}: a trial is placed whole in one process, and the largest node has {most} "
                + "(lower training.workers, or set study.isolation: none)";
        }
        able.RemoveAll(h => h.WorkerSlots < demand.Least);
        return able.Any(h => h.StartFailure is null) ? null
            : $"a child process that starts: {string.Join("; ", able.Select(h => $"on node {h.Name} {h.StartFailure}"))}";
    }

    /// <summary>
    /// How many children each node should have for these attempts: first those that have one already, then the others, each on the node with
    /// most slots left, as long as nodes have slots and processes. What no node has room for waits.
    /// </summary>
    /// <param name="placed">Node whose child has the attempt, for each one that is placed.</param>
    /// <param name="waiting">Attempts that are not, in order.</param>
    /// <returns>By node; of nodes that leave, those that are busy.</returns>
    public static IReadOnlyDictionary<string, int> Wanted(IReadOnlyList<TrialHost> hosts, IEnumerable<string> placed, IEnumerable<TrialDemand> waiting)
    {
        var wanted = hosts.ToDictionary(h => h.Node, _ => 0, StringComparer.Ordinal);
        foreach (string host in placed)
            if (wanted.ContainsKey(host)) wanted[host]++;
        var left = hosts.ToDictionary(h => h.Node, h => h.WorkerSlots - h.Used, StringComparer.Ordinal);
        foreach (var demand in waiting)
        {
            var host = hosts.Where(h => !h.Leaving && left[h.Node] >= demand.Least && wanted[h.Node] < h.ProcessesMax).MinBy(h => -left[h.Node]);
            if (host is null) continue;
            left[host.Node] -= demand.Least;
            wanted[host.Node]++;
        }
        return wanted;
    }

    private static string Slots(int count, string what) => count == 1 ? $"a {what}" : FormattableString.Invariant($"{count} {what}s");
}
