using System.Collections.Immutable;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Training;

/// <summary>A server's key range, its node, and the node of its backup.</summary>
/// <param name="Seeded">Whether the backup has caught up and can take over.</param>
/// <param name="Since">Epoch in which <paramref name="Node"/> became the server.</param>
public sealed record TopologyServer(int Index, KeyRange Range, string Node, string? Backup, bool Seeded, int Since);

/// <summary>A node's workers. The index is never used again within the job.</summary>
public sealed record TopologyReplica(int Index, string Node, ImmutableArray<PlacedWorker> Workers);

/// <summary>What the loss of nodes means for a job.</summary>
public enum Recovery
{
    /// <summary>None of them had anything of the job.</summary>
    None,

    /// <summary>Only workers or backups are lost: others take over their gradient shards, and steps go on.</summary>
    Reassign,

    /// <summary>Backups take the place of lost servers, in a new epoch and without going back.</summary>
    Promote,

    /// <summary>A server is lost without a backup: everyone goes back to the last checkpoint, in a new epoch.</summary>
    Rollback,
}

/// <summary>
/// Who does what in a job, and what becomes of it when nodes go or come. Decisions alone: the coordinator carries them out. Immutable.
/// </summary>
/// <param name="Epoch">Counts placements of servers.</param>
/// <param name="Assignment">Counts assignments of gradient shards within the epoch.</param>
/// <param name="GradientShards">G, which limits how many workers have work.</param>
/// <param name="NextReplica">Index of the next replica.</param>
/// <param name="IsFixed">Whether it is one node's alone for good.</param>
public sealed partial record JobTopology(
    int Epoch,
    int Assignment,
    int GradientShards,
    ImmutableArray<TopologyServer> Servers,
    ImmutableArray<TopologyReplica> Replicas,
    int NextReplica,
    bool IsFixed)
{
    /// <summary>Epoch that the servers began; later ones went on with what they hold.</summary>
    public int StartEpoch { get; init; } = Epoch;

    public int Workers => Replicas.Sum(r => r.Workers.Length);

    /// <summary>Every node that has something of the job.</summary>
    public IEnumerable<string> Nodes => Servers.Select(s => s.Node)
        .Concat(Servers.Where(s => s.Backup is not null).Select(s => s.Backup!))
        .Concat(Replicas.Select(r => r.Node)).Distinct(StringComparer.Ordinal);

    /// <summary>Servers that could not be replaced without going back to a checkpoint.</summary>
    public IEnumerable<TopologyServer> Unprotected => Servers.Where(s => s.Backup is null || !s.Seeded);

    /// <summary>The first topology of an epoch.</summary>
    /// <param name="backups">Backups per server, 0 or 1. A backup is on another node than its server; without one it is unprotected.</param>
    public static JobTopology Begin(int epoch, Placement placement, IReadOnlyList<NodeCapacity> nodes, int gradientShards, int backups, int nextReplica,
        bool isFixed)
    {
        var servers = placement.Servers.Select(s => new TopologyServer(s.Index, s.Range, s.Node, null, false, epoch)).ToImmutableArray();
        var replicas = placement.Workers.GroupBy(w => w.Node)
            .Select((group, i) => new TopologyReplica(nextReplica + i, group.Key, [.. group])).ToImmutableArray();
        var topology = new JobTopology(epoch, 0, gradientShards, servers, replicas, nextReplica + replicas.Length, isFixed);
        if (backups == 0) return topology;
        topology = topology.WithBackups(nodes, _ => true);
        // they begin with the state that their servers begin with
        return topology with { Servers = [.. topology.Servers.Select(s => s with { Seeded = s.Backup is not null })] };
    }

    /// <summary>What the loss of these nodes means.</summary>
    public Recovery After(IReadOnlySet<string> lost)
    {
        if (!Nodes.Any(lost.Contains)) return Recovery.None;
        var servers = Servers.Where(s => lost.Contains(s.Node)).ToList();
        if (servers.Count == 0) return Recovery.Reassign;
        return servers.All(s => s is { Backup: { } backup, Seeded: true } && !lost.Contains(backup)) ? Recovery.Promote : Recovery.Rollback;
    }

    /// <summary>
    /// The topology without the lost nodes, for <see cref="Recovery.Reassign"/> and <see cref="Recovery.Promote"/>. It may have no workers any more: its
    /// servers hold the state until there are others.
    /// </summary>
    public JobTopology Without(IReadOnlySet<string> lost) => Without(lost, Servers.Any(s => lost.Contains(s.Node)) ? Epoch + 1 : Epoch);

    /// <summary>
    /// The topology by which another coordinator goes on with what runs, in a new epoch, so that what the former one still says is refused; null
    /// where everyone must go back to a checkpoint.
    /// </summary>
    /// <param name="lost">Nodes that do not run any more what the topology gives to them; may be empty.</param>
    public JobTopology? TakenOver(IReadOnlySet<string> lost) => After(lost) == Recovery.Rollback ? null : Without(lost, Epoch + 1);

    private JobTopology Without(IReadOnlySet<string> lost, int epoch)
    {
        var replicas = Replicas.Where(r => !lost.Contains(r.Node)).ToImmutableArray();
        var servers = Servers.Select(s =>
            lost.Contains(s.Node) ? s with { Node = s.Backup!, Backup = null, Seeded = false, Since = epoch }
            : s.Backup is { } backup && lost.Contains(backup) ? s with { Backup = null, Seeded = false } : s);
        return this with
        {
            Epoch = epoch,
            Assignment = epoch > Epoch ? 0 : Assignment + 1,
            Servers = [.. servers],
            Replicas = Share(replicas, GradientShards),
        };
    }

    /// <summary>The topology whose workers on that node are gone, servers stay; null where there are no others.</summary>
    public JobTopology? WithoutWorkersOn(string node)
    {
        var replicas = Replicas.Where(r => r.Node != node).ToImmutableArray();
        return replicas.IsEmpty ? null : this with { Assignment = Assignment + 1, Replicas = Share(replicas, GradientShards) };
    }

    /// <summary>What a node has of the job, for people: <c>worker 0, server 1, backup of server 0</c>.</summary>
    public string RolesOf(string node) => string.Join(", ", Replicas.Where(r => r.Node == node).SelectMany(r => r.Workers).Select(w => $"worker {w.Index}")
        .Concat(Servers.Where(s => s.Node == node).Select(s => $"server {s.Index}"))
        .Concat(Servers.Where(s => s.Backup == node).Select(s => $"backup of server {s.Index}")));

    /// <summary>
    /// The topology with more workers and backups, as far as nodes have room and the job wants them; null where nothing can be added.
    /// </summary>
    /// <param name="nodes">Nodes with the slots that are still free on them.</param>
    /// <param name="workersMax">The most workers.</param>
    /// <param name="backups">Backups per server, 0 or 1.</param>
    public JobTopology? Grown(IReadOnlyList<NodeCapacity> nodes, int workersMax, int backups)
    {
        if (IsFixed) return null;
        int wanted = Math.Min(workersMax, GradientShards) - Workers;
        var counts = Replicas.ToDictionary(r => r.Node, r => r.Workers.Length, StringComparer.Ordinal);
        var free = nodes.ToDictionary(n => n.Node, n => n.WorkerSlots, StringComparer.Ordinal);
        bool more = false;
        while (wanted > 0)
        {
            // one more each round where there are fewest, so that a new node gets its share first
            var node = nodes.Where(n => free[n.Node] > 0).MinBy(n => counts.GetValueOrDefault(n.Node));
            if (node is null) break;
            free[node.Node]--;
            counts[node.Node] = counts.GetValueOrDefault(node.Node) + 1;
            wanted--;
            more = true;
        }
        var withBackups = backups > 0 ? WithBackups(nodes, _ => true) : this;
        if (!more && withBackups == this) return null;
        int next = NextReplica;
        var replicas = Replicas.Concat(counts.Keys.Except(Replicas.Select(r => r.Node)).Order(StringComparer.Ordinal)
            .Select(node => new TopologyReplica(next++, node, []))).ToList();
        int index = 0;
        var filled = replicas.Select(r => r with { Workers = [.. Enumerable.Range(0, counts[r.Node]).Select(_ => new PlacedWorker(index++, r.Node, 0, 0))] });
        return withBackups with
        {
            Assignment = Assignment + 1,
            Replicas = Share([.. filled], GradientShards),
            NextReplica = next,
        };
    }

    /// <summary>The backup of a server has caught up.</summary>
    public JobTopology WithSeeded(int server) => this with
    {
        Servers = [.. Servers.Select(s => s.Index == server ? s with { Seeded = true } : s)],
    };

    /// <summary>Gives each unprotected server that is meant a backup on the server node that has fewest servers and backups, other than its own.</summary>
    private JobTopology WithBackups(IReadOnlyList<NodeCapacity> nodes, Func<TopologyServer, bool> isMeant)
    {
        var servers = Servers.ToBuilder();
        bool changed = false;
        for (int i = 0; i < servers.Count; i++)
        {
            var server = servers[i];
            if (server.Backup is not null || !isMeant(server)) continue;
            var node = nodes.Where(n => n.Server && n.Node != server.Node)
                .MinBy(n => servers.Count(s => s.Node == n.Node) + servers.Count(s => s.Backup == n.Node));
            if (node is null) continue;
            servers[i] = server with { Backup = node.Node, Seeded = false };
            changed = true;
        }
        return changed ? this with { Servers = servers.ToImmutable() } : this;
    }

    /// <summary>Shares the gradient shards among the workers anew, in the order of replicas.</summary>
    private static ImmutableArray<TopologyReplica> Share(ImmutableArray<TopologyReplica> replicas, int gradientShards)
    {
        int workers = replicas.Sum(r => r.Workers.Length);
        int position = 0;
        var shared = ImmutableArray.CreateBuilder<TopologyReplica>(replicas.Length);
        foreach (var replica in replicas)
        {
            var own = ImmutableArray.CreateBuilder<PlacedWorker>(replica.Workers.Length);
            for (int i = 0; i < replica.Workers.Length; i++)
            {
                var shards = Batching.GradientShards.Part(gradientShards, workers, position);
                own.Add(new PlacedWorker(position++, replica.Node, (int)shards.Begin, (int)shards.End));
            }
            shared.Add(replica with { Workers = own.MoveToImmutable() });
        }
        return shared.MoveToImmutable();
    }
}
