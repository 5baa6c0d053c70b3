using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>tpe</c>; defaults as Optuna's TPESampler from version 5 on.</summary>
public sealed record TpeOptions
{
    [Description("Trials that end before the model is used, in each bracket of the trial scheduler; until then values are random")]
    [Range(0, 1_000_000)]
    public int StartupTrials { get; init; } = 10;

    [Description("Candidates that are drawn for each suggestion, of which the best is taken")]
    [Range(1, 100_000)]
    public int Candidates { get; init; } = 24;

    [Description("Weight of the prior, in observations")]
    [Range(0.0, 1e6, MinimumIsExclusive = true)]
    public double PriorWeight { get; init; } = 1;

    [Description("Whether the outermost observations' kernels reach to the ends of the domain")]
    public bool Endpoints { get; init; }

    [Description("Whether parameters are drawn together; false = each by itself; auto = together where there is one objective")]
    [NullName("auto")]
    public bool? Multivariate { get; init; }

    [Description("Whether running trials count as bad ones (constant liar), so that those side by side are not alike")]
    public bool ConstantLiar { get; init; } = true;

    [Description("How wide kernels are where parameters are drawn together, of those under conditions too: gaps = as Optuna 5, scott = as Optuna 4")]
    public Bandwidth Bandwidth { get; init; } = Bandwidth.Gaps;

    [Description("What good trials count where there are several objectives: equal = as Optuna 5, hypervolume = what they add to it, as Optuna 4")]
    public GoodWeights GoodWeights { get; init; } = GoodWeights.Equal;
}

/// <summary>What the good trials of a study with several objectives count.</summary>
public enum GoodWeights
{
    /// <summary>Each the same, whatever its age (Optuna from version 5 on).</summary>
    Equal,

    /// <summary>The volume that a trial adds to that which the others dominate (Optuna to version 4).</summary>
    Hypervolume,
}

/// <summary>
/// Tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011; Watanabe, arXiv:2304.11127) as
/// Optuna's <c>samplers/_tpe/sampler.py</c>: the best tenth of the trials, at most 25, make a density l, all others a density g; of candidates
/// drawn from l the one with the greatest l / g is taken. Parameters that always have a value are drawn together, those under conditions each by
/// itself from the trials that have one. Trials that are paused at a rung count as pruned ones do there: by how far they came, and their value. Of
/// several brackets each has its own densities (<see cref="StudyHistory.Peers"/>), and its own trials before the model is used. Trials that have diverged,
/// which Optuna's users would give an infinite value, are among the others.
/// <para>With several objectives the best tenth, however many that are, is that of <see cref="FrontSplit"/>, and each parameter is drawn by itself.</para>
/// </summary>
public sealed class TpeSampler(TpeOptions options) : IPartialSampler
{
    private const int BelowMax = 25;

