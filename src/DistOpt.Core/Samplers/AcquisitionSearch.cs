using System.Collections.Immutable;
using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Looks for the point of greatest acquisition value over numbers and choices, as Optuna's <c>_gp/optim_mixed.py</c>: from the best of many even points,
/// the best trials, and some drawn by their values, by turns along the gradient of the continuous dimensions and through the values of each other one.
/// Points have numbers on their domains' scales from 0 to 1, choices by index.
/// </summary>
/// <param name="domains">Of each dimension.</param>
/// <param name="inverseScales">Inverse squared length scale of each dimension.</param>
/// <param name="value">The acquisition value at a point; writes the gradient where there is room for one.</param>
/// <param name="values">The same at many points, possibly rounded otherwise.</param>
internal sealed class AcquisitionSearch(ImmutableArray<Domain> domains, double[] inverseScales, Func<double[], double[]?, double> value,
    Action<double[][], double[]> values)
{
    /// <summary>Even points to look at first.</summary>
    private const int Candidates = 2048;

    /// <summary>Searches from different points.</summary>
    public const int Starts = 10;

    /// <summary>Up to so many values are all tried; of more numbers some, and then their neighbours.</summary>
    private const int AllTried = 16;

    private readonly int[] _continuous = [.. Enumerable.Range(0, domains.Length).Where(IsContinuous(domains))];
    private readonly int[] _discrete = [.. Enumerable.Range(0, domains.Length).Where(i => !IsContinuous(domains)(i))];

    /// <param name="best">Points of the best trials: less than <see cref="Starts"/>.</param>
    /// <param name="seed">The study's.</param>
    /// <param name="number">The trial's, which names the streams.</param>
    /// <param name="random">Draws starts.</param>
    public double[] Maximize(double[][] best, long seed, int number, ref CounterRandom random)
    {
        double[][] candidates = new double[Candidates][];
        double[] found = new double[Candidates];
        RandomKey[] keys = [.. Enumerable.Range(0, domains.Length).Select(j => RandomKey.Of(seed, RandomPurpose.Search, number, j, 0))];
        for (int i = 0; i < Candidates; i++)
        {
            candidates[i] = new double[domains.Length];
            // each trial has others, and that they are even is all that counts: the cheapest scrambling will do
            for (int j = 0; j < domains.Length; j++) candidates[i][j] = Place(domains[j], SobolSequence.At((uint)i, j, Scrambling.Shift, keys[j]));
        }
        values(candidates, found);
        int top = 0;
        for (int i = 1; i < Candidates; i++)
            if (found[i] > found[top]) top = i;
        var (highest, most) = Climb(candidates[top]);
        foreach (double[] start in Drawn(candidates, found, top, Starts - 1 - best.Length, ref random).Concat(best))
        {
            var (point, reached) = Climb(start);
            if (reached > most) (highest, most) = (point, reached);
        }
        return highest;
    }

    private static Func<int, bool> IsContinuous(ImmutableArray<Domain> domains) => i => domains[i] is NumericDomain { Step: null };

    private static double Place(Domain domain, double unit) => domain switch
    {
        ChoiceDomain => domain.FromUnit(unit),
        NumericDomain { Step: null } => unit,
        _ => domain.ToUnit(domain.FromUnit(unit)),
    };

    private static double Nth(Domain domain, long index) => domain is ChoiceDomain ? index : domain.ToUnit(SearchSpace.Nth(domain, index));

    /// <summary>Candidates drawn without putting back, in proportion to the exponentials of their values.</summary>
    private static List<double[]> Drawn(double[][] candidates, double[] values, int top, int count, ref CounterRandom random)
    {
        double[] weights = [.. values.Select(v => Math.Exp(v - values[top]))];
        weights[top] = 0;
        var drawn = new List<double[]>();
        while (drawn.Count < count)
        {
            double sum = 0;
            foreach (double weight in weights) sum += weight;
            if (!(sum > 0)) break;
            double left = random.NextDouble() * sum;
            int chosen = -1;
            for (int i = 0; i < weights.Length && left >= 0; i++)
                if (weights[i] > 0) (left, chosen) = (left - weights[i], i);
            weights[chosen] = 0;
            drawn.Add(candidates[chosen]);
        }
        return drawn;
    }

    private (double[] Point, double Value) Climb(double[] start)
    {
        double[] point = [.. start];
        double reached = value(point, null);
        for (int cycle = 0; cycle < 100; cycle++)
        {
            ClimbContinuous(point, ref reached);
            bool changed = false;
            foreach (int j in _discrete) changed |= ClimbDiscrete(point, j, ref reached);
            // else the next turn would begin where this one ended
            if (!changed) break;
        }
        return (point, reached);
    }

    private void ClimbContinuous(double[] point, ref double reached)
    {
        if (_continuous.Length == 0) return;
        double[] scales = [.. _continuous.Select(j => Math.Sqrt(inverseScales[j]))], scaled = [.. _continuous.Select((j, i) => point[j] * scales[i])];
        double[] whole = [.. point], gradient = new double[point.Length];
        double found = -BoxMinimizer.Minimize(Negative, scaled, new double[scaled.Length], scales, tolerance: 1e-4, iterations: 200);
        if (!(found > reached)) return;
        for (int i = 0; i < _continuous.Length; i++) point[_continuous[i]] = Math.Clamp(scaled[i] / scales[i], 0, 1);
        reached = value(point, null);

        double Negative(ReadOnlySpan<double> at, Span<double> slopes)
        {
            for (int i = 0; i < _continuous.Length; i++) whole[_continuous[i]] = at[i] / scales[i];
            double here = value(whole, gradient);
            for (int i = 0; i < _continuous.Length; i++) slopes[i] = -gradient[_continuous[i]] / scales[i];
            return -here;
        }
    }

    private bool ClimbDiscrete(double[] point, int j, ref double reached)
    {
        long count = domains[j].Count!.Value, before = IndexOf(j, point[j]), best = before;
        double most = reached;
        if (domains[j] is ChoiceDomain || count <= AllTried)
        {
            for (long i = 0; i < count; i++) Try(i);
        }
        else
        {
            long step = (count + AllTried - 1) / AllTried;
            for (long i = 0; i < count; i += step) Try(i);
            while (step > 1)
            {
                step = (step + 1) / 2;
                long middle = best;
                Try(middle - step);
                Try(middle + step);
            }
            Try(best - 1);
            Try(best + 1);
        }
        point[j] = Nth(domains[j], best);
        reached = most;
        return best != before;

        void Try(long index)
        {
            if (index < 0 || index >= count || index == best) return;
            point[j] = Nth(domains[j], index);
            double here = value(point, null);
            if (here > most) (best, most) = (index, here);
        }
    }

    private long IndexOf(int j, double place) => domains[j] is NumericDomain numbers ? numbers.StepsTo(numbers.FromUnit(place)) : (long)place;
}
