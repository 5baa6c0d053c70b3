using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Training;

namespace DistOpt.Core.Parameters;

/// <summary>
/// A server's key range: weights, optimizer slots, the gradient under reduction, and a copy of the selected weights. Decides when a step
/// is complete and applies it, once. Not thread-safe.
/// </summary>
/// <typeparam name="TLease">Owner of a pushed gradient's memory.</typeparam>
public sealed class ParameterShard<TLease> : IDisposable where TLease : class, IDisposable
{
    private readonly IOptimizer _optimizer;
    private readonly ReductionTree _tree;
    private readonly TreeReducer<TLease> _reducer;
    private readonly Func<TLease, Memory<float>> _memory;
    private readonly Memory<float>[] _slots;
    private FlatBuffer? _selected;

    /// <param name="weights">The range's weights, updated in place.</param>
    /// <param name="memory">The memory a lease lends: as many elements as <paramref name="weights"/>.</param>
    public ParameterShard(Memory<float> weights, IOptimizer optimizer, ReductionTree tree, Func<TLease, Memory<float>> memory)
    {
        (Weights, _optimizer, _tree, _memory) = (weights, optimizer, tree, memory);
        _reducer = new TreeReducer<TLease>(tree, weights.Length, memory);
        _slots = [.. optimizer.Slots.Select(_ => new FlatBuffer(weights.Length).Memory)];
    }

    /// <summary>Updates applied: the version of <see cref="Weights"/>.</summary>
    public long Version { get; private set; }

    public Memory<float> Weights { get; }

    /// <summary>Version of the kept copy, or -1.</summary>
    public long SelectedVersion { get; private set; } = -1;

    /// <summary>The kept copy; empty while there is none.</summary>
    public Memory<float> Selected => _selected?.Memory ?? default;

    /// <summary>Whether every gradient shard of step <see cref="Version"/> has come.</summary>
    public bool IsComplete => _reducer.IsComplete;

    /// <summary>Gradient shards that step <see cref="Version"/> waits for.</summary>
    public IEnumerable<int> MissingShards() => _reducer.MissingShards();

    /// <summary>
    /// Counts a push, exactly once: false for a step that is not under way or a node that is covered already; the caller keeps the lease then.
    /// </summary>
    public bool Push(long step, TreeNode node, TLease lease, LeafResult result) =>
        step == Version && _reducer.Add(node, lease, result);

    /// <summary>Applies the complete step: the sum divided by its weight, with the plan's rate. Returns weight and metrics of the whole batch.</summary>
    /// <exception cref="InvalidOperationException">Gradient shards are missing, or the plan is of another step.</exception>
    public LeafResult Apply(StepPlan plan)
    {
        if (plan.Step != Version || !IsComplete)
            throw new InvalidOperationException($"step {plan.Step} cannot be applied: "
                + $"the shard is at step {Version} and {(IsComplete ? "complete" : "incomplete")}");
        if (plan.Keep) Keep();
        var (lease, result) = _reducer.Take(_tree.Root);
        using (lease)
        {
            // a batch without weight (every token masked) has no gradient
            float scale = result!.Weight == 0 ? 0 : (float)(1 / result.Weight);
            _optimizer.Apply(new OptimizerStep(Version + 1, plan.LearningRate, scale), Weights.Span, _memory(lease).Span[..Weights.Length], _slots);
        }
        _reducer.Reset();
        Version++;
        return result;
    }

    /// <summary>Copies the weights: they are the selected ones.</summary>
    public void Keep()
    {
        _selected ??= new FlatBuffer(Weights.Length);
        Weights.CopyTo(_selected.Memory);
        SelectedVersion = Version;
    }

    /// <summary>Loads the kept copy back into the weights.</summary>
    public void LoadSelected()
    {
        if (SelectedVersion < 0) throw new InvalidOperationException("no weights were kept");
        Selected.CopyTo(Weights);
    }

    public void Dispose() => _reducer.Dispose();
}
