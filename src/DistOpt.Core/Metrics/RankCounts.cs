using DistOpt.Core.Training;

namespace DistOpt.Core.Metrics;

/// <summary>
/// Scores of positives and negatives, counted by their float32 bits, for the area under the ROC curve. Nothing is rounded, so the area is
/// that of all pairs, ties counted one half; the counts are as many as there are different scores.
/// </summary>
public static class RankCounts
{
    /// <summary>Most scores (samples times ranked classes) of one evaluation.</summary>
    public const long ScoresMax = 1 << 21;

    /// <summary>Adds a score.</summary>
    /// <param name="ranking">0 where there is one; the class where each has its own (one against the rest).</param>
    /// <param name="score">-0 is 0.</param>
    public static void Add(MetricCounts counts, int ranking, float score, bool positive) =>
        counts.Add(((long)ranking << 33) | ((long)Ordered(score) << 1) | (positive ? 1L : 0));

    /// <summary>
    /// The mean area over the rankings that have positives and negatives; the others have no area and are left out. NaN where none has, or
    /// where a score is NaN.
    /// </summary>
    public static double MeanAuc(MetricCounts? counts)
    {
        var sorted = counts?.Sorted() ?? [];
        double sum = 0;
        int rankings = 0;
        for (int at = 0; at < sorted.Length;)
        {
            int end = at;
            while (end < sorted.Length && sorted[end].Key >> 33 == sorted[at].Key >> 33) end++;
            double area = Area(sorted.AsSpan(at, end - at), out bool isNaN);
            if (isNaN) return double.NaN;
            if (!double.IsNaN(area))
            {
                sum += area;
                rankings++;
            }
            at = end;
        }
        return rankings == 0 ? double.NaN : sum / rankings;
    }

    private static double Area(ReadOnlySpan<(long Key, long Count)> scores, out bool isNaN)
    {
        isNaN = IsNaN(scores[0].Key) || IsNaN(scores[^1].Key);
        // twice the pairs in the right order, a tie being half a pair: whole numbers, which a double holds below 2^53
        double twice = 0;
        long positives = 0, negatives = 0;
        for (int i = 0; i < scores.Length;)
        {
            long score = scores[i].Key >> 1, up = 0, down = 0;
            for (; i < scores.Length && scores[i].Key >> 1 == score; i++)
                if ((scores[i].Key & 1) == 1) up += scores[i].Count;
                else down += scores[i].Count;
            twice += (double)up * (2 * negatives + down);
            positives += up;
            negatives += down;
        }
        return positives == 0 || negatives == 0 ? double.NaN : twice / 2 / ((double)positives * negatives);
    }

    /// <summary>Bits that ascend with the value; NaN stands below or above all others.</summary>
    private static uint Ordered(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
    }

    private static bool IsNaN(long key)
    {
        uint ordered = (uint)(key >> 1);
        return ordered is < 0x007F_FFFF or > 0xFF80_0000;
    }
}
