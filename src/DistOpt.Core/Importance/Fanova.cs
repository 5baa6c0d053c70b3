using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Importance;

/// <summary>A figure as it comes out of each tree of a forest, or of each of several samples of the trials.</summary>
/// <param name="Mean">Over the trees; of samples the figure of all trials.</param>
/// <param name="Deviation">Standard deviation over the trees or samples: how far it hangs on which trials there happen to be.</param>
public readonly record struct Uncertain(double Mean, double Deviation)
{
    internal static Uncertain Of(IReadOnlyList<double> values)
    {
        if (values.Count == 0) return default;
        double mean = 0, squares = 0;
        foreach (double value in values) mean += value / values.Count;
        foreach (double value in values) squares += (value - mean) * (value - mean) / values.Count;
        return new(mean, Math.Sqrt(squares));
    }
}

/// <summary>
/// Functional ANOVA of what a study has measured (Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014): a
/// forest of regression trees says what the value would be anywhere in the space, and its variance over the space is divided among parameters (main effects)
/// and pairs of them (what they do together beyond their main effects). Each tree is integrated exactly.
/// <para>
/// Space. The average is over configurations as the random sampler draws them: logarithmic parameters evenly over orders of magnitude, every value of an
/// integer, step or choice as likely as the others. (Optuna takes logarithmic parameters as they are.) Ordered choices are split as numbers; others into any
/// two sets. Constraints between parameters are not looked at.
/// </para>
/// <para>
/// Conditional parameters. A parameter that a trial does not have could have had any value without changing the result: so each draw of the trial into a tree's
/// sample gets one at random, and the function that trees learn is one over the full product of the domains, whose average is exactly that of the random
/// sampler. A parameter that matters where it exists counts with its share of the space. (Optuna leaves out parameters that some trial does not have.)
/// </para>
/// <para>
/// Forest. <see cref="Trees"/> trees on samples drawn with replacement, at most <see cref="SampleMax"/> each; all dimensions are tried at each split, down to
/// leaves of one trial, as Optuna's. The same data and seed give the same forest. O(trees n log n) for main effects.
/// </para>
/// </summary>
public sealed class Fanova
{
    /// <summary>Number of trees.</summary>
    public const int Trees = 64;

    /// <summary>Trials in a tree's sample, at most: of more, each tree sees others.</summary>
    public const int SampleMax = 2000;

    private readonly SearchSpace _space;
    private readonly int[] _dimensionOf;
    private readonly TreeMarginals[] _trees;

    private Fanova(SearchSpace space, int[] dimensionOf, TreeMarginals[] trees, double? fit)
    {
        (_space, _dimensionOf, Fit) = (space, dimensionOf, fit);
        _trees = [.. trees.Where(t => t.Variance > 0)];
        Main = [.. Enumerable.Range(0, space.Count).Select(p => Uncertain.Of([.. _trees.Select(t => MainShare(t, p))]))];
    }

    /// <summary>For each parameter of the space what share of the variance its main effect is, from 0 to 1; 0 where it has one value alone.</summary>
    public ImmutableArray<Uncertain> Main { get; }

    /// <summary>
    /// Share of the variance between trials that trees explain of trials which they have not seen (out of bag), at most 1; 0 or less: the forest knows nothing,
    /// and neither do the shares. Null where each trial is in every tree's sample, or all values are equal.
    /// </summary>
    public double? Fit { get; }

