using System.Collections.Immutable;

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

    /// <summary>Bytes of memory for whatever runs there; null where it does not say.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Bytes of them that are taken.</summary>
    public long MemoryUsed { get; init; }

    /// <summary>Bytes that an attempt takes which does not say how much it needs.</summary>
    public long MemoryShare { get; init; }

    /// <summary>GPUs for whatever runs there; 0 where it does not say.</summary>
    public long Gpus { get; init; }

    /// <summary>Those of them that are taken: by jobs, and by attempts. What a child has that nobody uses can be had.</summary>
    public long GpusUsed { get; init; }

    /// <summary>How many workers of an attempt fit into what is left; 0 where it has no room for the attempt.</summary>
    public int Room(TrialDemand demand) => RoomIn(demand, WorkerSlots - Used, MemoryBytes - MemoryUsed, Gpus - GpusUsed);

    /// <summary>How many would fit if nothing else ran there.</summary>
    public int RoomAlone(TrialDemand demand) => RoomIn(demand, WorkerSlots, MemoryBytes, Gpus);

    /// <summary>Bytes that so many workers of it take here.</summary>
    public long MemoryOf(TrialDemand demand, int workers) => demand.WorkerMemory is { } each ? each * workers : MemoryShare;

    private int RoomIn(TrialDemand demand, int slots, long? memory, long gpus)
    {
        // its share is that of the process, however many workers are in it
        if (demand.WorkerMemory is null && memory < MemoryShare) return 0;
        return new WorkerRoom(slots, memory, gpus).Workers(demand.WorkerMemory, demand.WorkerGpus);
    }
}

/// <summary>A child process that has joined as a node with the trial role.</summary>
/// <param name="Node">Id of the child.</param>
/// <param name="Host">Id of its parent.</param>
/// <param name="IsBusy">Whether it has an attempt: it holds one at a time.</param>
/// <param name="IsEnding">Whether it was told to end.</param>
public sealed record TrialProcess(string Node, string Host, bool IsBusy, bool IsEnding)
{
    /// <summary>GPUs that it has, from its start to its end; it sees no others.</summary>
    public int Gpus { get; init; }
}

/// <summary>The workers that an attempt wants in one process.</summary>
/// <param name="Least">Fewest with which it begins, at least 1.</param>
/// <param name="Most">Most that it has a use for.</param>
public sealed record TrialDemand(int Least, int Most)
{
    /// <summary>Nodes that are not fit for it, with why, in words.</summary>
    public ImmutableDictionary<string, string> Unfit { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Bytes of memory that each of them takes (<c>training.worker_memory</c>); null = nobody has said.</summary>
    public long? WorkerMemory { get; init; }

    /// <summary>GPUs that each of them takes (<c>training.worker_gpus</c>).</summary>
    public int WorkerGpus { get; init; }

    /// <summary>GPUs of the process that it wants: no more and no less.</summary>
    public int Gpus => WorkerGpus * Least;

    /// <summary>Most workers that it gets in a process: as many as that has GPUs for, where they want some.</summary>
    public int MostInProcess => WorkerGpus == 0 ? Most : Least;
}

/// <summary>Decides which child process an attempt gets, and how many of them nodes keep. Pure functions; nodes are taken in the given order.</summary>
public static class TrialHosts
{
    /// <summary>
    /// The child process for an attempt, and the slots that it may use there: an idle one with as many GPUs as it wants, on the node with most free slots
    /// that has the memory too, so that attempts are spread.
    /// </summary>
    /// <param name="missing">What it waits for, in words, when the result is null.</param>
    public static (string Process, int Slots)? Choose(IReadOnlyList<TrialHost> hosts, IReadOnlyList<TrialProcess> processes, TrialDemand demand,
        out string? missing)
    {
        missing = Hopeless(hosts, demand);
        if (missing is not null) return null;
        var roomy = hosts.Where(h => !h.Leaving && !demand.Unfit.ContainsKey(h.Node) && h.Room(demand) >= demand.Least).ToList();
        if (roomy.Count == 0)
        {
            missing = Slots(demand.Least, "worker slot") + MemoryFor(demand) + GpusFor(demand) + " on one node (study.isolation: process places a trial whole)";
            return null;
        }
        var idle = processes.Where(p => p is { IsBusy: false, IsEnding: false } && p.Gpus == demand.Gpus).ToLookup(p => p.Host, StringComparer.Ordinal);
        var host = roomy.Where(h => idle.Contains(h.Node)).MinBy(h => h.Used - h.WorkerSlots);
        if (host is null)
        {
            string with = demand.Gpus == 0 ? "" : $" with {WorkerRoom.GpuCount(demand.Gpus)}";
            missing = $"a child process{with} on node {string.Join(" or ", roomy.Select(h => h.Name))} (study.isolation: process)";
            return null;
        }
        return (idle[host.Node].First().Node, Math.Min(demand.MostInProcess, host.Room(demand)));
    }

    /// <summary>What the runtime and its libraries keep in a child for good, and some more.</summary>
    private const long KeptAlways = 192L << 20;

