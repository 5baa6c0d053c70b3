using System.Collections.Immutable;
using System.IO.Enumeration;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// Everything by which servers move weights: the optimizer, and around it parameter groups, penalties, clipping and the maximum norm. The order
/// is that of DESIGN section 5: penalties, clipping by value, by each tensor's norm, by the global norm, the optimizer with its weight decay,
/// the proximal step, the maximum norm.
/// </summary>
public sealed class UpdateRule
{
    private const string PreviousGradient = "previous_gradient";

    private readonly OptimizerSpec _groups;
    private readonly RegularizationSection _regularization;

    /// <summary>The optimizer alone.</summary>
    public UpdateRule(IOptimizer optimizer)
        : this(optimizer, new OptimizerSpec(), new RegularizationSection(), new ClipSection(), NoiseSource.None, 1, decidesByNorm: false) { }

    /// <exception cref="ArgumentException">The spec wants noise to be measured by the optimizer's mean squares, but it has none.</exception>
    public UpdateRule(IOptimizer optimizer, TrainingSpec spec)
        : this(optimizer, spec.Optimizer, spec.Regularization, spec.Clip, BatchPlanner.SourceOf(spec), spec.Training.GradientShards ?? spec.Training.Workers,
            DecidesByNorm(spec))
    { }

    private UpdateRule(IOptimizer optimizer, OptimizerSpec groups, RegularizationSection regularization, ClipSection clip, NoiseSource noise, int leaves,
        bool decidesByNorm)
    {
        if (noise.IsPreconditioned() && optimizer is not IMeanSquareOptimizer)
        {
            throw new ArgumentException($"optimizer '{groups.Kind}' is said to keep mean squares of gradients, by which noise is to be measured, but "
                + $"{optimizer.GetType().Name} is no {nameof(IMeanSquareOptimizer)}; set batch.noise_norm to plain", nameof(optimizer));
        }
        MeasuredLeaves = noise == NoiseSource.PreconditionedLeaves ? leaves : 0;
        (Optimizer, _groups, _regularization, Clip) = (optimizer, groups, regularization, clip);
        Needs = optimizer.Needs | (regularization.MaxNorm is null ? OptimizerNeeds.None : OptimizerNeeds.WholeTensors);
        int rounds = Needs.HasFlag(OptimizerNeeds.DirectionNorm) ? 2
            : Needs.HasFlag(OptimizerNeeds.Norms) || clip.Norm is not null || clip.GlobalNorm is not null || decidesByNorm ? 1 : 0;
        (UpdateWantsNorms, NormRounds, Noise) = (rounds > 0, noise == NoiseSource.None ? rounds : Math.Max(1, rounds), noise);
        Slots = noise.IsOfConsecutive() ? [.. optimizer.Slots, PreviousGradient] : optimizer.Slots;
    }

    public IOptimizer Optimizer { get; }

    /// <summary>Names of the state vectors: the optimizer's, and behind them the mean gradient of the step before where noise is measured by it.</summary>
    public IReadOnlyList<string> Slots { get; }

    /// <summary>Sizes of a slot's tensor for a parameter (<see cref="IOptimizer.SlotShape"/>).</summary>
    internal ImmutableArray<long> SlotShape(int slot, TensorSlot parameter) =>
        slot < Optimizer.Slots.Count ? Optimizer.SlotShape(slot, parameter) : parameter.Shape;

    /// <summary>What is measured of the gradient's noise beside the norms of the update.</summary>
    public NoiseSource Noise { get; }

    /// <summary>Whether the run selects, stops or waits by the gradient's norm, which is measured then, whatever the update needs.</summary>
    private static bool DecidesByNorm(TrainingSpec spec)
    {
        const string norm = "train." + TensorNormSums.Metric;
        return spec.Select.Metric == norm || spec.Stop.Target?.Metric == norm || spec.Stop.Patience?.Metric == norm;
    }

    /// <summary>Leaves of the reduction tree that servers measure one by one; 0 where they do not.</summary>
    internal int MeasuredLeaves { get; }

    /// <summary>Whether every leaf of the reduction tree is measured before it is added to others, so that none but leaves may come.</summary>
    /// <param name="step">Updates before the step.</param>
    public bool MeasuresLeavesAt(long step) => MeasuredLeaves > 0 && Noise.IsMeasuredAt(step);

    /// <summary>Whether the update needs norms, or the run by which it stops, not only the batch strategy.</summary>
    internal bool UpdateWantsNorms { get; }

    internal ClipSection Clip { get; }

    /// <summary>What must be known of whole tensors, by the optimizer or by what stands round it.</summary>
    public OptimizerNeeds Needs { get; }

    /// <summary>
    /// Times in a step at which servers exchange norms: 0, 1 (also where the batch strategy measures noise), or 2 with
    /// <see cref="OptimizerNeeds.DirectionNorm"/>.
    /// </summary>
    public int NormRounds { get; }

    /// <summary>
    /// The norm of a step's mean gradient before clipping by norm, where norms are measured anyway; null elsewhere. With the penalties that are added
    /// to it, unless only the batch strategy measures: then of the loss alone.
    /// </summary>
    /// <param name="sums">Of the step, complete.</param>
    public double? GradientNorm(TensorNormSums sums)
    {
        ArgumentNullException.ThrowIfNull(sums);
        return NormRounds == 0 ? null : UpdateWantsNorms ? sums.GradientNorm() : Math.Sqrt(sums.Noise().Gradient);
    }

