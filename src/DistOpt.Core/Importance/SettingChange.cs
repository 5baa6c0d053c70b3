using System.Collections.Immutable;
using System.Text;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Importance;

/// <summary>Two trials that differ in one setting alone: measured, with whatever chance has added to each.</summary>
/// <param name="Parameter">Index of the one that differs; those that only one of the trials has hang on it.</param>
/// <param name="Worse">The trial with the worse value.</param>
/// <param name="Better">The trial with the better one.</param>
public sealed record ObservedChange(int Parameter, ComparedTrial Worse, ComparedTrial Better)
{
    /// <summary>By how much the better one is better, above 0.</summary>
    public double Gain => Math.Abs(Better.Value - Worse.Value);

    /// <summary>
    /// The pair that differs in one parameter and most in value; null where no two trials do. Infeasible trials are left out. O(n) for each parameter, where
    /// not many trials agree in all others.
    /// </summary>
    public static ObservedChange? Largest(ComparedTrials trials)
    {
        ArgumentNullException.ThrowIfNull(trials);
        ObservedChange? largest = null;
        var ranked = trials.Ranked.Where(t => t.IsFeasible).ToList();
        for (int p = 0; p < trials.Space.Count; p++)
        {
            if (trials.Space.Parameters[p].Domain.IsSingle) continue;
            bool[] hangs = Descendants(trials.Space, p);
            foreach (var group in ranked.Where(t => !double.IsNaN(t.Parameters[p])).GroupBy(t => Key(t.Parameters, p, hangs)))
            {
                ComparedTrial[] members = [.. group];
                for (int i = 0; i < members.Length; i++)
                {
                    // from the worst, so that the first that differs is what there is to gain
                    for (int j = members.Length - 1; j > i; j--)
                    {
                        if (Math.Abs(members[j].Value - members[i].Value) <= (largest?.Gain ?? 0)) break;
                        if (members[i].Parameters[p] == members[j].Parameters[p] || !Agree(members[i].Parameters, members[j].Parameters, hangs)) continue;
                        largest = new ObservedChange(p, members[j], members[i]);
                        break;
                    }
                }
            }
        }
        return largest;
    }

    /// <summary>Which parameters exist or not by the value of this one, directly or through others.</summary>
    private static bool[] Descendants(SearchSpace space, int parameter)
    {
        bool[] hangs = new bool[space.Count];
        for (int i = parameter + 1; i < hangs.Length; i++)
            hangs[i] = space.Parameters[i].Conditions.Any(c => space.IndexOf(c.Parameter) is var parent && (parent == parameter || hangs[parent]));
        return hangs;
    }

    private static string Key(ImmutableArray<double> parameters, int without, bool[] hangs)
    {
        var key = new StringBuilder();
        for (int i = 0; i < parameters.Length; i++)
            if (i != without && !hangs[i]) key.Append(BitConverter.DoubleToInt64Bits(parameters[i])).Append(',');
        return key.ToString();
    }

    private static bool Agree(ImmutableArray<double> a, ImmutableArray<double> b, bool[] hangs)
    {
        for (int i = 0; i < a.Length; i++)
            if (hangs[i] && !double.IsNaN(a[i]) && !double.IsNaN(b[i]) && a[i] != b[i]) return false;
        return true;
    }
}

/// <summary>What one setting is estimated to gain: the forest's mean over the rest of the space where it has one value, against that over all.</summary>
/// <param name="Parameter">Its index.</param>
/// <param name="Value">The value at which the mean is best.</param>
/// <param name="From">Mean over the whole space.</param>
/// <param name="To">Mean where the parameter has the value.</param>
/// <param name="Gain">How much better that is, with its deviation over the trees.</param>
public sealed record EstimatedChange(int Parameter, double Value, double From, double To, Uncertain Gain)
{
    /// <summary>Values of a continuum that are tried.</summary>
    public const int GridMax = 50;

    /// <summary>The values of a domain at which it is looked: all of them where there are few, else some that are evenly spread over its scale.</summary>
    public static ImmutableArray<double> Grid(Domain domain)
    {
        ArgumentNullException.ThrowIfNull(domain);
        return domain.Count is <= GridMax and var count ? [.. Enumerable.Range(0, (int)count).Select(i => SearchSpace.Nth(domain, i))]
            : [.. Enumerable.Range(0, GridMax).Select(i => domain.FromUnit((i + 0.5) / GridMax)).Distinct()];
    }

    /// <summary>The best value of one parameter; not of one that has a single value.</summary>
    internal static EstimatedChange Of(Fanova forest, ComparedTrials trials, int parameter)
    {
        var grid = Grid(trials.Space.Parameters[parameter].Domain);
        var means = forest.Marginal(parameter, grid);
        int best = Enumerable.Range(0, grid.Length).MinBy(i => trials.Loss(means[i].Mean));
        var difference = forest.Difference(parameter, grid[best]);
        double sign = trials.Loss(-1);
        return new(parameter, grid[best], forest.Mean.Mean, means[best].Mean, difference with { Mean = sign * difference.Mean });
    }
}