    /// <summary>
    /// Whether a child has kept so much memory of the attempts that it has had that the next one gets another child: it would be charged to that one, which
    /// may be ended for it.
    /// </summary>
    /// <param name="keptBytes">After it has given back what it can.</param>
    /// <param name="shareBytes">What an attempt there may take that does not say how much it needs; 0 = that is not known.</param>
    public static bool IsUsedUp(long keptBytes, long shareBytes) => keptBytes > Math.Max(KeptAlways, shareBytes / 4);

    /// <summary>Why no node that is there could ever take the attempt, in words; null where one could.</summary>
    public static string? Hopeless(IReadOnlyList<TrialHost> hosts, TrialDemand demand)
    {
        var able = hosts.Where(h => !h.Leaving).ToList();
        if (able.Count == 0) return "a worker node that runs trials in child processes (study.isolation: process)";
        if (able.All(h => demand.Unfit.ContainsKey(h.Node)))
            return $"a node that can run it (study.isolation: process): {string.Join("; ", able.Select(h => demand.Unfit[h.Node]))}";
        able.RemoveAll(h => demand.Unfit.ContainsKey(h.Node));
        if (able.Max(h => h.WorkerSlots) is var most && most < demand.Least)
        {
            return $"a node with {Slots(demand.Least, "worker slot")}: a trial is placed whole in one process, and the largest node has {most} "
                + "(lower training.workers, or set study.isolation: none)";
        }
        able.RemoveAll(h => h.WorkerSlots < demand.Least);
        if (able.Max(h => h.Gpus) is var gpus && gpus < demand.Gpus)
        {
            return $"a node with {Slots(demand.Least, "worker slot")}{GpusFor(demand)}: a trial is placed whole in one process, and the largest such node has "
                + $"{gpus} (lower training.worker_gpus or training.workers)";
        }
        able.RemoveAll(h => h.Gpus < demand.Gpus);
        if (able.All(h => h.RoomAlone(demand) < demand.Least))
        {
            return $"a node with {Slots(demand.Least, "worker slot")}{MemoryFor(demand)}: a trial is placed whole in one process, and the largest such node has "
                + $"{WorkerRoom.Gibibytes(able.Max(h => h.MemoryBytes ?? 0))} for workers (lower training.worker_memory or training.workers)";
        }
        able.RemoveAll(h => h.RoomAlone(demand) < demand.Least);
        return able.Any(h => h.StartFailure is null) ? null
            : $"a child process that starts: {string.Join("; ", able.Select(h => $"on node {h.Name} {h.StartFailure}"))}";
    }

    /// <summary>
    /// Which children each node should have for these attempts: first those that have one already, then the others, each on the node with
    /// most slots left, as long as nodes have slots, memory, GPUs and processes. What no node has room for waits.
    /// </summary>
    /// <param name="placed">Node whose child has the attempt and GPUs of that child, for each one that is placed.</param>
    /// <param name="waiting">Attempts that are not, in order.</param>
    /// <returns>GPUs of each child, by node; of nodes that leave, those that are busy.</returns>
    public static IReadOnlyDictionary<string, IReadOnlyList<int>> Wanted(IReadOnlyList<TrialHost> hosts, IEnumerable<(string Host, int Gpus)> placed,
        IEnumerable<TrialDemand> waiting)
    {
        var wanted = hosts.ToDictionary(h => h.Node, _ => new List<int>(), StringComparer.Ordinal);
        foreach (var (host, gpus) in placed) wanted.GetValueOrDefault(host)?.Add(gpus);
        var left = hosts.ToDictionary(h => h.Node, h => h, StringComparer.Ordinal);
        foreach (var demand in waiting)
        {
            var host = left.Values.Where(h => !h.Leaving && !demand.Unfit.ContainsKey(h.Node))
                .Where(h => h.Room(demand) >= demand.Least && wanted[h.Node].Count < h.ProcessesMax)
                .MinBy(h => h.Used - h.WorkerSlots);
            if (host is null) continue;
            left[host.Node] = host with
            {
                Used = host.Used + demand.Least,
                MemoryUsed = host.MemoryUsed + host.MemoryOf(demand, demand.Least),
                GpusUsed = host.GpusUsed + demand.Gpus,
            };
            wanted[host.Node].Add(demand.Gpus);
        }
        return wanted.ToDictionary(w => w.Key, IReadOnlyList<int> (w) => w.Value, StringComparer.Ordinal);
    }

    private static string MemoryFor(TrialDemand demand) =>
        demand.WorkerMemory is { } each ? $" and {WorkerRoom.Gibibytes(each * demand.Least)} of memory (training.worker_memory)" : "";

    private static string GpusFor(TrialDemand demand) => demand.Gpus == 0 ? "" : $" and {WorkerRoom.GpuCount(demand.Gpus)} (training.worker_gpus)";

    private static string Slots(int count, string what) => count == 1 ? $"a {what}" : FormattableString.Invariant($"{count} {what}s");
}
