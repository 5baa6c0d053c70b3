using DistOpt.Core.Training;

namespace DistOpt.Core.Batching;

/// <summary>
/// Adds up gradient sums along a <see cref="ReductionTree"/> as they arrive, in whatever order and at whatever level: as soon as both
/// children of a node are present, left + right is written into the left one's memory and the right one is released. The bits of the
/// result depend on the leaves alone. Used by a server for its key range (target: the root) and by a worker or a process for the shards it
/// computes itself (targets: their cover). Holds at most one buffer per pending node and allocates none. Not thread-safe.
/// </summary>
/// <typeparam name="TLease">Owner of a node's memory; disposed once its values have gone into another node's.</typeparam>
public sealed class TreeReducer<TLease> : IDisposable where TLease : class, IDisposable
{
    private readonly ReductionTree _tree;
    private readonly int _length;
    private readonly Func<TLease, Memory<float>> _memory;
    private readonly int[] _firstOfLevel;
    private readonly Slot[] _slots;
    private readonly List<TreeNode> _targets = [];
    private int _targetsReached;
    private bool? _hasResults;

    /// <param name="tree">The tree over the job's gradient shards.</param>
    /// <param name="length">Elements in every node's memory.</param>
    /// <param name="memory">The memory a lease lends: at least <paramref name="length"/> elements, of which the first ones count.</param>
    public TreeReducer(ReductionTree tree, int length, Func<TLease, Memory<float>> memory)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _tree = tree;
        _length = length;
        _memory = memory;
        _firstOfLevel = new int[tree.Root.Level + 2];
        for (int level = 0; level <= tree.Root.Level; level++)
        {
            int nodes = (int)((tree.GradientShards + (1L << level) - 1) >> level);
            _firstOfLevel[level + 1] = _firstOfLevel[level] + nodes;
        }
        _slots = new Slot[_firstOfLevel[^1]];
        Reset();
    }

    /// <summary>Nodes whose sums are wanted, in the order in which they were given; the root by default.</summary>
    public IReadOnlyList<TreeNode> Targets => _targets;

    /// <summary>Whether every target has its sum.</summary>
    public bool IsComplete => _targetsReached == _targets.Count;

    /// <summary>Begins a step whose result is the root's sum. What is left of the step before is released.</summary>
    public void Reset() => Reset([_tree.Root]);

    /// <summary>Begins a step. What is left of the step before is released.</summary>
    /// <param name="targets">Nodes whose sums are wanted, none below another (see <see cref="ReductionTree.Cover"/>); may be empty.</param>
    /// <exception cref="ArgumentException">A target is not in the tree, or lies below another.</exception>
    public void Reset(params ReadOnlySpan<TreeNode> targets)
    {
        foreach (ref var slot in _slots.AsSpan())
        {
            slot.Lease?.Dispose();
            slot = default;
        }
        _targets.Clear();
        _targetsReached = 0;
        _hasResults = null;
        foreach (var target in targets)
        {
            if (!_tree.Exists(target))
                throw new ArgumentException($"node {target} is not in the tree over {_tree.GradientShards} gradient shards");
            At(target).IsTarget = true;
            _targets.Add(target);
        }
        foreach (var target in targets)
        {
            if (FindTarget(target.Parent) is { } upper)
                throw new ArgumentException($"target {target} lies below target {upper}");
        }
    }

    /// <summary>
    /// Takes over the sum of a node. False: the node is already covered by what came before (a repeat has the same bits) and the caller
    /// keeps the lease. Parts of the node that came before are released in favour of this one.
    /// </summary>
    /// <param name="node">A target or a node below one.</param>
    /// <param name="lease">Owns the node's gradient sum; from now on the reducer's, if true is returned.</param>
    /// <param name="result">Weight and metrics of the node, added in the same order; null for every node where another server collects
    /// them.</param>
    /// <exception cref="ArgumentException">The node lies below no target, its memory has too few elements, or it has a result where
    /// others had none.</exception>
    public bool Add(TreeNode node, TLease lease, LeafResult? result)
    {
        if (!_tree.Exists(node) || FindTarget(node) is null)
            throw new ArgumentException($"node {node} lies below none of the wanted nodes {string.Join(", ", _targets)}", nameof(node));
        if (_memory(lease).Length < _length)
            throw new ArgumentException($"node {node} has {_memory(lease).Length} elements where {_length} are wanted", nameof(lease));
        if (IsCovered(node)) return false;
        if ((_hasResults ??= result is not null) != result is not null)
        {
            throw new ArgumentException($"node {node} comes {(_hasResults.Value ? "without" : "with")} weight and metrics, unlike others",
                nameof(result));
        }
        ReleaseBelow(node);
        Put(node, lease, result);
        Climb(node);
        return true;
    }

    /// <summary>Whether everything under the node has come: it would be refused.</summary>
    public bool IsCovered(TreeNode node)
    {
        for (; node.Level <= _tree.Root.Level; node = node.Parent)
        {
            ref var slot = ref At(node);
            if (slot.IsPresent) return true;
            if (slot.IsTarget) return false;
        }
        return false;
    }

    /// <summary>
    /// Hands over the sum of a target that is reached; it stays covered until the next reset, and the caller disposes the lease.
    /// </summary>
    /// <exception cref="InvalidOperationException">The target is not wanted, not reached, or was taken.</exception>
    public (TLease Lease, LeafResult? Result) Take(TreeNode target)
    {
        if (!_tree.Exists(target) || !At(target).IsTarget || At(target).Lease is not { } lease)
            throw new InvalidOperationException($"node {target} has no sum to take: not wanted, not complete, or taken before");
        ref var slot = ref At(target);
        slot.Lease = null;
        return (lease, slot.Result);
    }

    /// <summary>Gradient shards that are still missing, ascending: what a step waits for.</summary>
    public IEnumerable<int> MissingShards()
    {
        foreach (var target in _targets)
        {
            var (begin, end) = _tree.Shards(target);
            for (int shard = begin; shard < end; shard++)
                if (!IsCovered(new TreeNode(0, shard))) yield return shard;
        }
    }

    /// <summary>Releases what is held.</summary>
    public void Dispose() => Reset([]);

    private void Climb(TreeNode node)
    {
        while (!At(node).IsTarget)
        {
            ref var slot = ref At(node);
            if (_tree.Exists(node.Sibling))
            {
                ref var sibling = ref At(node.Sibling);
                if (!sibling.IsPresent) return;
                ref var left = ref (node.IsLeft ? ref slot : ref sibling);
                ref var right = ref (node.IsLeft ? ref sibling : ref slot);
                _tree.Add(_memory(left.Lease!).Span[.._length], _memory(right.Lease!).Span[.._length]);
                right.Lease!.Dispose();
                Put(node.Parent, left.Lease!, Sum(left.Result, right.Result));
                left = default;
                right = default;
            }
            else
            {
                Put(node.Parent, slot.Lease!, slot.Result);
                slot = default;
            }
            node = node.Parent;
        }
        _targetsReached++;
    }

    private static LeafResult? Sum(LeafResult? left, LeafResult? right)
    {
        if (left is null || right is null) return null;
        // the arguments may be shared with a message that is kept for a resend
        var metrics = left.Metrics.Copy();
        metrics.Add(right.Metrics);
        return new LeafResult(left.Weight + right.Weight, metrics) { NonFinite = Divergence.First(left.NonFinite, right.NonFinite) };
    }

    private void Put(TreeNode node, TLease lease, LeafResult? result)
    {
        ref var slot = ref At(node);
        slot.IsPresent = true;
        slot.Lease = lease;
        slot.Result = result;
    }

    private void ReleaseBelow(TreeNode node)
    {
        for (int level = node.Level - 1; level >= 0; level--)
        {
            int down = node.Level - level;
            int begin = node.Index << down;
            int end = (int)Math.Min((long)begin + (1L << down), _firstOfLevel[level + 1] - _firstOfLevel[level]);
            foreach (ref var slot in _slots.AsSpan(_firstOfLevel[level] + begin, end - begin))
            {
                slot.Lease?.Dispose();
                slot = default;
            }
        }
    }

    private TreeNode? FindTarget(TreeNode node)
    {
        for (; node.Level <= _tree.Root.Level; node = node.Parent)
            if (At(node).IsTarget) return node;
        return null;
    }

    private ref Slot At(TreeNode node) => ref _slots[_firstOfLevel[node.Level] + node.Index];

    private struct Slot
    {
        public bool IsTarget;

        public bool IsPresent;

        public TLease? Lease;

        public LeafResult? Result;
    }
}
