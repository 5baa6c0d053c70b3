using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>bohb</c>; defaults as HpBandSter's BOHB.</summary>
public sealed record BohbOptions
{
    [Description("Trials at a rung before it has a model; auto = one more than there are parameters, which is the least")]
    [NullName("auto")]
    [Range(1, 1_000_000)]
    public int? MinPoints { get; init; }

    [Description("Share of the trials at a rung, in percent, that count as good")]
    [Range(1, 99)]
    public int TopPercent { get; init; } = 15;

    [Description("Candidates that are drawn for each suggestion, of which the best is taken")]
    [Range(1, 100_000)]
    public int Candidates { get; init; } = 64;

    [Description("Share of the suggestions that are random whatever the model says")]
    [Range(0.0, 1.0)]
    public double RandomFraction { get; init; } = 1.0 / 3;

    [Description("Candidates are drawn from kernels that are so many times as wide as those of the density")]
    [Range(0.0, 1e6, MinimumIsExclusive = true)]
    public double BandwidthFactor { get; init; } = 3;

    [Description("Least bandwidth of a kernel, on the scale of the domain from 0 to 1")]
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double MinBandwidth { get; init; } = 1e-3;
}

/// <summary>
/// The sampler of BOHB (Falkner et al., "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018, algorithm 2; HpBandSter's
/// <c>optimizers/config_generators/bohb.py</c>), to go with trial scheduler <c>hyperband</c> or <c>asha</c> with promotion, whose rungs are its budgets. At
/// each rung that enough trials have come to, the best 15 % make a density l and the others a density g (<see cref="ProductKernelDensity"/>, over all
/// parameters at once); of the rungs with a model the highest counts. Of 64 candidates drawn around good trials, with three times the bandwidth, the
/// one with the greatest l / g is taken; one suggestion in three is random. A trial that failed on its way to a rung has an infinite loss there, one
/// that a pruner ended has none, and infeasible ones are behind all others. Where a parameter had no value, the density gets that of another trial of its
/// side, by chance.
/// <para>Unlike HpBandSter's: brackets are asynchronous (<see cref="TrialSchedulers.Hyperband"/>); ordered choices are choices; bandwidths of choices are
/// bounded, and all choices are known from the beginning, so that no density is infinite or below 0.</para>
/// </summary>
public sealed class BohbSampler(BohbOptions options) : ISampler
{
    /// <summary>Least density that a ratio is taken of.</summary>
    private const double LeastDensity = 1e-32;

