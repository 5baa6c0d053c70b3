using System.Collections.Immutable;
using DistOpt.Actors.Training;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

public sealed class TopologyWireTests
{
    [Fact]
    public void Whoever_takes_a_job_over_gives_no_index_of_a_lost_replica_again()
    {
        var topology = new JobTopology(3, 1, 6, [new TopologyServer(0, new KeyRange(0, 10), "s", null, false, 3)],
            [Replica(4, "a", 0, 3), Replica(5, "b", 3, 6)], NextReplica: 6, IsFixed: false);

        var found = Sent(topology.Without(ImmutableHashSet.Create("b")));

        Assert.Equal([4], found.Replicas.Select(r => r.Index));
        Assert.Equal([4, 6], found.TakenOver(ImmutableHashSet<string>.Empty)!.Grown([new NodeCapacity("c", 1, false)], 2, 0)!.Replicas.Select(r => r.Index));
    }

    [Fact]
    public void A_placement_of_a_build_that_does_not_say_goes_on_above_the_replicas_that_are_there()
    {
        var topology = new JobTopology(1, 0, 6, [new TopologyServer(0, new KeyRange(0, 10), "s", null, false, 1)], [Replica(4, "a", 0, 6)], 9, false);
        var old = TopologyWire.ToWire(topology, Peer, Peer("coordinator")) with { NextReplica = 0 };

        Assert.Equal(5, TopologyWire.FromWire(old, 6).NextReplica);
    }

    private static JobTopology Sent(JobTopology topology) =>
        TopologyWire.FromWire(TopologyWire.ToWire(topology, Peer, Peer("coordinator")), topology.GradientShards);

    private static TopologyReplica Replica(int index, string node, int begin, int end) => new(index, node, [new PlacedWorker(index, node, begin, end)]);

    private static WirePeer Peer(string node) => new(new NodeId(node), "", 0);
}
