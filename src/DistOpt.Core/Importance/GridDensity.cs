using DistOpt.Core.Randomness;

namespace DistOpt.Core.Importance;

/// <summary>
/// The probability of each place of a grid by kernels around the observed ones, and a flat one that counts as one observation: normal kernels, cut at the ends
/// of the grid, whose width is Scott's rule ("Multivariate Density Estimation", 1992) as in Optuna's <c>_ped_anova/scott_parzen_estimator.py</c>; where places
/// have no order, the observed one lifted above all others.
/// </summary>
internal static class GridDensity
{
    /// <summary>Nine tenths of a kernel's mass stay in its place.</summary>
    private const double WidthMin = 0.5 / 1.64;

    /// <param name="counts">Observations in each place; at least one in all.</param>
    /// <param name="hasOrder">Whether neighbouring places are alike.</param>
    public static double[] Of(double[] counts, bool hasOrder)
    {
        int[] seen = [.. Enumerable.Range(0, counts.Length).Where(i => counts[i] > 0)];
        double total = counts.Sum();
        return hasOrder ? Normal(counts, seen, total) : Lifted(counts, seen, total);
    }

    private static double[] Normal(double[] counts, int[] seen, double total)
    {
        int places = counts.Length;
        double width = Math.Max(Width(counts, seen, total), WidthMin);
        double[] density = new double[places];
        foreach (int at in seen) Add(density, at, width, counts[at] / (total + 1));
        Add(density, (places - 1) / 2.0, places, 1 / (total + 1));
        return density;
    }

    private static void Add(double[] density, double mean, double width, double weight)
    {
        double mass = NormalDistribution.Between((-0.5 - mean) / width, (density.Length - 0.5 - mean) / width);
        for (int i = 0; i < density.Length; i++)
            density[i] += weight * NormalDistribution.Between((i - 0.5 - mean) / width, (i + 0.5 - mean) / width) / mass;
    }

    /// <summary>By the deviation or by the distance of the quartiles, whichever is smaller.</summary>
    private static double Width(double[] counts, int[] seen, double total)
    {
        double mean = seen.Sum(i => i * counts[i]) / total;
        double deviation = Math.Sqrt(seen.Sum(i => (i - mean) * (i - mean) * counts[i]) / Math.Max(1, total - 1));
        int lower = 0, upper = 0;
        double sum = 0;
        foreach (int i in seen)
        {
            sum += counts[i];
            if (sum < Math.Floor(total / 4)) lower++;
            if (sum <= Math.Floor(total * 3 / 4)) upper++;
        }
        double quartiles = seen[Math.Min(seen.Length - 1, upper)] - seen[lower];
        return 1.059 * Math.Min(quartiles / 1.34, deviation) * Math.Pow(total, -0.2);
    }

    private static double[] Lifted(double[] counts, int[] seen, double total)
    {
        int choices = counts.Length, kernels = seen.Length + 1;
        double rest = 1.0 / kernels, row = 1 + choices * rest;
        double[] density = new double[choices];
        for (int i = 0; i < choices; i++) density[i] = (total * rest / row + counts[i] / row + 1.0 / choices) / (total + 1);
        return density;
    }
}