    public bool NeedsRungs => true;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives)
    {
        if (objectives != 1) yield return new SpecViolation("study.sampler", $"is bohb, which is for one objective, but the study has {objectives}");
        int least = Modelled(space).Length + 1;
        if (options.MinPoints < least)
        {
            yield return new SpecViolation("study.sampler.min_points",
                $"is {options.MinPoints}, but a density over {least - 1} parameters needs {least} trials; give at least that, or auto");
        }
    }

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        var random = new CounterRandom(seed, RandomPurpose.Search, number);
        int[] modelled = Modelled(history.Space);
        bool isRandom = random.NextDouble() < options.RandomFraction;
        if (isRandom || Models(history, modelled, ref random) is not var (good, bad))
        {
            RandomSampler.Fill(history.Space, ref random, values);
            return;
        }
        double[] point = new double[modelled.Length], best = new double[modelled.Length];
        double least = double.PositiveInfinity;
        for (int i = 0; i < options.Candidates; i++)
        {
            good.Draw(ref random, options.BandwidthFactor, point);
            double ratio = Math.Max(LeastDensity, bad.At(point)) / Math.Max(LeastDensity, good.At(point));
            if (!(ratio < least)) continue;
            least = ratio;
            point.CopyTo(best, 0);
        }
        Write(history.Space, modelled, best, values);
    }

    /// <summary>Densities of the good and the other trials at the highest rung that has enough of both; null where none has.</summary>
    private (ProductKernelDensity Good, ProductKernelDensity Bad)? Models(StudyHistory history, int[] modelled, ref CounterRandom random)
    {
        if (modelled.Length == 0) return null;
        var counts = new SortedDictionary<long, int>();
        foreach (var trial in history.Trials)
            foreach (var rung in trial.Rungs) counts[rung.Step] = counts.GetValueOrDefault(rung.Step) + 1;
        int[] choices = [.. modelled.Select(p => history.Space.Parameters[p].Domain is ChoiceDomain domain ? domain.Choices.Length : 0)];
        foreach (var (rung, count) in counts.Reverse())
        {
            var (good, bad) = Split(count, modelled.Length);
            if (bad <= modelled.Length) continue;
            var trials = Ranked(history, rung);
            return (Density(trials[..good], ref random), Density(trials[good..(good + bad)], ref random));
        }
        return null;

        ProductKernelDensity Density(StudyTrial[] trials, ref CounterRandom random)
        {
            double[][] rows = [.. trials.Select(t => Row(history.Space, modelled, t))];
            return new ProductKernelDensity(Imputed(rows, choices, ref random), choices, options.MinBandwidth);
        }
    }

    /// <summary>How many of the trials at a rung are good, and how many of those that follow are not.</summary>
    private (int Good, int Bad) Split(int count, int dimensions)
    {
        int least = Math.Max(options.MinPoints ?? 0, dimensions + 1);
        int good = Math.Max(least, (int)(options.TopPercent * (long)count / 100)), bad = Math.Max(least, (int)((100 - options.TopPercent) * (long)count / 100));
        return (Math.Min(good, count), Math.Min(bad, Math.Max(0, count - good)));
    }

    /// <summary>The trials that have come to a rung, the best there first, equal ones by number.</summary>
    private static StudyTrial[] Ranked(StudyHistory history, long rung)
    {
        var ranked = new List<(bool IsInfeasible, double Loss, int Number)>();
        foreach (var trial in history.Trials)
        {
            foreach (var reached in trial.Rungs)
            {
                if (reached.Step != rung) continue;
                double loss = history.Directions[0].Loss(reached.Value);
                ranked.Add((trial.Violation > 0, double.IsNaN(loss) ? double.PositiveInfinity : loss, trial.Number));
            }
        }
        ranked.Sort();
        return [.. ranked.Select(r => history.Trials[r.Number])];
    }

    /// <summary>A configuration as densities see it: numbers on their domain's scale from 0 to 1, choices by index, NaN where there is no value.</summary>
    private static double[] Row(SearchSpace space, int[] modelled, StudyTrial trial)
    {
        double[] row = new double[modelled.Length];
        for (int j = 0; j < row.Length; j++)
        {
            double value = trial.Parameters[modelled[j]];
            row[j] = space.Parameters[modelled[j]].Domain is NumericDomain numbers ? numbers.ToUnit(value) : value;
        }
        return row;
    }

    /// <summary>What a row has no value of is taken from another row that has the first of these; where none has, it is any.</summary>
    internal static double[][] Imputed(double[][] rows, int[] choices, ref CounterRandom random)
    {
        double[][] filled = [.. rows.Select(r => r.ToArray())];
        foreach (double[] row in filled)
        {
            for (int j = Array.FindIndex(row, double.IsNaN); j >= 0; j = Array.FindIndex(row, double.IsNaN))
            {
                double[][] others = [.. rows.Where(r => !double.IsNaN(r[j]))];
                if (others.Length == 0)
                {
                    row[j] = choices[j] > 0 ? random.NextInt(choices[j]) : random.NextDouble();
                    continue;
                }
                double[] other = others[random.NextInt(others.Length)];
                for (int k = j; k < row.Length; k++)
                    if (double.IsNaN(row[k])) row[k] = other[k];
            }
        }
        return filled;
    }

    /// <summary>The configuration of a point; what has no value beside the rest of it is left out.</summary>
    private static void Write(SearchSpace space, int[] modelled, double[] point, Span<double> values)
    {
        values.Fill(double.NaN);
        for (int i = 0; i < space.Count; i++)
        {
            if (!space.IsActive(i, values)) continue;
            int place = Array.IndexOf(modelled, i);
            var domain = space.Parameters[i].Domain;
            values[i] = place < 0 ? domain.FromUnit(0.5) : domain is ChoiceDomain ? point[place] : domain.FromUnit(point[place]);
        }
    }

    private static int[] Modelled(SearchSpace space) => [.. Enumerable.Range(0, space.Count).Where(i => !space.Parameters[i].Domain.IsSingle)];
}
