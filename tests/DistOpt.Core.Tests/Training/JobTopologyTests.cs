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
        var next = topology.Without(lost);

        Assert.Equal((1, 1), (next.Epoch, next.Assignment));
        Assert.Equal(["n0", "n1", "n3"], next.Replicas.Select(r => r.Node));
        Assert.Equal([0, 1, 3], next.Replicas.Select(r => r.Index));
        Assert.Equal(8, next.Replicas.SelectMany(r => r.Workers).Sum(w => w.ShardEnd - w.ShardBegin));
    }

    [Fact]
    public void A_lost_server_without_a_backup_means_going_back() =>
        Assert.Equal(Recovery.Rollback, ShardWorkTests.Topology(shards: 4, nodes: 3, servers: 2).After(new HashSet<string> { "n1" }));

    [Fact]
    public void A_node_without_its_workers_keeps_its_servers_and_others_get_their_shards()
    {
        var topology = ShardWorkTests.Topology(shards: 8, nodes: 3, servers: 2);

        var next = topology.WithoutWorkersOn("n1")!;

        Assert.Equal((1, 1), (next.Epoch, next.Assignment));
        Assert.Equal(["n0", "n2"], next.Replicas.Select(r => r.Node));
        Assert.Equal(8, next.Replicas.SelectMany(r => r.Workers).Sum(w => w.ShardEnd - w.ShardBegin));
        Assert.Equal(topology.Servers, next.Servers);
        Assert.Equal("server 1", next.RolesOf("n1"));
        Assert.Null(next.WithoutWorkersOn("n0")!.WithoutWorkersOn("n2"));
    }

    [Fact]
    public void A_backup_is_on_another_node_and_takes_over_in_a_new_epoch()
    {
        var topology = ShardWorkTests.Topology(shards: 4, nodes: 3, servers: 2, backups: 1);
        Assert.All(topology.Servers, s => Assert.True(s.Backup is not null && s.Backup != s.Node && s.Seeded));
        var lost = new HashSet<string> { "n1" };

        Assert.Equal(Recovery.Promote, topology.After(lost));
        var next = topology.Without(lost);

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
        var withoutBackup = topology.Without(new HashSet<string> { topology.Servers[0].Backup! });
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
    public void Servers_stay_when_all_workers_are_lost_and_the_next_worker_gets_every_shard()
    {
        NodeCapacity[] nodes = [new("w0", 1, false), new("w1", 1, false), new("s", 0, true)];
        var placement = JobPlacer.Place(nodes, 2, 4, Core.Parameters.KeyRangePartitioner.Cut(1024, 1), out _)!;
        var topology = JobTopology.Begin(1, placement, nodes, 4, 0, 0, isFixed: false);
        var lost = new HashSet<string> { "w0", "w1" };

        var without = topology.Without(lost);

        Assert.Equal(Recovery.Reassign, topology.After(lost));
        Assert.Equal((0, 1, 1), (without.Workers, without.Epoch, without.Assignment));
        Assert.Equal(topology.Servers, without.Servers);
        var worker = Assert.Single(Assert.Single(without.Grown([new("w2", 1, false)], workersMax: 2, backups: 0)!.Replicas).Workers);
        Assert.Equal((0, 4), (worker.ShardBegin, worker.ShardEnd));
    }

    [Fact]
    public void A_server_that_leaves_is_given_a_backup_and_replaced_once_that_has_caught_up()
    {
        // servers on n0 and n1, workers on n0, n1, n2
        var topology = ShardWorkTests.Topology(shards: 6, nodes: 3, servers: 2);
        var leaving = new HashSet<string> { "n0" };
        NodeCapacity[] nodes = [new("n0", 0, false), new("n1", 0, true), new("n2", 1, true)];

        var seeding = topology.Improved(nodes, leaving, workersMax: 3, backups: 0)!;
        Assert.Equal((1, 1), (seeding.Epoch, seeding.Assignment));
        Assert.Equal(("n0", "n2", false), (seeding.Servers[0].Node, seeding.Servers[0].Backup, seeding.Servers[0].Seeded));
        Assert.Null(seeding.Servers[1].Backup);
        Assert.Equal([("n1", 1), ("n2", 2)], seeding.Replicas.Select(r => (r.Node, r.Workers.Length)));
        Assert.Equal(6, seeding.Replicas.SelectMany(r => r.Workers).Sum(w => w.ShardEnd - w.ShardBegin));
        Assert.True(seeding.IsHandingOver(leaving));
        NodeCapacity[] full = [new("n0", 0, false), new("n1", 0, true), new("n2", 0, true)];
        Assert.Null(seeding.Improved(full, leaving, workersMax: 3, backups: 0));

        var gone = seeding.WithSeeded(0).Improved(full, leaving, workersMax: 3, backups: 0)!;
        Assert.Equal((2, 0), (gone.Epoch, gone.Assignment));
        Assert.Equal(("n2", null, 2), (gone.Servers[0].Node, gone.Servers[0].Backup, gone.Servers[0].Since));
        Assert.Equal(1, gone.Servers[1].Since);
        Assert.DoesNotContain("n0", gone.Nodes);
        Assert.False(gone.IsHandingOver(leaving));
        Assert.Null(gone.Improved(full, leaving, workersMax: 3, backups: 0));
    }

    [Fact]
    public void A_backup_on_a_node_that_leaves_moves_and_one_that_has_caught_up_takes_over_at_once()
    {
        var topology = ShardWorkTests.Topology(shards: 4, nodes: 4, servers: 1, backups: 1);
        var (server, backup) = (topology.Servers[0].Node, topology.Servers[0].Backup!);
        NodeCapacity[] nodes = [.. topology.Nodes.Select(n => new NodeCapacity(n, 0, true))];

        var moved = topology.Improved(nodes, new HashSet<string> { backup }, workersMax: 4, backups: 1)!;
        Assert.Equal(1, moved.Epoch);
        Assert.Equal(server, moved.Servers[0].Node);
        Assert.DoesNotContain(backup, moved.Nodes);
        Assert.NotNull(moved.Servers[0].Backup);
        Assert.False(moved.Servers[0].Seeded);

        var taken = topology.Improved(nodes, new HashSet<string> { server }, workersMax: 4, backups: 1)!;
        Assert.Equal((2, backup), (taken.Epoch, taken.Servers[0].Node));
        Assert.NotNull(taken.Servers[0].Backup);
        Assert.DoesNotContain(server, taken.Nodes);
    }

    [Fact]
    public void Where_no_other_node_has_room_the_last_workers_and_servers_stay()
    {
        var topology = ShardWorkTests.Topology(shards: 4, nodes: 1);
        var leaving = new HashSet<string> { "n0" };

        Assert.Null(topology.Improved([new("n0", 0, false)], leaving, workersMax: 1, backups: 0));
        Assert.False(topology.IsHandingOver(leaving));
        // workers can go, the server can not
        var next = topology.Improved([new("n0", 0, false), new("n5", 2, false)], leaving, workersMax: 1, backups: 0)!;
        Assert.Equal(["n5"], next.Replicas.Select(r => r.Node));
        Assert.Equal("n0", next.Servers[0].Node);
        Assert.Null(next.Improved([new("n0", 0, false), new("n5", 1, false)], leaving, workersMax: 1, backups: 0));
    }

    [Fact]
    public void Without_nodes_that_leave_improving_is_growing()
    {
        var topology = ShardWorkTests.Topology(shards: 5, nodes: 2);
        NodeCapacity[] free = [new("n0", 0, false), new("n7", 10, false)];

        Assert.Equivalent(topology.Grown(free, 4, 0), topology.Improved(free, new HashSet<string>(), 4, 0));
        Assert.Null(topology.Improved([], new HashSet<string> { "n9" }, 2, 0));
    }
}