    private readonly ParzenEstimator _below = new(options.PriorWeight, options.Endpoints, options.Bandwidth);
    private readonly ParzenEstimator _above = new(options.PriorWeight, options.Endpoints, options.Bandwidth);
    private ParzenEstimator? _belowAlone;
    private ParzenEstimator? _aboveAlone;
    private readonly FrontSplit _fronts = new();
    private bool[] _isGood = [];
    private bool[] _isBad = [];
    private bool[] _isIn = [];
    private double[] _weights = [];
    private double[] _points = [];
    private double[] _gains = [];
    private double[] _badGains = [];

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        var random = new CounterRandom(seed, RandomPurpose.Search, number);
        if (IsStartup(history))
        {
            RandomSampler.Fill(history.Space, ref random, values);
            return;
        }
        values.Fill(double.NaN);
        Split(history, number);
        var space = history.Space;
        int[] together = IsTogether(history)
            ? [.. Enumerable.Range(0, space.Count).Where(i => space.Parameters[i].When is null && !space.Parameters[i].Domain.IsSingle)] : [];
        if (together.Length > 0) Draw(history, together, isAlone: false, ref random, values);
        for (int i = 0; i < space.Count; i++)
        {
            if (!double.IsNaN(values[i]) || !space.IsActive(i, values)) continue;
            if (space.Parameters[i].Domain.IsSingle) values[i] = space.Parameters[i].Domain.FromUnit(0.5);
            else Draw(history, [i], isAlone: true, ref random, values);
        }
    }

    public bool DrawsTogether(StudyHistory history) => IsTogether(history) && !IsStartup(history);

    public void Suggest(StudyHistory history, long seed, int number, ReadOnlySpan<int> parameters, Span<double> values)
    {
        var random = IPartialSampler.Stream(history, seed, number, parameters[0]);
        if (IsStartup(history))
        {
            for (int i = 0; i < parameters.Length; i++) values[i] = history.Space.Parameters[parameters[i]].Domain.FromUnit(random.NextDouble());
            return;
        }
        Split(history, number);
        double[] all = new double[history.Space.Count];
        Draw(history, parameters.ToArray(), isAlone: parameters.Length == 1, ref random, all);
        for (int i = 0; i < parameters.Length; i++) values[i] = all[parameters[i]];
    }

    private bool IsTogether(StudyHistory history) => options.Multivariate ?? history.Directions.Length == 1;

    private bool IsStartup(StudyHistory history) => history.Peers.Length < Math.Max(1, options.StartupTrials);

    /// <summary>Numbers of the trials that make the densities of a suggestion, good ones and bad ones.</summary>
    internal (int[] Good, int[] Bad) Sides(StudyHistory history, int number)
    {
        Split(history, number);
        return (Of(_isGood), Of(_isBad));

        int[] Of(bool[] side) => [.. Enumerable.Range(0, history.Trials.Count).Where(i => side[i])];
    }

    /// <summary>The best tenth on one side; all others that have ended with a value or have diverged, and those that run, on the other.</summary>
    private void Split(StudyHistory history, int number)
    {
        int trials = history.Trials.Count;
        if (_isGood.Length < trials) (_isGood, _isBad, _isIn) = (new bool[2 * trials], new bool[2 * trials], new bool[2 * trials]);
        _isGood.AsSpan(0, trials).Clear();
        _isBad.AsSpan(0, trials).Clear();
        var ranking = history.Peers;
        int good = (int)Math.Ceiling(0.1 * ranking.Length);
        if (history.Directions.Length == 1)
        {
            good = Math.Min(good, BelowMax);
            for (int i = 0; i < ranking.Length; i++) (i < good ? _isGood : _isBad)[ranking[i]] = true;
        }
        else SplitFronts(history, ranking, good);
        for (int i = 0; i < trials; i++)
        {
            var trial = history.Trials[i];
            bool isLied = options.ConstantLiar && i != number && !_isGood[i] && trial.State is TrialState.Running or TrialState.Paused;
            if (isLied || trial.HasDiverged) _isBad[i] = history.IsPeer(trial);
        }
    }

    private void SplitFronts(StudyHistory history, ReadOnlySpan<int> ranking, int count)
    {
        var good = _fronts.Best(history, ranking, count);
        foreach (int number in good) _isGood[number] = true;
        foreach (int number in ranking) _isBad[number] = !_isGood[number];
        if (_weights.Length < history.Trials.Count) _weights = new double[2 * history.Trials.Count];
        double[]? weights = options.GoodWeights == GoodWeights.Hypervolume ? FrontSplit.Weights(history, good) : null;
        for (int i = 0; i < good.Length; i++) _weights[good[i]] = weights?[i] ?? 1;
    }

    private void Draw(StudyHistory history, int[] parameters, bool isAlone, ref CounterRandom random, Span<double> values)
    {
        // Optuna's multivariate bandwidth is that of its single parameters, too
        var bandwidth = IsTogether(history) ? options.Bandwidth : Bandwidth.Gaps;
        var below = isAlone ? _belowAlone ??= new(options.PriorWeight, options.Endpoints, bandwidth) : _below;
        var above = isAlone ? _aboveAlone ??= new(options.PriorWeight, options.Endpoints, bandwidth) : _above;
        var weights = history.Directions.Length == 1 ? [] : _weights.AsSpan(0, history.Trials.Count);
        below.Fit(history, parameters, Members(history, parameters, _isGood), weights);
        above.Fit(history, parameters, Members(history, parameters, _isBad));
        int candidates = options.Candidates, dimensions = parameters.Length;
        if (_points.Length < candidates * dimensions) _points = new double[candidates * dimensions];
        if (_gains.Length < candidates) (_gains, _badGains) = (new double[candidates], new double[candidates]);
        var points = _points.AsSpan(0, candidates * dimensions);
        Span<double> gains = _gains.AsSpan(0, candidates), ofBad = _badGains.AsSpan(0, candidates);
        for (int i = 0; i < candidates; i++) below.Draw(ref random, points.Slice(i * dimensions, dimensions));
        below.LogDensities(points, gains);
        above.LogDensities(points, ofBad);
        int chosen = 0;
        double most = gains[0] - ofBad[0];
        for (int i = 1; i < candidates; i++)
        {
            double gain = gains[i] - ofBad[i];
            if (!(gain > most) && !(double.IsNaN(most) && !double.IsNaN(gain))) continue;
            (most, chosen) = (gain, i);
        }
        var best = points.Slice(chosen * dimensions, dimensions);
        for (int d = 0; d < parameters.Length; d++)
            values[parameters[d]] = history.Space.Parameters[parameters[d]].Domain is NumericDomain numbers ? numbers.FromScale(best[d]) : best[d];
    }

    /// <summary>Those of one side who have a value of every parameter.</summary>
    private ReadOnlySpan<bool> Members(StudyHistory history, int[] parameters, bool[] side)
    {
        int trials = history.Trials.Count;
        side.AsSpan(0, trials).CopyTo(_isIn);
        foreach (int parameter in parameters)
        {
            var scaled = history.Scaled(parameter)[..trials];
            // most parameters have no conditions
            if (!TensorPrimitives.IsNaNAny(scaled)) continue;
            for (int i = 0; i < trials; i++) _isIn[i] &= !double.IsNaN(scaled[i]);
        }
        return _isIn.AsSpan(0, trials);
    }
}
