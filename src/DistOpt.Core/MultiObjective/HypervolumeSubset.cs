namespace DistOpt.Core.MultiObjective;

/// <summary>
/// Which points of a front dominate the most together (the hypervolume subset selection problem), and what each of them adds; less is better in each
/// objective. As Optuna's <c>_hypervolume/hssp.py</c>: one point after the other, each the one that adds the most to those before it, which gives at least
/// 1 - 1/e of the greatest volume (Guerreiro, Fonseca, Paquete, "Greedy Hypervolume Subset Selection in Low Dimensions", Evol. Comput. 24(3), 2016). With two
/// objectives what is added is followed from point to point, with more it is worked out only where its last value, which bounds it, is the greatest.
/// </summary>
public static class HypervolumeSubset
{
    /// <summary>What a reference point has instead of 0, where no share of the worst value lies beyond it.</summary>
    private const double Epsilon = 1e-12;

    /// <summary>A reference point a tenth beyond the worst values: the greater one of 1.1 and 0.9 times the worst, and 1e-12 where that is 0.</summary>
    /// <param name="points">At least one; none of their elements is NaN.</param>
    public static double[] ReferenceOf(IReadOnlyList<double[]> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        double[] reference = [.. points[0]];
        foreach (double[] point in points)
            for (int k = 0; k < reference.Length; k++) reference[k] = Math.Max(reference[k], point[k]);
        for (int k = 0; k < reference.Length; k++)
        {
            reference[k] = Math.Max(1.1 * reference[k], 0.9 * reference[k]);
            if (reference[k] == 0) reference[k] = Epsilon;
        }
        return reference;
    }

    /// <summary>Chooses some points of a front.</summary>
    /// <param name="front">Points of which none dominates another; equal ones are possible, and only the first of them adds anything.</param>
    /// <param name="count">How many, at most as many as there are.</param>
    /// <param name="reference">Up to where volumes count; where it is not finite all are infinite, and the first points are chosen.</param>
    /// <returns>Places in the list, in the order in which they were chosen; of those that add the same the first.</returns>
    /// <exception cref="ArgumentOutOfRangeException">More are asked for than there are, or fewer than none.</exception>
    public static List<int> Choose(IReadOnlyList<double[]> front, int count, ReadOnlySpan<double> reference)
    {
        ArgumentNullException.ThrowIfNull(front);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, front.Count);
        double[] limit = [.. reference];
        if (count == front.Count || !Array.TrueForAll(limit, double.IsFinite)) return [.. Enumerable.Range(0, count)];
        return limit.Length == 2 ? ChooseInPlane(front, count, limit) : ChooseInSpace(front, count, limit);
    }

    /// <summary>What each point adds to all others; 0 where one of them is better or the same.</summary>
    /// <param name="points">Any; none of their elements is NaN.</param>
    /// <param name="reference">Up to where volumes count.</param>
    public static double[] Contributions(IReadOnlyList<double[]> points, ReadOnlySpan<double> reference)
    {
        ArgumentNullException.ThrowIfNull(points);
        double[] limit = [.. reference];
        return [.. points.Select((point, i) => Added(point, [.. points.Where((_, j) => j != i)], limit))];
    }

    /// <summary>Each point has a box to itself, up to its chosen neighbours on both sides.</summary>
    private static List<int> ChooseInPlane(IReadOnlyList<double[]> front, int count, double[] limit)
    {
        int n = front.Count;
        double[] right = new double[n], top = new double[n];
        Array.Fill(right, limit[0]);
        Array.Fill(top, limit[1]);
        bool[] isChosen = new bool[n];
        var chosen = new List<int>(count);
        while (chosen.Count < count)
        {
            int best = -1;
            double most = double.NegativeInfinity;
            for (int i = 0; i < n; i++)
            {
                if (isChosen[i]) continue;
                double added = Box(right[i] - front[i][0], top[i] - front[i][1]);
                if (added > most) (best, most) = (i, added);
            }
            chosen.Add(best);
            isChosen[best] = true;
            double x = front[best][0], y = front[best][1];
            for (int i = 0; i < n; i++)
            {
                if (front[i][0] <= x) right[i] = Math.Min(right[i], x);
                if (front[i][0] >= x) top[i] = Math.Min(top[i], y);
            }
        }
        return chosen;

        // a side of no length times an infinite one is nothing
        static double Box(double width, double height) => width > 0 && height > 0 ? width * height : 0;
    }

    private static List<int> ChooseInSpace(IReadOnlyList<double[]> front, int count, double[] limit)
    {
        var (chosen, points) = (new List<int>(count), new List<double[]>(count));
        // what a point adds only gets less: the greatest first, of equal ones that with the least place
        var bounds = new PriorityQueue<(int Place, int Round), (double, int)>();
        for (int i = 0; i < front.Count; i++) bounds.Enqueue((i, 0), (-Added(front[i], [], limit), i));
        while (chosen.Count < count)
        {
            var (place, round) = bounds.Dequeue();
            if (round < chosen.Count)
            {
                bounds.Enqueue((place, chosen.Count), (-Added(front[place], points, limit), place));
                continue;
            }
            chosen.Add(place);
            points.Add(front[place]);
        }
        return chosen;
    }

    /// <summary>The point's box, less what others dominate of it.</summary>
    private static double Added(double[] point, IReadOnlyList<double[]> others, double[] limit)
    {
        double box = 1;
        for (int k = 0; k < limit.Length; k++) box *= Math.Max(0, limit[k] - point[k]);
        if (box == 0) return 0;
        var within = new List<double[]>(others.Count);
        foreach (double[] other in others)
        {
            double[] worse = new double[limit.Length];
            for (int k = 0; k < worse.Length; k++) worse[k] = Math.Max(point[k], other[k]);
            if (worse.AsSpan().SequenceEqual(point)) return 0;
            within.Add(worse);
        }
        // of an infinite box nobody else, who is not as good, leaves a finite part
        return double.IsPositiveInfinity(box) ? box : Math.Max(0, box - Hypervolume.Of(within, limit));
    }
}
