using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Core.Training;

/// <summary>A node of the reduction tree with its gradient sum, ready to be pushed.</summary>
/// <param name="Gradient">Sum of per-sample gradients; belongs to the computation that made it until its next step.</param>
public sealed record ComputedNode(TreeNode Node, FlatBuffer Gradient, double Weight, MetricSums Metrics)
{
    /// <inheritdoc cref="LeafResult.NonFinite"/>
    public long? NonFinite { get; init; }
}

/// <summary>
/// Computes a worker's gradient shards and adds them up along the reduction tree, depth first, so that at most
/// log2(shards) + 1 gradient buffers a cover node are alive; one for each shard where leaves are pushed. One thread only.
/// </summary>
public sealed class ShardComputation(IGradientWorker worker, ReductionTree tree, ParameterLayout layout)
{
    private readonly Stack<FlatBuffer> _free = new();
    private readonly List<FlatBuffer> _all = [];
    private long _step = -1;

    /// <summary>
    /// Gradient sums of the fewest tree nodes that cover shards <c>[begin, end)</c>, or of each leaf where the plan says so. Buffers handed out for an
    /// earlier step are taken back: whoever had them is done by then.
    /// </summary>
    /// <param name="buffersIn">Buffer section of the plan's version.</param>
    /// <param name="buffersOut">Receives the buffer section after shard 0's forward pass, when shard 0 is in the range.</param>
    public IReadOnlyList<ComputedNode> Compute(StepPlan plan, int begin, int end, ReadOnlyMemory<float> buffersIn, Memory<float> buffersOut)
    {
        if (plan.Step != _step)
        {
            _free.Clear();
            foreach (var buffer in _all) _free.Push(buffer);
            _step = plan.Step;
        }
        IReadOnlyList<TreeNode> nodes = plan.PushesLeaves
            ? [.. Enumerable.Range(begin, end - begin).Select(shard => new TreeNode(0, shard))]
            : tree.Cover(begin, end);
        var computed = new ComputedNode[nodes.Count];
        for (int i = 0; i < computed.Length; i++) computed[i] = Reduce(plan, nodes[i], buffersIn, buffersOut);
        return computed;
    }

    private ComputedNode Reduce(StepPlan plan, TreeNode node, ReadOnlyMemory<float> buffersIn, Memory<float> buffersOut)
    {
        if (node.Level == 0)
        {
            var gradient = Rent();
            var shard = GradientShards.Part(plan.BatchSize, tree.GradientShards, node.Index);
            bool keepsBuffers = node.Index == 0 && layout.BufferCount > 0;
            var leaf = worker.ComputeLeaf(plan, shard, node.Index, gradient, buffersIn.Span, keepsBuffers ? buffersOut.Span : []);
            tree.Leaf(gradient.Span);
            if (plan.MeasuresLeaves) LeafNorms.Measure(leaf.Metrics, gradient.Span, leaf.Weight);
            else if (plan.PushesLeaves) LeafNorms.Count(leaf.Metrics, leaf.Weight);
            return new ComputedNode(node, gradient, leaf.Weight, leaf.Metrics)
            {
                NonFinite = shard.Length == 0 ? null : Divergence.FirstNonFinite(gradient.Span, tree.GradientShards),
            };
        }
        var left = Reduce(plan, new TreeNode(node.Level - 1, node.Index << 1), buffersIn, buffersOut);
        var rightNode = new TreeNode(node.Level - 1, (node.Index << 1) + 1);
        // a node without a right child is its left child, bit for bit
        if (!tree.Exists(rightNode)) return left with { Node = node };
        var right = Reduce(plan, rightNode, buffersIn, buffersOut);
        tree.Add(left.Gradient.Span, right.Gradient.Span);
        left.Metrics.Add(right.Metrics);
        _free.Push(right.Gradient);
        return left with { Node = node, Weight = left.Weight + right.Weight, NonFinite = Divergence.First(left.NonFinite, right.NonFinite) };
    }

    private FlatBuffer Rent()
    {
        if (_free.TryPop(out var buffer)) return buffer;
        buffer = new FlatBuffer(layout.ParameterCount);
        _all.Add(buffer);
        return buffer;
    }
}
