using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>What <c>nsga2</c> and <c>nsga3</c> have in common; defaults as Optuna's NSGAIISampler and NSGAIIISampler.</summary>
public abstract record GeneticOptions
{
    [Description("Trials that are kept as parents, and complete trials of a generation")]
    [Range(2, 100_000)]
    public int Population { get; init; } = 50;

    [Description("Probability that a trial has two parents; else it has one")]
    [Range(0.0, 1.0)]
    public double CrossoverProbability { get; init; } = 0.9;

    [Description("Probability that a parameter comes from the second parent")]
    [Range(0.0, 1.0)]
    public double SwapProbability { get; init; } = 0.5;

    [Description("Probability that a parameter is drawn anew at random; null = 1 of the number of parameters that have more than one value")]
    [Range(0.0, 1.0)]
    public double? MutationProbability { get; init; }
}

/// <summary>
/// The genetic algorithm for several objectives of Deb et al. ("A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Trans. Evol. Comput.
/// 6(2), 2002) as Optuna's <c>samplers/nsgaii</c>: two parents by binary tournaments and uniform crossover, or one by chance, and mutation that drops a
/// parameter and draws it anew. A generation is as many complete trials as the population has, in the order in which they have ended, whatever they descend
/// from: none is in vain where trials run side by side. The best of them and of the parents before, whole fronts while they fit, are the next parents. Until
/// the first generation is complete, trials are random.
/// </summary>
public abstract class GeneticSampler : ISampler
{
    private readonly List<int> _generation = [];
    private List<int> _parents = [];
    private StudyHistory? _history;
    private int _counted;
    private readonly GeneticOptions _options;

    private protected GeneticSampler(GeneticOptions options) => _options = options;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        Follow(history, seed);
        var random = new CounterRandom(seed, RandomPurpose.Search, number);
        if (_parents.Count == 0)
        {
            RandomSampler.Fill(history.Space, ref random, values);
            return;
        }
        var space = history.Space;
        bool isCrossed = random.NextDouble() < _options.CrossoverProbability && _parents.Count > 1;
        int first = isCrossed ? Select(history, ref random, -1) : _parents[random.NextInt(_parents.Count)];
        int second = isCrossed ? Select(history, ref random, first) : first;
        double mutation = _options.MutationProbability ?? 1.0 / Math.Max(1, space.Parameters.Count(p => !p.Domain.IsSingle));
        values.Fill(double.NaN);
        for (int i = 0; i < space.Count; i++)
        {
            // all drawn in any case: a parameter's value does not depend on whether another one has any
            var (swap, drop, unit) = (random.NextDouble(), random.NextDouble(), random.NextDouble());
            if (!space.IsActive(i, values)) continue;
            double own = history.Trials[first].Parameters[i], other = history.Trials[second].Parameters[i];
            double inherited = drop < mutation ? double.NaN : double.IsNaN(own) || (swap < _options.SwapProbability && !double.IsNaN(other)) ? other : own;
            values[i] = double.IsNaN(inherited) ? space.Parameters[i].Domain.FromUnit(unit) : inherited;
        }
    }

    /// <summary>The parents of the next trials: numbers, the best fronts first; empty before the first generation is complete.</summary>
    internal IReadOnlyList<int> Parents(StudyHistory history, long seed = 1)
    {
        Follow(history, seed);
        return _parents;
    }

    /// <summary>Of a front that does not fit as a whole those that are kept.</summary>
    /// <param name="kept">Losses of those of the fronts before it.</param>
    /// <param name="front">Losses of its points.</param>
    /// <param name="numbers">Their trials' numbers.</param>
    /// <param name="count">How many are to be kept, fewer than there are.</param>
    /// <param name="seed">The study's.</param>
    /// <returns>Places in the front.</returns>
    private protected abstract List<int> Choose(
        IReadOnlyList<double[]> kept, IReadOnlyList<double[]> front, IReadOnlyList<int> numbers, int count, long seed);

    private void Follow(StudyHistory history, long seed)
    {
        if (history != _history)
        {
            (_history, _counted, _parents) = (history, 0, []);
            _generation.Clear();
        }
        for (; _counted < history.Ended.Length; _counted++)
        {
            int number = history.Ended[_counted];
            if (history.Trials[number].State != TrialState.Complete) continue;
            _generation.Add(number);
            if (_generation.Count < _options.Population) continue;
            _parents = Elite(history, [.. _parents, .. _generation], _options.Population, seed);
            _generation.Clear();
        }
    }

    /// <summary>Whole fronts while they fit; of the one that does not, those that are chosen.</summary>
    private List<int> Elite(StudyHistory history, List<int> candidates, int count, long seed)
    {
        double[][] losses = [.. candidates.Select(c => Losses(history, c))];
        var elite = new List<int>();
        foreach (var front in Domination.Fronts(losses, candidates.Select(c => history.Trials[c].Violation).ToArray()))
        {
            int left = count - elite.Count;
            if (left == 0) break;
            if (front.Count <= left) elite.AddRange(front);
            else
            {
                elite.AddRange(Choose([.. elite.Select(i => losses[i])], [.. front.Select(i => losses[i])], [.. front.Select(i => candidates[i])], left, seed)
                    .Select(i => front[i]));
            }
        }
        return [.. elite.Select(i => candidates[i])];
    }

    /// <summary>The better one of two different parents, neither of which is the excluded one; the first where neither dominates.</summary>
    private int Select(StudyHistory history, ref CounterRandom random, int excluded)
    {
        int[] eligible = [.. _parents.Where(p => p != excluded)];
        int a = random.NextInt(eligible.Length), b = eligible.Length == 1 ? 0 : random.NextInt(eligible.Length - 1);
        if (eligible.Length > 1 && b >= a) b++;
        var (one, two) = (history.Trials[eligible[a]], history.Trials[eligible[b]]);
        return Domination.Dominates(Losses(history, two.Number), two.Violation, Losses(history, one.Number), one.Violation) ? two.Number : one.Number;
    }

    private static double[] Losses(StudyHistory history, int number)
    {
        double[] losses = new double[history.Directions.Length];
        for (int k = 0; k < losses.Length; k++) losses[k] = history.Loss(history.Trials[number], k);
        return losses;
    }
}
