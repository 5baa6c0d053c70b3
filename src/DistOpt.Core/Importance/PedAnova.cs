using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Importance;

/// <summary>
/// How much each parameter had to do with being among the best trials (Watanabe, Bansal, Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance
/// in Arbitrary Subspaces", IJCAI 2023): the Pearson divergence between the density of the best trials' values and that of all trials', by kernels on a grid,
/// as Optuna 5 computes it. Parameters that some trials do not have count by the share of trials that have them ("Conditional PED-ANOVA", arXiv 2601.20800).
/// O(n) for each parameter. Ordered choices are taken as numbers, which Optuna does not know.
/// </summary>
public static class PedAnova
{
    /// <summary>Samples from which the deviations come.</summary>
    public const int Resamples = 32;

    /// <summary>Places of the grid over a domain, at most.</summary>
    private const int GridMax = 50;

    /// <summary>So that a place without trials has a density.</summary>
    private const double Least = 1e-12;

    /// <summary>Fewer trials that have a parameter say nothing of it.</summary>
    private const int TrialsMin = 2;

    /// <summary>Which trials are the best: those up to the value of the last one that belongs to the share; those that tie with it too.</summary>
    /// <param name="losses">Finite; less is better.</param>
    /// <param name="quantile">The share, above 0 and at most 1.</param>
    public static bool[] Best(IReadOnlyList<double> losses, double quantile)
    {
        ArgumentNullException.ThrowIfNull(losses);
        if (!(quantile is > 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(quantile), $"quantile {quantile} is outside (0, 1]");
        if (losses.Count == 0) return [];
        double[] sorted = [.. losses.Order()];
        double last = sorted[(int)Math.Ceiling(quantile * sorted.Length) - 1];
        return [.. losses.Select(l => l <= last)];
    }

    /// <summary>The divergence for each parameter, at least 0; 0 where it has one value alone. Only their ratios have a meaning.</summary>
    /// <param name="space">What was searched.</param>
    /// <param name="configurations">NaN where a parameter has no value.</param>
    /// <param name="isBest">For each of them whether it is among the best (<see cref="Best"/>).</param>
    public static double[] Of(SearchSpace space, IReadOnlyList<ImmutableArray<double>> configurations, IReadOnlyList<bool> isBest)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(configurations);
        ArgumentNullException.ThrowIfNull(isBest);
        double[] importances = new double[space.Count];
        int best = isBest.Count(b => b);
        if (configurations.Count < TrialsMin || best == 0) return importances;
        double quantile = best / (double)configurations.Count;
        for (int p = 0; p < importances.Length; p++)
        {
            var domain = space.Parameters[p].Domain;
            if (domain.IsSingle) continue;
            var (all, top) = (new double[GridOf(domain)], new double[GridOf(domain)]);
            int having = 0, bestHaving = 0;
            for (int i = 0; i < configurations.Count; i++)
            {
                double value = configurations[i][p];
                if (double.IsNaN(value)) continue;
                int at = PlaceOf(domain, value, all.Length);
                (all[at], having) = (all[at] + 1, having + 1);
                if (isBest[i]) (top[at], bestHaving) = (top[at] + 1, bestHaving + 1);
            }
            if (having < TrialsMin || bestHaving == 0) continue;
            double share = bestHaving / (double)best, of = having / (double)configurations.Count;
            bool hasOrder = domain is not ChoiceDomain { IsOrdered: false };
            importances[p] = quantile * quantile * share * share / of * Divergence(GridDensity.Of(top, hasOrder), GridDensity.Of(all, hasOrder));
        }
        return importances;
    }

    /// <summary>
    /// Each parameter's share in what tells the best trials from all: its divergence (<see cref="Of"/>), divided by the sum of all; 0 where nothing tells. The
    /// deviation is that over <see cref="Resamples"/> bootstrap samples (Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979): as many trials,
    /// drawn with replacement, of which as many are the best, and those that tie with the last of them. O(<see cref="Resamples"/> n) for each parameter.
    /// </summary>
    /// <param name="space">What was searched.</param>
    /// <param name="ranked">Configurations, the best trial's first; NaN where a parameter has no value.</param>
    /// <param name="best">How many of them are the best; those that tie with the last of them are so too.</param>
    /// <param name="seed">Random seed: the same gives the same deviations.</param>
    /// <param name="ranks">For each of them a number that those share which tie, and which never falls; null = none tie.</param>
    public static Uncertain[] Shares(SearchSpace space, IReadOnlyList<ImmutableArray<double>> ranked, int best, long seed, IReadOnlyList<int>? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(ranked);
        ArgumentOutOfRangeException.ThrowIfNegative(best);
        ranks ??= [.. Enumerable.Range(0, ranked.Count)];
        best = Math.Min(best, ranked.Count);
        double[] shares = Shares(Of(space, ranked, BestOf([.. Enumerable.Range(0, ranked.Count)])));
        if (ranked.Count < TrialsMin) return [.. shares.Select(s => new Uncertain(s, 0))];
        double[][] samples = [.. Enumerable.Range(0, Resamples).Select(Sample)];
        return [.. shares.Select((s, p) => new Uncertain(s, Uncertain.Of([.. samples.Select(d => d[p])]).Deviation))];

        double[] Sample(int resample)
        {
            var random = new CounterRandom(seed, RandomPurpose.ImportanceResample, resample);
            int[] places = new int[ranked.Count];
            for (int i = 0; i < places.Length; i++) places[i] = random.NextInt(places.Length);
            Array.Sort(places);
            return Shares(Of(space, [.. places.Select(i => ranked[i])], BestOf(places)));
        }

        // of trials in the order of their ranks
        bool[] BestOf(int[] places) => [.. places.Select(i => best > 0 && ranks[i] <= ranks[places[best - 1]])];
    }

    private static double[] Shares(double[] divergences)
    {
        double sum = divergences.Sum();
        return sum > 0 ? [.. divergences.Select(d => d / sum)] : divergences;
    }

    private static double Divergence(double[] best, double[] all)
    {
        double sum = 0;
        for (int i = 0; i < best.Length; i++)
        {
            double density = all[i] + Least, ratio = (best[i] + Least) / density - 1;
            sum += density * ratio * ratio;
        }
        return sum;
    }

    private static int GridOf(Domain domain) => domain switch
    {
        ChoiceDomain { IsOrdered: false } choices => choices.Choices.Length,
        // as many as orders of magnitude to the base of 2 have
        IntDomain { Log: true } whole => Math.Min((int)Math.Ceiling(Math.Log2(whole.High - whole.Low + 1)) + 1, GridMax),
        _ => (int)Math.Min(domain.Count ?? GridMax, GridMax),
    };

    private static int PlaceOf(Domain domain, double value, int places)
    {
        if (domain is ChoiceDomain { IsOrdered: false }) return (int)value;
        var (low, high) = domain is NumericDomain numbers ? (numbers.ToScale(numbers.Low), numbers.ToScale(numbers.Last)) : (0, domain.Count!.Value - 1);
        double step = (high - low) / (places - 1), at = domain is NumericDomain n ? n.ToScale(value) : value;
        return Math.Clamp((int)Math.Ceiling((at - low) / step - 0.5), 0, places - 1);
    }
}
