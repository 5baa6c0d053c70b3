using System.Collections.Immutable;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Training;

/// <summary>What a node can take.</summary>
/// <param name="Node">Id of the node.</param>
/// <param name="WorkerSlots">Workers that still fit; 0 for a node without the role.</param>
/// <param name="Server">Whether the node has the server role.</param>
public sealed record NodeCapacity(string Node, int WorkerSlots, bool Server);

/// <summary>A worker's place and the gradient shards <c>[ShardBegin, ShardEnd)</c> it owns (possibly none).</summary>
public sealed record PlacedWorker(int Index, string Node, int ShardBegin, int ShardEnd);

public sealed record PlacedServer(int Index, string Node, KeyRange Range);

/// <summary>Where a job's servers and workers run. A node's workers have consecutive indices, and so consecutive gradient shards.</summary>
public sealed record Placement(ImmutableArray<PlacedServer> Servers, ImmutableArray<PlacedWorker> Workers)
{
    public IEnumerable<string> Nodes => Servers.Select(s => s.Node).Concat(Workers.Select(w => w.Node)).Distinct(StringComparer.Ordinal);
}

/// <summary>Decides which node runs what. A pure function; nodes are taken in the given order.</summary>
public static class JobPlacer
{
    /// <summary>
    /// Spreads workers as evenly as slots allow (one more each round to every node that has room), then servers over server nodes in turn.
    /// </summary>
    /// <param name="waitingFor">What is missing, in words, when the result is null.</param>
    public static Placement? Place(IReadOnlyList<NodeCapacity> nodes, int workers, int gradientShards, ImmutableArray<KeyRange> ranges,
        out string? waitingFor)
    {
        var counts = new int[nodes.Count];
        int placed = 0;
        while (placed < workers)
        {
            int before = placed;
            for (int n = 0; n < nodes.Count && placed < workers; n++)
            {
                if (counts[n] >= nodes[n].WorkerSlots) continue;
                counts[n]++;
                placed++;
            }
            if (placed != before) continue;
            waitingFor = $"{workers - placed} more worker slots (nodes offer {placed})";
            return null;
        }
        var serverNodes = nodes.Where(n => n.Server).ToList();
        if (serverNodes.Count == 0)
        {
            waitingFor = "a node with the server role";
            return null;
        }
        waitingFor = null;
        var placedWorkers = ImmutableArray.CreateBuilder<PlacedWorker>(workers);
        for (int n = 0; n < nodes.Count; n++)
        {
            for (int i = 0; i < counts[n]; i++)
            {
                int index = placedWorkers.Count;
                var shards = GradientShards.Part(gradientShards, workers, index);
                placedWorkers.Add(new PlacedWorker(index, nodes[n].Node, (int)shards.Begin, (int)shards.End));
            }
        }
        var servers = ranges.Select((range, i) => new PlacedServer(i, serverNodes[i % serverNodes.Count].Node, range));
        return new Placement([.. servers], placedWorkers.MoveToImmutable());
    }
}
