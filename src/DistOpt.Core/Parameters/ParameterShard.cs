using DistOpt.Core.Averaging;
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
    private readonly RangeUpdate _update;
    private readonly ReductionTree _tree;
    private readonly TreeReducer<TLease> _reducer;
    private readonly Func<TLease, Memory<float>> _memory;
    private readonly Memory<float>[] _slots;
    private readonly ParameterLayout _layout;
    private readonly UpdateRule _rule;
    private FlatBuffer? _selected;

    /// <summary>One range that is one tensor, with nothing but an optimizer.</summary>
    public ParameterShard(Memory<float> weights, IOptimizer optimizer, ReductionTree tree, Func<TLease, Memory<float>> memory, bool keepsPrevious = false)
        : this(weights, new UpdateRule(optimizer), ParameterLayout.Of(weights.Length), new KeyRange(0, weights.Length), tree, memory, keepsPrevious) { }

    /// <param name="weights">The range's weights.</param>
    /// <param name="rule">How they are moved.</param>
    /// <param name="layout">Names and places of all tensors.</param>
    /// <param name="range">The key range.</param>
    /// <param name="memory">The memory a lease lends: as many elements as <paramref name="weights"/>.</param>
    /// <param name="keepsPrevious">
    /// Whether the version before the current one is kept: updates then alternate between two buffers. Otherwise they are made in place.
    /// </param>
    /// <param name="average">Where the range's running average is kept; empty where there is none.</param>
    /// <exception cref="ArgumentException">The rule wants whole tensors and the range cuts one.</exception>
    public ParameterShard(Memory<float> weights, UpdateRule rule, ParameterLayout layout, KeyRange range, ReductionTree tree,
        Func<TLease, Memory<float>> memory, bool keepsPrevious = false, Memory<float> average = default)
    {
        (Weights, _tree, _memory, NormRounds, _rule, Average) = (weights, tree, memory, rule.NormRounds, rule, average);
        if (!average.IsEmpty && average.Length != weights.Length) throw new ArgumentException($"{average.Length} averages for {weights.Length} weights", nameof(average));
        if (keepsPrevious) Previous = new FlatBuffer(weights.Length).Memory;
        _reducer = new TreeReducer<TLease>(tree, weights.Length, memory);
        _slots = [.. SlotLayout.Of(layout, rule).Select(slot => new FlatBuffer(slot.RangeOf(range).Length).Memory)];
        _update = new RangeUpdate(rule, layout, range, _slots);
        _layout = layout;
    }

    /// <summary>Times in a step at which norms of all servers are wanted before it is applied.</summary>
    public int NormRounds { get; }

    /// <summary>Updates applied: the version of <see cref="Weights"/>.</summary>
    public long Version { get; private set; }

    public Memory<float> Weights { get; private set; }

    /// <summary>
    /// Weights of version <see cref="PreviousVersion"/>, unchanged until the update after the next one; empty where they are not kept.
    /// </summary>
    public Memory<float> Previous { get; private set; }

    /// <summary>Version of <see cref="Previous"/>; -1 while there is none.</summary>
    public long PreviousVersion { get; private set; } = -1;

    /// <summary>
    /// Keeps the version before the current one, from the next <see cref="Apply(StepPlan, ReadOnlySpan{float}, double, TensorNormSums?)"/> on, in other
    /// memory: what stands in <see cref="Previous"/> is still being read.
    /// </summary>
    /// <param name="memory">As long as the weights; its values do not count, and there is no previous version until then.</param>
    public void ReplacePrevious(Memory<float> memory)
    {
        if (memory.Length != Weights.Length) throw new ArgumentException($"{memory.Length} elements for {Weights.Length} weights", nameof(memory));
        (Previous, PreviousVersion) = (memory, -1);
    }

    /// <summary>Goes on in other memory, with the same weights: those in the present one are still being read.</summary>
    /// <param name="memory">As long as the weights.</param>
    public void MoveTo(Memory<float> memory)
    {
        if (memory.Length != Weights.Length) throw new ArgumentException($"{memory.Length} elements for {Weights.Length} weights", nameof(memory));
        Weights.CopyTo(memory);
        Weights = memory;
    }

    /// <summary>Version of the kept copy, or -1.</summary>
    public long SelectedVersion { get; private set; } = -1;

    /// <summary>The state vectors, in the order of <see cref="UpdateRule.Slots"/>: the range's part of each <see cref="SlotLayout"/>.</summary>
    public IReadOnlyList<Memory<float>> Slots => _slots;

    /// <summary>The running average of the weights, which plans say when to move and when to use; empty where there is none.</summary>
    public Memory<float> Average { get; }

    /// <summary>The kept copy; empty while there is none.</summary>
    public Memory<float> Selected => _selected?.Memory ?? default;

    /// <summary>Whether every gradient shard of step <see cref="Version"/> has come.</summary>
    public bool IsComplete => _reducer.IsComplete;

    /// <summary>Gradient shards that step <see cref="Version"/> waits for.</summary>
    public IEnumerable<int> MissingShards() => _reducer.MissingShards();

    /// <summary>
    /// Counts a push, exactly once: false for a step that is not under way or a node that is covered already; the caller keeps the lease then.
    /// </summary>
    /// <exception cref="ArgumentException">What <see cref="TreeReducer{TLease}.Add"/> refuses; or leaves are measured in this step, and it is none.</exception>
    public bool Push(long step, TreeNode node, TLease lease, LeafResult result)
    {
        if (step != Version) return false;
        // before it is added to others, in its own memory
        if (_rule.MeasuresLeavesAt(step) && _tree.Exists(node) && !_reducer.IsCovered(node)) MeasureLeaf(node, lease, result);
        return _reducer.Add(node, lease, result);
    }

    private void MeasureLeaf(TreeNode node, TLease lease, LeafResult result)
    {
        if (node.Level > 0) throw new ArgumentException($"node {node} is none of the leaves, which are measured one by one", nameof(node));
        _update.MeasureLeaf(node.Index, Version, result.Weight, _memory(lease).Span[..Weights.Length]);
    }

    /// <summary>Hands over the complete step's gradient sum with its weight and metrics; to be applied next.</summary>
    /// <exception cref="InvalidOperationException">Gradient shards are missing.</exception>
    public (TLease Gradient, LeafResult Result) Take()
    {
        if (!IsComplete) throw new InvalidOperationException($"step {Version} is not complete");
        var (lease, result) = _reducer.Take(_tree.Root);
        return (lease, result!);
    }

    /// <summary>Forgets what has come of the step, which is not applied.</summary>
    public void Discard() => _reducer.Reset();

    /// <summary>Numbers that <see cref="Measure"/> writes in a round.</summary>
    public int NormCount(int round) => _update.Count(round);

    /// <summary>Measures this range's share of the norms of a round, from 0. Changes nothing.</summary>
    /// <param name="sums">The sums of the rounds before.</param>
    /// <param name="partials">As many as <see cref="NormCount"/> says.</param>
    public void Measure(int round, StepPlan plan, ReadOnlySpan<float> gradient, double weight, TensorNormSums sums, Span<double> partials) =>
        _update.Measure(round, StepOf(plan, weight), sums, Weights.Span, gradient[..Weights.Length], partials);

    /// <summary>
    /// The part of the numbers of round 0 that the leaves gave: a backup, which gets the sum of them alone, takes it from its server. Empty where leaves
    /// are not measured.
    /// </summary>
    public Span<double> NormsOfLeaves(Span<double> partials) => _update.OfLeaves(partials);

    /// <summary>Applies a step: the gradient sum divided by its weight, with the plan's rate. What is left of the step is released.</summary>
    /// <param name="plan">Of step <see cref="Version"/>.</param>
    /// <param name="gradient">Sum over all gradient shards, at least as long as the weights; unchanged.</param>
    /// <param name="weight">Sum of the weights (samples, tokens).</param>
    /// <param name="sums">Norms of the whole tensors, where the rule wants them.</param>
    /// <exception cref="InvalidOperationException">The plan is of another step.</exception>
    public void Apply(StepPlan plan, ReadOnlySpan<float> gradient, double weight, TensorNormSums? sums = null)
    {
        if (NormRounds > 0 && sums is null) throw new InvalidOperationException("the update needs norms of whole tensors, but none were given");
        if (plan.Step != Version) throw new InvalidOperationException($"step {plan.Step} cannot be applied: the shard is at step {Version}");
        if (plan.Keep) Keep(plan.UsesAverage);
        if (!Previous.IsEmpty)
        {
            Weights.CopyTo(Previous);
            (Weights, Previous, PreviousVersion) = (Previous, Weights, Version);
        }
        _update.Apply(StepOf(plan, weight), NormRounds > 0 ? sums : null, Weights.Span, gradient[..Weights.Length]);
        _reducer.Reset();
        Version++;
        if (plan.AverageShare > 0) RunningAverage.Add(Average.Span, Weights.Span, plan.AverageShare);
    }

    // a batch without weight (every token masked) has no gradient
    private OptimizerStep StepOf(StepPlan plan, double weight) => new(Version + 1, plan.LearningRate, weight == 0 ? 0 : (float)(1 / weight))
    {
        Momentum = plan.Momentum,
    };

    /// <summary>Takes and applies the complete step where this range is all of the weights. Returns weight and metrics of the whole batch.</summary>
    /// <exception cref="InvalidOperationException">Gradient shards are missing, or the plan is of another step.</exception>
    public LeafResult Apply(StepPlan plan)
    {
        if (plan.Step != Version || !IsComplete)
            throw new InvalidOperationException($"step {plan.Step} cannot be applied: "
                + $"the shard is at step {Version} and {(IsComplete ? "complete" : "incomplete")}");
        var (lease, result) = Take();
        using (lease)
        {
            var gradient = _memory(lease).Span;
            var sums = new TensorNormSums(_layout.Parameters.Length, _rule.Noise);
            var reducer = new TensorNormReducer(_layout, [new KeyRange(0, Weights.Length)], _rule.Noise);
            for (int round = 0; round < NormRounds; round++)
            {
                double[] partials = new double[NormCount(round)];
                Measure(round, plan, gradient, result.Weight, sums, partials);
                reducer.Add(0, round, partials);
                reducer.Take(round, sums);
            }
            Apply(plan, gradient, result.Weight, sums);
        }
        return result;
    }

    /// <summary>
    /// Goes on from another state: weights and slots have been written in place. What has come of a step is released.
    /// </summary>
    /// <param name="version">Version of the weights.</param>
    /// <param name="selectedVersion">Version of the kept copy, which was written to <see cref="SelectedToRestore"/>; -1 for none.</param>
    public void Restore(long version, long selectedVersion)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(version);
        if (selectedVersion >= 0 && _selected is null) throw new InvalidOperationException("the kept copy was not written");
        (Version, SelectedVersion, PreviousVersion) = (version, selectedVersion, -1);
        _reducer.Reset();
    }

    /// <summary>Memory of the kept copy, to be written before <see cref="Restore"/>.</summary>
    public Memory<float> SelectedToRestore => (_selected ??= new FlatBuffer(Weights.Length)).Memory;

    /// <summary>Copies the weights, or the average that stands for them: they are the selected ones.</summary>
    public void Keep(bool usesAverage = false)
    {
        _selected ??= new FlatBuffer(Weights.Length);
        (usesAverage ? Average : Weights).CopyTo(_selected.Memory);
        SelectedVersion = Version;
    }

    /// <summary>Loads the kept copy, or the average of the latest version, into the weights.</summary>
    public void LoadSelected(bool usesAverage = false)
    {
        if (!usesAverage && SelectedVersion < 0) throw new InvalidOperationException("no weights were kept");
        (usesAverage ? Average : Selected).CopyTo(Weights);
    }

    public void Dispose() => _reducer.Dispose();
}
