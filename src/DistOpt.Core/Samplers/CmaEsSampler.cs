using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>cma-es</c>; defaults as Optuna's CmaEsSampler.</summary>
public sealed record CmaEsOptions
{
    [Description("Trials of a generation; null = 4 + 3 ln d for d parameters")]
    [Range(4, 100_000)]
    public int? Population { get; init; }

    [Description("Deviation of the first generation, as a part of each domain")]
    [Range(0.0, 10.0, MinimumIsExclusive = true)]
    public double Sigma { get; init; } = 1.0 / 6;

    [Description("First trials, by number, that are random")]
    [Range(0, 1_000_000)]
    public int StartupTrials { get; init; } = 1;

    [Description("Whether neighbours of integers, steps and choices in an order keep a probability of being tried (CMA-ES with margin)")]
    public bool Margin { get; init; } = true;

    [Description("Whether it begins anew, elsewhere and with twice the population, where it has converged")]
    public bool Restarts { get; init; } = true;

    [Description("Complete, random trials whose best tenth gives the first generation's mean and covariance; 0 = begin so from those that were imported, or "
        + "from the middle of the space where there are none")]
    [Range(0, 1_000_000)]
    public int WarmStartTrials { get; init; }
}

/// <summary>
/// CMA-ES with margin (<see cref="CmaEs"/>) on the numeric parameters that always have a value, each on its domain's own scale from 0 to 1, choices
/// in an order by their indices; other choices and parameters under conditions are random.
/// <para>
/// The first trials to end of those that were suggested since the last generation make the next one; those of generations before come too late. All of
/// that is worked out again from the history: <see cref="StudyHistory.SeenBy"/> tells the generation of a trial, and its point before rounding is drawn
/// again from seed and number (and draw, where constraints made it draw again). A trial that has other parameters than those (asked for by hand) counts with a
/// bounded step. Complete trials of another study are no generation: the first mean and covariance are those of their best tenth. Pruned trials and those
/// that miss constraints count in the study's order, failed ones do not. Trials that are paused at a rung are waited for: under asha with promotion and under
/// hyperband, where most of them never end, generations hardly ever become complete.
/// </para>
/// </summary>
public sealed class CmaEsSampler(CmaEsOptions options) : ISampler
{
    private readonly List<(int Number, double[] Point, bool IsForeign)> _members = [];
    private readonly List<int> _complete = [];
    private StudyHistory? _history;
    private long _seed;
    private int[] _parameters = [];
    private Func<double, (double Low, double High)>?[] _cells = [];
    private CmaEs? _strategy;
    private int _counted;
    private int _since;
    private int _restarts;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives)
    {
        if (objectives != 1) yield return new SpecViolation("study.sampler", $"is cma-es, which is for one objective, but the study has {objectives}");
        if (Modelled(space).Length > 0) yield break;
        yield return new SpecViolation("study.sampler", "is cma-es, which is for numbers, but the space has no number that always has a value: use tpe");
    }

    public bool KeepsCourse(StudyHistory history) => true;

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values) => Draw(history, seed, number, 0, values);

    public void Draw(StudyHistory history, long seed, int number, int draw, Span<double> values)
    {
        Follow(history, seed);
        var random = Stream(seed, number, draw);
        if (_strategy is null || number < options.StartupTrials)
        {
            RandomSampler.Fill(history.Space, ref random, values);
            return;
        }
        values.Fill(double.NaN);
        double[] point = new double[_parameters.Length];
        Draw(_strategy, ref random, point);
        for (int i = 0; i < point.Length; i++) values[_parameters[i]] = Numbers(history.Space, _parameters[i]).FromUnit(_strategy.Tried(i, point[i]));
        RandomSampler.FillRest(history.Space, ref random, values);
    }

    /// <summary>Whether trials are drawn by the strategy: it is not while it waits for those that it begins from.</summary>
    internal bool IsReady(StudyHistory history, long seed)
    {
        Follow(history, seed);
        return _strategy is not null;
    }

    /// <summary>The one that trials are drawn from; null while it waits for those that it begins from.</summary>
    internal CmaEs? Strategy => _strategy;

    /// <summary>For those that have ended of the generation under way, whether a trial has other parameters than any that was drawn for it here.</summary>
    internal IEnumerable<bool> AreForeign => _members.Select(m => m.IsForeign);

    /// <summary>The parameters that it is about.</summary>
    internal static int[] Modelled(SearchSpace space) =>
        [.. Enumerable.Range(0, space.Count).Where(i => space.Parameters[i] is { When: null, Domain: { IsSingle: false, Searched: NumericDomain } })];

    private static CounterRandom Stream(long seed, int number, int draw) => new(ISampler.SeedOf(seed, number, draw), RandomPurpose.Search, number);

    private static NumericDomain Numbers(SearchSpace space, int parameter) => (NumericDomain)space.Parameters[parameter].Domain.Searched;

    /// <summary>Draws until all continuous coordinates are within the space, at most 10 d times, and then puts them at its edge.</summary>
    private void Draw(CmaEs strategy, ref CounterRandom random, double[] point)
    {
        for (int attempt = 0; attempt < 10 * point.Length; attempt++)
        {
            strategy.Sample(ref random, point);
            bool isInside = true;
            for (int i = 0; i < point.Length; i++) isInside &= _cells[i] is not null || point[i] is >= 0 and <= 1;
            if (isInside) return;
        }
        for (int i = 0; i < point.Length; i++)
            if (_cells[i] is null) point[i] = Math.Clamp(point[i], 0, 1);
    }

    /// <summary>Brings the strategy up to what has ended.</summary>
    private void Follow(StudyHistory history, long seed)
    {
        if (history != _history || seed != _seed) Reset(history, seed);
        var ended = history.Ended;
        while (_counted < ended.Length)
        {
            var trial = history.Trials[ended[_counted++]];
            if (_strategy is null)
            {
                if (trial.State == TrialState.Complete) _complete.Add(trial.Number);
                if (_complete.Count < options.WarmStartTrials) continue;
                (_strategy, _since) = (WarmStart(history), _counted);
                continue;
            }
            if (!trial.IsInformative || history.SeenBy(trial.Number) < _since) continue;
            var (point, isForeign) = PointOf(history, trial, _strategy);
            _members.Add((trial.Number, point, isForeign));
            if (_members.Count == _strategy.Constants.Population) EndGeneration(history, _strategy);
        }
    }

    private void Reset(StudyHistory history, long seed)
    {
        (_history, _seed, _counted, _since, _restarts) = (history, seed, 0, 0, 0);
        _parameters = Modelled(history.Space);
        _cells = [.. _parameters.Select(p => options.Margin ? CellsOf(Numbers(history.Space, p)) : null)];
        _members.Clear();
        _complete.Clear();
        double[] middle = new double[_parameters.Length];
        Array.Fill(middle, 0.5);
        _strategy = options.WarmStartTrials > 0 ? null : new CmaEs(middle, options.Sigma, Population, _cells);
        if (options.WarmStartTrials > 0) return;
        _complete.AddRange(history.Trials.Take(history.Imported).Where(t => t.State == TrialState.Complete).Select(t => t.Number));
        if (_complete.Count == 0) return;
        _strategy = WarmStart(history);
        // all of them had ended, and count once
        _since = _counted = history.Imported;
    }

    private int Population => (options.Population ?? CmaEsConstants.DefaultPopulation(_parameters.Length)) << _restarts;

    private void EndGeneration(StudyHistory history, CmaEs strategy)
    {
        _members.Sort((a, b) => history.ByRank.Compare(a.Number, b.Number));
        var (least, most) = (double.PositiveInfinity, double.NegativeInfinity);
        foreach (var (number, _, _) in _members)
        {
            double loss = history.Trials[number] is { State: TrialState.Complete } trial ? history.Loss(trial) : double.NaN;
            (least, most) = (Math.Min(least, loss), Math.Max(most, loss));
        }
        strategy.Tell([.. _members.Select(m => (m.Point, m.IsForeign))], (least, most));
        _members.Clear();
        _since = _counted;
        if (!options.Restarts || !strategy.IsDone) return;
        // "IPOP": Auger and Hansen, "A Restart CMA Evolution Strategy With Increasing Population Size", CEC 2005
        _restarts = Math.Min(_restarts + 1, 10);
        double[] start = new double[_parameters.Length];
        var random = new CounterRandom(_seed, RandomPurpose.Search, SamplerStreams.Restart, _counted);
        for (int i = 0; i < start.Length; i++) start[i] = random.NextDouble();
        _strategy = new CmaEs(start, options.Sigma, Population, _cells);
    }

    /// <summary>A trial's point before rounding, where it was drawn here, be it that draws before it broke constraints; else the one that it has.</summary>
    private (double[] Point, bool IsForeign) PointOf(StudyHistory history, StudyTrial trial, CmaEs strategy)
    {
        double[] point = new double[_parameters.Length];
        for (int draw = 0; draw <= ConstrainedSampler.Asked; draw++)
        {
            var random = Stream(_seed, trial.Number, draw);
            Draw(strategy, ref random, point);
            bool isOwn = true;
            for (int i = 0; i < point.Length && isOwn; i++)
            {
                var domain = Numbers(history.Space, _parameters[i]);
                double value = trial.Parameters[_parameters[i]], tried = strategy.Tried(i, point[i]);
                // a logarithm's last bits are not the same on every machine
                isOwn = domain.Step is null ? Math.Abs(domain.ToUnit(value) - tried) <= 1e-9 : domain.FromUnit(tried) == value;
            }
            if (isOwn) return (point, false);
        }
        for (int i = 0; i < point.Length; i++)
            point[i] = strategy.Told(i, Numbers(history.Space, _parameters[i]).ToUnit(trial.Parameters[_parameters[i]]));
        return (point, true);
    }

    /// <summary>Mean and covariance of the best tenth (Nomura et al., "Warm Starting CMA-ES for Hyperparameter Optimization", AAAI 2021).</summary>
    private CmaEs WarmStart(StudyHistory history)
    {
        const double share = 0.1, width = 0.1;
        int n = _parameters.Length;
        _complete.Sort(history.ByRank);
        int best = Math.Max(1, (int)Math.Floor(_complete.Count * share));
        double[][] points = [.. _complete.Take(best).Select(t => PlaceOf(history.Trials[t]))];
        double[] mean = new double[n], covariance = new double[n * n];
        foreach (double[] point in points)
            for (int i = 0; i < n; i++) mean[i] += point[i] / best;
        foreach (double[] point in points)
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++) covariance[i * n + j] += (point[i] - mean[i]) * (point[j] - mean[j]) / best;
        for (int i = 0; i < n; i++) covariance[i * n + i] += width * width;
        double[] factor = [.. covariance];
        double logDeterminant = Cholesky.Factor(factor, n) ? Cholesky.LogDeterminant(factor, n)
            : throw new InvalidOperationException("a covariance with a positive diagonal added to it has no Cholesky factor");
        double sigma = Math.Exp(logDeterminant / (2 * n));
        for (int i = 0; i < covariance.Length; i++) covariance[i] /= sigma * sigma;
        return new CmaEs(mean, sigma, Population, _cells, covariance);

        double[] PlaceOf(StudyTrial trial) => [.. _parameters.Select(p => Numbers(history.Space, p).ToUnit(trial.Parameters[p]))];
    }

    /// <summary>The thresholds around a value, in parts of the domain; null = there are none.</summary>
    private static Func<double, (double Low, double High)>? CellsOf(NumericDomain domain)
    {
        if (domain.Step is not { } step) return null;
        var (low, high) = domain.Bounds;
        return unit =>
        {
            double value = domain.FromUnit(unit);
            double below = At(value - step / 2), above = At(value + step / 2);
            return value <= domain.Low ? (above, above) : value >= domain.Last ? (below, below) : (below, above);
        };

        double At(double value) => (domain.ToScale(value) - low) / (high - low);
    }
}