    /// <summary>Whether the update must be called for each tensor, not for several in one pass.</summary>
    internal bool IsByTensor => Needs != OptimizerNeeds.None || Clip.Norm is not null;

    internal TensorRule For(TensorSlot tensor)
    {
        bool isSmall = tensor.Shape.Length < 2;
        var group = _groups.Groups.FirstOrDefault(g => Matches(g, tensor));
        double? decay = group?.WeightDecay ?? (isSmall && !_groups.DecayBiases ? 0 : null);
        bool penalized = !isSmall || _regularization.Biases;
        var terms = new GradientTerms
        {
            L2 = penalized ? _regularization.L2 : 0,
            L1 = penalized && _regularization.L1Mode == L1Mode.Subgradient ? _regularization.L1 : 0,
            Power = penalized ? _regularization.Power : 0,
            PowerExponent = _regularization.PowerExponent,
            ClipValue = Clip.Value ?? double.PositiveInfinity,
        };
        double proximal = penalized && _regularization.L1Mode == L1Mode.Proximal ? _regularization.L1 : 0;
        double scale = group?.LearningRateScale ?? 1;
        // what is not trained is not shortened either
        double? most = isSmall || scale == 0 ? null : _regularization.MaxNorm;
        return new TensorRule(scale, decay, terms.IsEmpty ? null : terms, proximal, most, isSmall && IsByTensor);
    }

    /// <summary>
    /// One violation for each pattern that matches no parameter, of parameter groups and of muon's adamw_for, and for each group that others before it
    /// leave nothing.
    /// </summary>
    public IEnumerable<SpecViolation> Violations(ParameterLayout layout)
    {
        foreach (var (path, pattern) in Patterns())
        {
            if (layout.Parameters.Any(p => Matches(pattern, p))) continue;
            var names = layout.Parameters.Take(20).Select(p => p.Name);
            yield return new(path, $"'{pattern}' matches no parameter; there are {string.Join(", ", names)}"
                + (layout.Parameters.Length > 20 ? ", ..." : ""));
        }
        for (int i = 1; i < _groups.Groups.Length; i++)
        {
            var matched = layout.Parameters.Where(p => Matches(_groups.Groups[i], p)).ToList();
            var before = matched.Select(p => Array.FindIndex([.. _groups.Groups], g => Matches(g, p))).Distinct().Order().ToList();
            if (matched.Count == 0 || before.Contains(i)) continue;
            yield return new($"optimizer.groups[{i}].match", $"[{string.Join(", ", _groups.Groups[i].Match)}] applies to no parameter: "
                + $"the first group that matches counts, and all that it matches are of {string.Join(", ", before.Select(b => $"groups[{b}]"))}; "
                + "put it in front of that, or leave it out");
        }
    }

    private static bool Matches(ParameterGroup group, TensorSlot tensor) => group.Match.Any(m => Matches(m, tensor));

    private static bool Matches(string pattern, TensorSlot tensor) => FileSystemName.MatchesSimpleExpression(pattern, tensor.Name, ignoreCase: false);

    /// <summary>What a user may have overlooked, one line each; the run goes on.</summary>
    public static IEnumerable<string> Warnings(OptimizerSpec optimizer, ParameterLayout layout)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(layout);
        if (optimizer.Options is not MuonOptions muon) yield break;
        // which layer gives the output nobody knows; as a rule it is the last one
        if (layout.Parameters.LastOrDefault(p => p.Shape.Length > 1) is not { } head) yield break;
        if (muon.AdamwFor.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, head.Name, ignoreCase: false))) yield break;
        yield return $"optimizer '{optimizer.Kind}' orthogonalizes every matrix, also '{head.Name}', the last one: where it is the output layer leave it, "
            + $"and embeddings, to adamw, as Muon's authors and torch.optim.Muon do: optimizer.adamw_for: [{head.Name}]";
    }

    private IEnumerable<(string Path, string Pattern)> Patterns()
    {
        for (int i = 0; i < _groups.Groups.Length; i++)
        {
            foreach (string pattern in _groups.Groups[i].Match) yield return ($"optimizer.groups[{i}].match", pattern);
        }
        if (_groups.Options is not MuonOptions muon) yield break;
        foreach (string pattern in muon.AdamwFor) yield return ("optimizer.adamw_for", pattern);
    }
}

/// <summary>What holds for one tensor.</summary>
/// <param name="RateScale">Factor on the learning rate.</param>
/// <param name="WeightDecay">Null: the optimizer's own.</param>
/// <param name="Terms">Penalties and clipping by value; null for none.</param>
/// <param name="ProximalL1">Factor of an L1 penalty that acts by a proximal step; 0 for none.</param>
/// <param name="MaxNorm">Largest norm of a row (the weights into one unit); null for no bound.</param>
/// <param name="IsVector">Whether it is a bias or a norm, of fewer than two dimensions; told only where the update is called for each tensor.</param>
internal sealed record TensorRule(double RateScale, double? WeightDecay, GradientTerms? Terms, double ProximalL1, double? MaxNorm,
    bool IsVector);