    /// <summary>Fits the forest.</summary>
    /// <param name="space">What was searched.</param>
    /// <param name="configurations">At least two; NaN where a parameter has no value.</param>
    /// <param name="values">One finite value for each.</param>
    /// <param name="seed">Random seed.</param>
    /// <exception cref="ArgumentException">There are fewer than two configurations, or as many values as none.</exception>
    public static Fanova Of(SearchSpace space, IReadOnlyList<ImmutableArray<double>> configurations, IReadOnlyList<double> values, long seed)
    {
        ArgumentNullException.ThrowIfNull(space);
        if (configurations.Count < 2) throw new ArgumentException($"there are {configurations.Count} configurations, but at least 2 are needed", nameof(configurations));
        if (values.Count != configurations.Count || values.Any(v => !double.IsFinite(v)))
            throw new ArgumentException($"there must be {configurations.Count} finite values", nameof(values));
        int[] searched = [.. Enumerable.Range(0, space.Count).Where(p => !space.Parameters[p].Domain.IsSingle)];
        int[] dimensionOf = [.. Enumerable.Range(0, space.Count).Select(p => Array.IndexOf(searched, p))];
        ImmutableArray<TreeDimension> dimensions = [.. searched.Select(p => DimensionOf(space.Parameters[p].Domain))];
        var outOfBag = new (double Sum, int Count)[configurations.Count];
        var trees = new TreeMarginals[Trees];
        for (int t = 0; t < Trees; t++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Importance, t);
            int size = Math.Min(configurations.Count, SampleMax);
            double[][] columns = [.. searched.Select(_ => new double[size])];
            double[] targets = new double[size], point = new double[searched.Length];
            bool[] isSeen = new bool[configurations.Count];
            for (int i = 0; i < size; i++)
            {
                int drawn = random.NextInt(configurations.Count);
                (isSeen[drawn], targets[i]) = (true, values[drawn]);
                Place(space, searched, configurations[drawn], ref random, point);
                for (int d = 0; d < searched.Length; d++) columns[d][i] = point[d];
            }
            int[] order = [.. Enumerable.Range(0, searched.Length)];
            random.Shuffle(order.AsSpan());
            var tree = RegressionTree.Grow(dimensions, columns, targets, order);
            trees[t] = new TreeMarginals(tree);
            for (int i = 0; i < configurations.Count; i++)
            {
                if (isSeen[i]) continue;
                Place(space, searched, configurations[i], ref random, point);
                outOfBag[i] = (outOfBag[i].Sum + tree.Predict(point), outOfBag[i].Count + 1);
            }
        }
        return new Fanova(space, dimensionOf, trees, FitOf(values, outOfBag));
    }

    /// <summary>What share of the variance two parameters have together beyond their main effects, from 0 to 1.</summary>
    /// <param name="first">A parameter's index.</param>
    /// <param name="second">Another one's.</param>
    public Uncertain Interaction(int first, int second)
    {
        var (a, b) = (_dimensionOf[first], _dimensionOf[second]);
        if (a == b) throw new ArgumentException("a parameter has no interaction with itself", nameof(second));
        if (a < 0 || b < 0) return default;
        return Uncertain.Of([.. _trees.Select(t =>
            Math.Max(0, t.MarginalVariance(a, b) - t.MarginalVariance(a) - t.MarginalVariance(b)) / t.Variance)]);
    }

    /// <summary>The forest's mean over the whole space.</summary>
    public Uncertain Mean => Uncertain.Of([.. _trees.Select(t => t.Mean)]);

    /// <summary>What the value is on average over the rest of the space where one parameter has certain values.</summary>
    /// <param name="parameter">Its index; not one of a single value.</param>
    /// <param name="values">Of its domain.</param>
    public ImmutableArray<Uncertain> Marginal(int parameter, IEnumerable<double> values)
    {
        int d = _dimensionOf[parameter];
        var domain = _space.Parameters[parameter].Domain;
        double[][] means = [.. _trees.Select(t => t.Marginal(d))];
        return [.. values.Select(v => Uncertain.Of([.. _trees.Select((t, i) => means[i][t.CellOf(d, PlaceOf(domain, v))])]))];
    }

    /// <summary>By how much the value at one value of a parameter differs from the mean over the space, on average over the rest: by tree.</summary>
    internal Uncertain Difference(int parameter, double value)
    {
        int d = _dimensionOf[parameter];
        double place = PlaceOf(_space.Parameters[parameter].Domain, value);
        return Uncertain.Of([.. _trees.Select(t => t.Marginal(d)[t.CellOf(d, place)] - t.Mean)]);
    }

    /// <summary>What the value is on average over the rest of the space where two parameters have certain values.</summary>
    /// <returns>A row for each value of the first one.</returns>
    public double[,] Marginal(int first, IReadOnlyList<double> firstValues, int second, IReadOnlyList<double> secondValues)
    {
        var (a, b) = (_dimensionOf[first], _dimensionOf[second]);
        double[] rows = [.. firstValues.Select(v => PlaceOf(_space.Parameters[first].Domain, v))];
        double[] columns = [.. secondValues.Select(v => PlaceOf(_space.Parameters[second].Domain, v))];
        double[,] means = new double[rows.Length, columns.Length];
        foreach (var tree in _trees)
        {
            double[,] marginal = tree.Marginal(a, b);
            int[] cells = [.. columns.Select(c => tree.CellOf(b, c))];
            for (int r = 0; r < rows.Length; r++)
            {
                int cell = tree.CellOf(a, rows[r]);
                for (int c = 0; c < columns.Length; c++) means[r, c] += marginal[cell, cells[c]] / _trees.Length;
            }
        }
        return means;
    }

    private double MainShare(TreeMarginals tree, int parameter) =>
        _dimensionOf[parameter] is >= 0 and var d ? Math.Clamp(tree.MarginalVariance(d) / tree.Variance, 0, 1) : 0;

    private static TreeDimension DimensionOf(Domain domain) => domain switch
    {
        ChoiceDomain { IsOrdered: false } choices => new(choices.Choices.Length),
        ChoiceDomain ordered => new(0, (low, high) => Math.Round((low + high) / 2 * ordered.Choices.Length) / ordered.Choices.Length),
        NumericDomain { Step: not null } numbers => new(0, (low, high) => Border(numbers, low, high)),
        _ => new(0),
    };

    /// <summary>Between the places of two values the border of two neighbouring ones: a split parts whole values, each with the room that it has.</summary>
    private static double Border(NumericDomain numbers, double low, double high)
    {
        double below = numbers.FromUnit(low), value = numbers.FromUnit(low + (high - low) / 2), last = numbers.FromUnit(high) - numbers.Step!.Value;
        return numbers.ToUnit(Math.Clamp(value, below, Math.Max(below, last)) + numbers.Step.Value / 2);
    }

    private static double PlaceOf(Domain domain, double value) => domain is ChoiceDomain { IsOrdered: false } ? value : domain.ToUnit(value);

    /// <summary>A configuration in the dimensions of the trees; what it does not have is drawn.</summary>
    private static void Place(SearchSpace space, int[] searched, ImmutableArray<double> configuration, ref CounterRandom random, double[] point)
    {
        for (int d = 0; d < searched.Length; d++)
        {
            var domain = space.Parameters[searched[d]].Domain;
            double value = configuration[searched[d]];
            point[d] = PlaceOf(domain, double.IsNaN(value) ? domain.FromUnit(random.NextDouble()) : value);
        }
    }

    private static double? FitOf(IReadOnlyList<double> values, (double Sum, int Count)[] outOfBag)
    {
        double mean = values.Average(), left = 0, all = 0;
        for (int i = 0; i < values.Count; i++)
        {
            if (outOfBag[i].Count == 0) continue;
            left += Math.Pow(values[i] - outOfBag[i].Sum / outOfBag[i].Count, 2);
            all += Math.Pow(values[i] - mean, 2);
        }
        return all > 0 ? 1 - left / all : null;
    }
}
