using DistOpt.Core.Batching;

namespace DistOpt.Core.Tests.Batching;

public sealed class ReductionTreeTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 2)]
    [InlineData(5, 3)]
    [InlineData(100_000, 17)]
    public void The_root_covers_every_shard(int shards, int height)
    {
        var tree = new ReductionTree(shards);
        Assert.Equal(new TreeNode(height, 0), tree.Root);
        Assert.Equal((0, shards), tree.Shards(tree.Root));
    }

    [Fact]
    public void Nodes_beyond_the_shards_do_not_exist()
    {
        var tree = new ReductionTree(5);
        Assert.True(tree.Exists(new TreeNode(2, 1)));
        Assert.Equal((4, 5), tree.Shards(new TreeNode(2, 1)));
        Assert.False(tree.Exists(new TreeNode(0, 5)));
        Assert.False(tree.Exists(new TreeNode(1, 3)));
        Assert.False(tree.Exists(new TreeNode(4, 0)));
        Assert.False(tree.Exists(new TreeNode(0, -1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => tree.Shards(new TreeNode(0, 5)));
    }

    [Fact]
    public void A_cover_is_exact_ordered_and_as_small_as_can_be()
    {
        for (int shards = 1; shards <= 17; shards++)
        {
            var tree = new ReductionTree(shards);
            for (int begin = 0; begin <= shards; begin++)
            {
                for (int end = begin; end <= shards; end++)
                {
                    int next = begin;
                    var cover = tree.Cover(begin, end);
                    foreach (var node in cover)
                    {
                        var (from, to) = tree.Shards(node);
                        Assert.Equal(next, from);
                        next = to;
                    }
                    Assert.Equal(end, next);
                    Assert.Equal(Fewest(tree, tree.Root, begin, end), cover.Count);
                }
            }
        }
    }

    /// <summary>By descent from the root: a node inside the range counts one, a node outside none, others ask their children.</summary>
    private static int Fewest(ReductionTree tree, TreeNode node, int begin, int end)
    {
        if (!tree.Exists(node)) return 0;
        var (from, to) = tree.Shards(node);
        if (from >= end || to <= begin) return 0;
        if (from >= begin && to <= end) return 1;
        return Fewest(tree, new TreeNode(node.Level - 1, node.Index * 2), begin, end)
            + Fewest(tree, new TreeNode(node.Level - 1, node.Index * 2 + 1), begin, end);
    }
}
