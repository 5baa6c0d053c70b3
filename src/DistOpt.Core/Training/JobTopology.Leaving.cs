using System.Collections.Immutable;

namespace DistOpt.Core.Training;

/// <summary>Nodes that are about to leave hand over what they have while steps go on, so that nobody goes back to a checkpoint.</summary>
public sealed partial record JobTopology
{
    /// <summary>
    /// The topology one step nearer to what the job wants: as <see cref="Grown"/>, and off the nodes that leave. Their workers' gradient shards
    /// and their backups go to others at once; their servers are given a backup, even where the job asks for none, and once all servers of a
    /// leaving node can be replaced, their backups take over in a new epoch. Null where nothing can be done now: then either a backup is still
    /// being seeded (<see cref="IsHandingOver"/>), or no other node has room.
    /// </summary>
    /// <param name="nodes">Nodes with the slots that are still free on them; those that leave have none and hold no server.</param>
    /// <param name="leaving">Nodes that are about to leave.</param>
    /// <param name="workersMax">The most workers.</param>
    /// <param name="backups">Backups per server, 0 or 1.</param>
    public JobTopology? Improved(IReadOnlyList<NodeCapacity> nodes, IReadOnlySet<string> leaving, int workersMax, int backups)
    {
        if (IsFixed) return null;
        if (!Nodes.Any(leaving.Contains)) return Grown(nodes, workersMax, backups);
        var staying = nodes.Where(n => !leaving.Contains(n.Node)).ToList();
        var next = Promoted(leaving) ?? WithBackupsElsewhere(staying, leaving);
        var stay = next.Replicas.RemoveAll(r => leaving.Contains(r.Node));
        var without = next with { Replicas = stay };
        var grown = without.Grown(staying, workersMax, backups) ?? without;
        // whoever computes last stays until another can
        next = grown.Replicas.IsEmpty ? next with { Servers = grown.Servers }
            : grown with { Replicas = Share(grown.Replicas, GradientShards) };
        if (next.Servers.SequenceEqual(Servers) && Shape(next).SequenceEqual(Shape(this))) return null;
        return next with { Assignment = next.Epoch > Epoch ? 0 : Assignment + 1 };
    }

    /// <summary>Whether a server on a leaving node waits for its backup to catch up.</summary>
    public bool IsHandingOver(IReadOnlySet<string> leaving) =>
        Servers.Any(s => leaving.Contains(s.Node) && s is { Backup: { } backup, Seeded: false } && !leaving.Contains(backup));

    /// <summary>Backups in the place of the servers of every leaving node whose servers could all be replaced; null where there is none.</summary>
    private JobTopology? Promoted(IReadOnlySet<string> leaving)
    {
        var ready = Servers.Where(s => leaving.Contains(s.Node)).GroupBy(s => s.Node)
            .Where(g => g.All(s => s is { Backup: { } backup, Seeded: true } && !leaving.Contains(backup)))
            .Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        if (ready.Count == 0) return null;
        return this with
        {
            Epoch = Epoch + 1,
            Servers = [.. Servers.Select(s => ready.Contains(s.Node) ? s with { Node = s.Backup!, Backup = null, Seeded = false, Since = Epoch + 1 } : s)],
        };
    }

    private static IEnumerable<(int, string, int)> Shape(JobTopology topology) => topology.Replicas.Select(r => (r.Index, r.Node, r.Workers.Length));

    private JobTopology WithBackupsElsewhere(IReadOnlyList<NodeCapacity> staying, IReadOnlySet<string> leaving)
    {
        var servers = Servers.Select(s => s.Backup is { } backup && leaving.Contains(backup) ? s with { Backup = null, Seeded = false } : s);
        return (this with { Servers = [.. servers] }).WithBackups(staying, s => leaving.Contains(s.Node));
    }
}
