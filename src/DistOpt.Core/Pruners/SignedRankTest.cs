using DistOpt.Core.Randomness;

namespace DistOpt.Core.Pruners;

/// <summary>
/// Wilcoxon's signed-rank test of paired differences (Wilcoxon 1945), one-sided, as scipy's
/// <c>wilcoxon(differences, alternative="greater", zero_method="zsplit")</c>: ranks by size, equal ones share their mean rank, and zeros count half to
/// either side. The p-value is exact, over all signs, for up to 50 differences without ties and zeros and for up to 13 with them; otherwise by the
/// normal approximation with the correction for ties and without one for continuity.
/// </summary>
public static class SignedRankTest
{
    private const int ExactMost = 50;
    private const int ExactMostTied = 13;

    /// <summary>
    /// The probability, were the differences symmetric around 0, of ranks of the positive ones as great as these or greater.
    /// </summary>
    /// <param name="differences">Finite; at least one.</param>
    public static double PValueGreater(ReadOnlySpan<double> differences) => PValueGreater(differences, ExactMostTied);

    /// <summary>The same, exact over all signs also with ties and zeros.</summary>
    /// <param name="differences">Finite; 1 to 50.</param>
    internal static double ExactPValueGreater(ReadOnlySpan<double> differences) => differences.Length <= ExactMost
        ? PValueGreater(differences, ExactMost)
        : throw new ArgumentException($"has {differences.Length} elements: the sums of more than {ExactMost} ranks are not counted", nameof(differences));

    private static double PValueGreater(ReadOnlySpan<double> differences, int exactMostTied)
    {
        int n = differences.Length;
        if (n == 0) throw new ArgumentException("there are no differences to test", nameof(differences));
        double[] sizes = new double[n];
        int[] order = new int[n];
        for (int i = 0; i < n; i++) (sizes[i], order[i]) = (Math.Abs(differences[i]), i);
        Array.Sort(sizes, order);
        // ranks doubled, so that mean ranks are whole
        long[] ranks = new long[n];
        double ties = 0, positive = 0;
        bool isTied = sizes[0] == 0;
        for (int from = 0, to; from < n; from = to)
        {
            for (to = from + 1; to < n && sizes[to] == sizes[from]; to++) { }
            double count = to - from;
            isTied |= count > 1;
            ties += count * count * count - count;
            for (int i = from; i < to; i++)
            {
                ranks[i] = from + 1 + to;
                double share = differences[order[i]] > 0 ? 1 : differences[order[i]] == 0 ? 0.5 : 0;
                positive += share * ranks[i] / 2;
            }
        }
        if (n <= (isTied ? exactMostTied : ExactMost)) return Exact(ranks, sizes, positive);
        double mean = n * (n + 1.0) / 4, deviation = Math.Sqrt((n * (n + 1.0) * (2.0 * n + 1) - ties / 2) / 24);
        return NormalDistribution.Cdf((mean - positive) / deviation);
    }

    /// <summary>Of all signs of those that are not 0 the share with a sum as great: sums are counted rank by rank.</summary>
    private static double Exact(long[] ranks, double[] sizes, double positive)
    {
        double zeros = 0;
        long most = 0;
        for (int i = 0; i < ranks.Length; i++)
        {
            if (sizes[i] == 0) zeros += ranks[i] / 4.0;
            else most += ranks[i];
        }
        // counts up to 2^50 are exact
        double[] counts = new double[most + 1];
        counts[0] = 1;
        long reached = 0;
        for (int i = 0; i < ranks.Length; i++)
        {
            if (sizes[i] == 0) continue;
            for (long sum = reached; sum >= 0; sum--) counts[sum + ranks[i]] += counts[sum];
            reached += ranks[i];
        }
        long least = (long)Math.Round(2 * (positive - zeros));
        double all = 0, great = 0;
        for (long sum = 0; sum <= most; sum++)
        {
            all += counts[sum];
            if (sum >= least) great += counts[sum];
        }
        return great / all;
    }
}
