using System.Collections.Immutable;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>A topology as nodes are told of it, and back.</summary>
internal static class TopologyWire
{
    /// <param name="peer">Where the tensors of a node go.</param>
    /// <param name="coordinator">Whom the nodes report to.</param>
    public static JobPlacement ToWire(JobTopology topology, Func<string, WirePeer> peer, WirePeer coordinator) => new(topology.Epoch,
        [.. topology.Servers.Select(s => new ServerPlace(s.Index, peer(s.Node), s.Range.Begin, s.Range.End,
            s.Backup is null ? null : peer(s.Backup), s.Seeded, s.Since))],
        [.. topology.Replicas.Select(r => new ReplicaPlace(r.Index, peer(r.Node),
            [.. r.Workers.Select(w => new WorkerPlace(w.Index, w.ShardBegin, w.ShardEnd))]))],
        coordinator, topology.Assignment, topology.IsFixed, topology.StartEpoch)
    { NextReplica = topology.NextReplica };

    /// <param name="gradientShards">G of the job.</param>
    public static JobTopology FromWire(JobPlacement placement, int gradientShards) => new(placement.JobEpoch, placement.Assignment, gradientShards,
        [.. placement.Servers.Select(s => new TopologyServer(s.Index, new KeyRange(s.Begin, s.End), s.Peer.Node.Value,
            s.Backup?.Node.Value, s.BackupIsSeeded, s.Since))],
        [.. placement.Replicas.Select(r => new TopologyReplica(r.Index, r.Peer.Node.Value,
            [.. r.Workers.Select(w => new PlacedWorker(w.Index, r.Peer.Node.Value, w.ShardBegin, w.ShardEnd))]))],
        placement.Replicas.Select(r => r.Index + 1).Append(placement.NextReplica).Max(), placement.IsFixed)
    { StartEpoch = placement.StartEpoch };

    /// <summary>Where the tensors of the placement's nodes go.</summary>
    public static IEnumerable<WirePeer> Peers(JobPlacement placement) => placement.Servers.Select(s => s.Peer)
        .Concat(placement.Servers.Where(s => s.Backup is not null).Select(s => s.Backup!)).Concat(placement.Replicas.Select(r => r.Peer));
}
