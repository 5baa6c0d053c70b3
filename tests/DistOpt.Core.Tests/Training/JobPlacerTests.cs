using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class JobPlacerTests
{
    [Fact]
    public void Workers_spread_evenly_and_those_of_a_node_have_neighbouring_shards()
    {
        var placement = JobPlacer.Place([new("a", 8, true), new("b", 8, false), new("c", 1, false)], 6, 12, KeyRangePartitioner.Cut(5000, 2), out _)!;

        Assert.Equal(["a", "a", "a", "b", "b", "c"], placement.Workers.Select(w => w.Node));
        Assert.Equal([(0, 2), (2, 4), (4, 6), (6, 8), (8, 10), (10, 12)], placement.Workers.Select(w => (w.ShardBegin, w.ShardEnd)));
        Assert.All(placement.Servers, s => Assert.Equal("a", s.Node));
        Assert.Equal(["a", "b", "c"], placement.Nodes);
    }

    [Fact]
    public void Servers_go_to_server_nodes_in_turn()
    {
        var placement = JobPlacer.Place([new("w", 4, false), new("s1", 0, true), new("s2", 0, true)], 2, 2, KeyRangePartitioner.Cut(5000, 3), out _)!;

        Assert.Equal(["s1", "s2", "s1"], placement.Servers.Select(s => s.Node));
    }

    [Fact]
    public void What_is_missing_is_told()
    {
        Assert.Null(JobPlacer.Place([new("a", 2, true)], 5, 5, KeyRangePartitioner.Cut(10, 1), out string? slots));
        Assert.Equal("3 more worker slots (nodes offer 2)", slots);
        Assert.Null(JobPlacer.Place([new("a", 2, false)], 2, 2, KeyRangePartitioner.Cut(10, 1), out string? server));
        Assert.Equal("a node with the server role", server);
    }

    [Fact]
    public void More_workers_than_shards_leave_some_without_gradient_work()
    {
        var placement = JobPlacer.Place([new("a", 8, true)], 3, 2, KeyRangePartitioner.Cut(10, 1), out _)!;

        Assert.Equal(2, placement.Workers.Sum(w => w.ShardEnd - w.ShardBegin));
    }
}
