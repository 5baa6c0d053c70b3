using System.Numerics.Tensors;

namespace DistOpt.Core.Batching;

/// <summary>
/// A node of the reduction tree: the sum over gradient shards <c>[Index * 2^Level, min((Index+1) * 2^Level, G))</c>.
/// Level 0 are the leaves.
/// </summary>
public readonly record struct TreeNode(int Level, int Index)
{
    public TreeNode Parent => new(Level + 1, Index >> 1);

    public bool IsLeft => (Index & 1) == 0;

    public TreeNode Sibling => this with { Index = Index ^ 1 };

    public override string ToString() => $"{Level}.{Index}";
}

/// <summary>
/// The fixed binary tree over G gradient shards. Sums are always taken left + right along it, so their bits depend on G alone
/// and never on who computed which shard or what arrived first.
/// </summary>
public sealed class ReductionTree
{
    /// <param name="gradientShards">G, at least 1.</param>
    /// <param name="precision">What the sums are kept in.</param>
    public ReductionTree(int gradientShards, GradientPrecision precision = GradientPrecision.Float32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(gradientShards, 1);
        (GradientShards, Precision) = (gradientShards, precision);
        int height = 0;
        while ((1L << height) < gradientShards) height++;
        Root = new TreeNode(height, 0);
    }

    public int GradientShards { get; }

    public GradientPrecision Precision { get; }

    public TreeNode Root { get; }

    /// <summary>Whether the node covers at least one gradient shard.</summary>
    public bool Exists(TreeNode node) => node.Level >= 0 && node.Level <= Root.Level && node.Index >= 0
        && ((long)node.Index << node.Level) < GradientShards;

    /// <summary>Makes a leaf of what was computed for it, in place.</summary>
    public void Leaf(Span<float> gradient)
    {
        if (Precision == GradientPrecision.Bfloat16) Bfloat16.Round(gradient);
    }

    /// <summary>Writes left + right into the left one: a plain IEEE addition per element, the same bits in vectors of any width.</summary>
    /// <exception cref="ArgumentException">Of different lengths.</exception>
    public void Add(Span<float> left, ReadOnlySpan<float> right)
    {
        if (Precision == GradientPrecision.Bfloat16) Bfloat16.Add(left, right);
        else TensorPrimitives.Add(left, right, left);
    }

    /// <summary>Gradient shards under the node.</summary>
    public (int Begin, int End) Shards(TreeNode node)
    {
        if (!Exists(node)) throw new ArgumentOutOfRangeException(nameof(node), $"node {node} is not in the tree over {GradientShards} gradient shards");
        long begin = (long)node.Index << node.Level;
        return ((int)begin, (int)Math.Min(begin + (1L << node.Level), GradientShards));
    }

    /// <summary>The fewest nodes, left to right, that cover exactly the shards <c>[begin, end)</c>.</summary>
    public IReadOnlyList<TreeNode> Cover(int begin, int end)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(begin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, GradientShards);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(begin, end);
        var nodes = new List<TreeNode>();
        int at = begin;
        while (at < end)
        {
            int level = 0;
            // climb while the parent begins here and ends within the range
            while (level < Root.Level && (at & ((1 << (level + 1)) - 1)) == 0
                   && Math.Min((long)at + (1L << (level + 1)), GradientShards) <= end)
                level++;
            nodes.Add(new TreeNode(level, at >> level));
            at = (int)Math.Min((long)at + (1L << level), GradientShards);
        }
        return nodes;
    }
}
