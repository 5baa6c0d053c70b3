using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class JobTopologyTests
{
    [Fact]
    public void A_lost_worker_means_reassignment_within_the_epoch()
    {
        var topology = ShardWorkTests.Topology(shards: 8, nodes: 4);
        var lost = new HashSet<string> { "n2" };

        Assert.Equal(Recovery.Reassign, topology.After(lost));
        var next = topology.Without(lost)!;

        Assert.Equal((1, 1), (next.Epoch, next.Assignment));
        Assert.Equal(["n0", "n1", "n3"], next.Replicas.Select(r => r.Node));
        Assert.Equal([0, 1, 3], next.Replicas.Select(r => r.Index));
        Assert.Equal(8, next.Replicas.SelectMany(r => r.Workers).Sum(w => w.ShardEnd - w.ShardBegin));
    }

    [Fact]
    public void A_lost_server_without_a_backup_means_going_back() =>
        Assert.Equal(Recovery.Rollback, ShardWorkTests.Topology(shards: 4, nodes: 3, servers: 2).After(new HashSet<string> { "n1" }));

    [Fact]
    public void A_backup_is_on_another_node_and_takes_over_in_a_new_epoch()
    {
        var topology = ShardWorkTests.Topology(shards: 4, nodes: 3, servers: 2, backups: 1);
        Assert.All(topology.Servers, s => Assert.True(s.Backup is not null && s.Backup != s.Node && s.Seeded));
        var lost = new HashSet<string> { "n1" };

        Assert.Equal(Recovery.Promote, topology.After(lost));
        var next = topology.Without(lost)!;

        Assert.Equal(2, next.Epoch);
        Assert.Equal(topology.Servers[1].Backup, next.Servers[1].Node);
        Assert.Equal((2, false), (next.Servers[1].Since, next.Servers[1].Seeded));
        Assert.Null(next.Servers[1].Backup);
        Assert.Equal(1, next.Servers[0].Since);
    }

    [Fact]
    public void A_backup_that_has_not_caught_up_cannot_take_over()
    {
        var topology = ShardWorkTests.Topology(shards: 4, nodes: 3, servers: 1, backups: 1);
        var withoutBackup = topology.Without(new HashSet<string> { topology.Servers[0].Backup! })!;
        var seeding = withoutBackup.Grown([new NodeCapacity("n9", 0, true)], workersMax: 3, backups: 1)!;

        Assert.Equal("n9", seeding.Servers[0].Backup);
        Assert.Equal(Recovery.Rollback, seeding.After(new HashSet<string> { seeding.Servers[0].Node }));
        Assert.Single(seeding.Unprotected);
        Assert.Equal(Recovery.Promote, seeding.WithSeeded(0).After(new HashSet<string> { seeding.Servers[0].Node }));
        Assert.Empty(seeding.WithSeeded(0).Unprotected);
    }

    [Fact]
    public void Losing_server_and_backup_at_once_means_going_back()
    {
        var topology = ShardWorkTests.Topology(shards: 4, nodes: 4, servers: 1, backups: 1);

        Assert.Equal(Recovery.Rollback, topology.After(new HashSet<string> { topology.Servers[0].Node, topology.Servers[0].Backup! }));
    }

    [Fact]
    public void A_new_node_gets_workers_up_to_the_wanted_number_and_never_more_than_shards()
    {
        var topology = ShardWorkTests.Topology(shards: 5, nodes: 2);
        NodeCapacity[] free = [new("n0", 0, false), new("n7", 10, false)];

        var grown = topology.Grown(free, workersMax: 4, backups: 0)!;
        Assert.Equal([("n0", 1), ("n1", 1), ("n7", 2)], grown.Replicas.Select(r => (r.Node, r.Workers.Length)));
        Assert.Equal(1, grown.Assignment);
        Assert.Equal(5, grown.Replicas.SelectMany(r => r.Workers).Sum(w => w.ShardEnd - w.ShardBegin));
        Assert.Equal(5, topology.Grown(free, workersMax: 100, backups: 0)!.Workers);
        Assert.Null(grown.Grown([new("n7", 8, false)], workersMax: 4, backups: 0));
    }

    [Fact]
    public void With_nobody_left_to_compute_there_is_no_topology() =>
        Assert.Null(ShardWorkTests.Topology(shards: 4, nodes: 2).Without(new HashSet<string> { "n0", "n1" }));
}
