using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class ShardWorkTests
{
    [Fact]
    public void Shards_are_put_together_to_the_fewest_ranges()
    {
        Assert.Equal([new ShardRange(2, 1, 4), new ShardRange(2, 6, 7)], ShardWork.Of(2, [3, 6, 1, 2]));
        Assert.Empty(ShardWork.Of(0, []));
    }

    [Fact]
    public void Under_one_assignment_a_node_does_what_it_owns()
    {
        ShardRange[] own = [new(0, 2, 4), new(1, 4, 7)];

        Assert.Equal(own, ShardWork.Of(own, own, new HashSet<int>()));
    }

    [Fact]
    public void What_a_later_assignment_adds_is_done_too_and_nothing_twice()
    {
        var done = new HashSet<int>();

        var work = ShardWork.Of([new(0, 2, 4)], [new(0, 0, 3), new(1, 3, 6)], done);

        Assert.Equal([new(0, 2, 4), new(0, 0, 2), new(1, 4, 6)], work);
        Assert.Equal(Enumerable.Range(0, 6), done.Order());
        Assert.Empty(ShardWork.Of([new(0, 2, 4)], [new(0, 0, 3), new(1, 3, 6)], done));
    }

    [Fact]
    public void Shards_that_are_done_cut_a_range_in_pieces() =>
        Assert.Equal([new(0, 0, 2), new(0, 3, 4), new(0, 6, 8)], ShardWork.Of([new(0, 0, 8)], [], new HashSet<int> { 2, 4, 5 }));

    /// <summary>Whoever is lost: what the others own by the latest assignment covers every shard.</summary>
    [Theory]
    [InlineData(5, 3)]
    [InlineData(16, 4)]
    [InlineData(3, 3)]
    public void Whoever_is_lost_the_others_cover_every_shard(int shards, int nodes)
    {
        var before = Topology(shards, nodes);
        for (int lost = 0; lost < nodes; lost++)
        {
            var after = before.Without(new HashSet<string> { $"n{lost}" });
            var covered = new HashSet<int>();
            foreach (var replica in after.Replicas)
            {
                var byPlan = before.Replicas.Single(r => r.Index == replica.Index).Workers;
                foreach (var range in ShardWork.Of(Ranges(byPlan), Ranges(replica.Workers), new HashSet<int>()))
                    covered.UnionWith(Enumerable.Range(range.Begin, range.Length));
            }
            Assert.Equal(Enumerable.Range(0, shards), covered.Order());
        }
    }

    internal static JobTopology Topology(int shards, int nodes, int servers = 1, int backups = 0)
    {
        var capacities = Enumerable.Range(0, nodes).Select(i => new NodeCapacity($"n{i}", 1, true)).ToList();
        var ranges = Core.Parameters.KeyRangePartitioner.Cut(servers * 1024, servers);
        var placement = JobPlacer.Place(capacities, nodes, shards, ranges, out _)!;
        return JobTopology.Begin(1, placement, capacities, shards, backups, 0, isFixed: false);
    }

    private static IEnumerable<ShardRange> Ranges(IEnumerable<PlacedWorker> workers) => workers.Select((w, i) => new ShardRange(i, w.ShardBegin, w.ShardEnd));
}
