using DistOpt.Core.Batching;

namespace DistOpt.Core.Training;

/// <summary>Adds up what one node's workers computed, along the reduction tree, so that fewer bytes go over the network.</summary>
public static class NodeReduction
{
    /// <summary>
    /// The fewest tree nodes that hold the same sums. Siblings are added into the left one's memory.
    /// </summary>
    /// <param name="nodes">Disjoint nodes in ascending order of their shards.</param>
    public static IReadOnlyList<ComputedNode> Reduce(ReductionTree tree, IReadOnlyList<ComputedNode> nodes)
    {
        var stack = new List<ComputedNode>(nodes.Count);
        foreach (var node in nodes)
        {
            stack.Add(node);
            while (Collapse(tree, stack)) { }
        }
        return stack;
    }

    private static bool Collapse(ReductionTree tree, List<ComputedNode> stack)
    {
        var last = stack[^1];
        if (last.Node == tree.Root) return false;
        if (last.Node.IsLeft)
        {
            if (tree.Exists(last.Node.Sibling)) return false;
            stack[^1] = last with { Node = last.Node.Parent };
            return true;
        }
        if (stack.Count < 2 || stack[^2].Node != last.Node.Sibling) return false;
        var left = stack[^2];
        tree.Add(left.Gradient.Span, last.Gradient.Span);
        left.Metrics.Add(last.Metrics);
        stack.RemoveAt(stack.Count - 1);
        stack[^1] = left with
        {
            Node = left.Node.Parent,
            Weight = left.Weight + last.Weight,
            NonFinite = Divergence.First(left.NonFinite, last.NonFinite),
        };
        return true;
    }
}
