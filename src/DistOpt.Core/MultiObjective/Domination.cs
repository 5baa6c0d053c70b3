namespace DistOpt.Core.MultiObjective;

/// <summary>Which one of two points is better where there are several objectives: less is better in each; NaN is the worst.</summary>
public static class Domination
{
    /// <summary>Whether a is nowhere worse than b, and better in at least one objective.</summary>
    public static bool Dominates(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length) throw new ArgumentException($"points of {a.Length} and {b.Length} objectives cannot be compared", nameof(b));
        bool isBetter = false;
        for (int i = 0; i < a.Length; i++)
        {
            double x = double.IsNaN(a[i]) ? double.PositiveInfinity : a[i], y = double.IsNaN(b[i]) ? double.PositiveInfinity : b[i];
            if (x > y) return false;
            isBetter |= x < y;
        }
        return isBetter;
    }

    /// <summary>
    /// The same under constraints (Deb et al. 2002, definition 1): feasible before infeasible, of two infeasible ones the one that misses them by less.
    /// </summary>
    /// <param name="a">Objectives of the one.</param>
    /// <param name="violationA">By how much it misses the constraints, in all; 0 = feasible.</param>
    /// <param name="b">Objectives of the other.</param>
    /// <param name="violationB">Of the other.</param>
    public static bool Dominates(ReadOnlySpan<double> a, double violationA, ReadOnlySpan<double> b, double violationB) =>
        violationA > 0 || violationB > 0 ? violationA < violationB : Dominates(a, b);

    /// <summary>
    /// Fast non-dominated sorting (Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Trans. Evol. Comput. 6(2), 2002): front 0
    /// is dominated by nobody, the next ones only by those before.
    /// </summary>
    /// <param name="points">Objectives of each point.</param>
    /// <param name="violations">By how much each misses the constraints; empty = there are none.</param>
    /// <returns>The fronts, as places in the list, in order.</returns>
    public static List<List<int>> Fronts(IReadOnlyList<double[]> points, ReadOnlySpan<double> violations = default)
    {
        int n = points.Count;
        int[] dominators = new int[n];
        var dominated = new List<int>[n];
        for (int i = 0; i < n; i++) dominated[i] = [];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double own = violations.IsEmpty ? 0 : violations[i], other = violations.IsEmpty ? 0 : violations[j];
                if (Dominates(points[i], own, points[j], other)) Note(i, j);
                else if (Dominates(points[j], other, points[i], own)) Note(j, i);
            }
        }
        var fronts = new List<List<int>>();
        List<int> front = [];
        for (int i = 0; i < n; i++)
            if (dominators[i] == 0) front.Add(i);
        while (front.Count > 0)
        {
            fronts.Add(front);
            List<int> next = [];
            foreach (int i in front)
            {
                foreach (int j in dominated[i])
                    if (--dominators[j] == 0) next.Add(j);
            }
            next.Sort();
            front = next;
        }
        return fronts;

        void Note(int better, int worse)
        {
            dominated[better].Add(worse);
            dominators[worse]++;
        }
    }

    /// <summary>
    /// The first fronts of <see cref="Fronts"/>, without constraints, until they have so many points: with two objectives in time that grows with the number of
    /// points for each front, with more with the front's size as well.
    /// </summary>
    /// <param name="points">Objectives of each point.</param>
    /// <param name="count">How many points are wanted; the last front is there as a whole.</param>
    /// <returns>The fronts, as places in the list, in order.</returns>
    public static List<List<int>> FirstFronts(IReadOnlyList<double[]> points, int count)
    {
        // who dominates a point comes before it
        List<int> left = [.. Enumerable.Range(0, points.Count)];
        left.Sort((a, b) => Compare(points[a], points[b]) is var order && order != 0 ? order : a.CompareTo(b));
        var fronts = new List<List<int>>();
        while (count > 0 && left.Count > 0)
        {
            List<int> front = [], next = [];
            foreach (int i in left)
            {
                // of two objectives the second one falls along a front: its last point is the one that dominates, if one does
                int from = points[i].Length == 2 ? Math.Max(0, front.Count - 1) : 0;
                bool isDominated = false;
                for (int j = from; j < front.Count && !isDominated; j++) isDominated = Dominates(points[front[j]], points[i]);
                (isDominated ? next : front).Add(i);
            }
            front.Sort();
            fronts.Add(front);
            (left, count) = (next, count - front.Count);
        }
        return fronts;

        static int Compare(double[] a, double[] b)
        {
            for (int k = 0; k < a.Length; k++)
            {
                double x = double.IsNaN(a[k]) ? double.PositiveInfinity : a[k], y = double.IsNaN(b[k]) ? double.PositiveInfinity : b[k];
                if (x != y) return x.CompareTo(y);
            }
            return 0;
        }
    }

    /// <summary>
    /// How far apart the neighbours of each point of a front are, as the sum over the objectives of parts of the front's width (Deb et al. 2002, III-B);
    /// infinite for the outermost ones. As in Optuna's <c>samplers/nsgaii/_elite_population_selection_strategy.py</c> an objective in which all are the same
    /// counts nothing, and the width is that of the finite values.
    /// </summary>
    public static double[] CrowdingDistances(IReadOnlyList<double[]> front)
    {
        int n = front.Count;
        double[] distances = new double[n];
        int[] order = [.. Enumerable.Range(0, n)];
        for (int objective = 0; n > 0 && objective < front[0].Length; objective++)
        {
            int k = objective;
            // NaN is the worst
            Array.Sort(order, (a, b) => Value(front[a][k]).CompareTo(Value(front[b][k])) is var by && by != 0 ? by : a.CompareTo(b));
            if (At(0) == At(n - 1)) continue;
            double least = double.PositiveInfinity, most = double.NegativeInfinity;
            for (int i = 0; i < n; i++)
            {
                if (!double.IsFinite(At(i))) continue;
                (least, most) = (Math.Min(least, At(i)), Math.Max(most, At(i)));
            }
            double width = most > least ? most - least : 1;
            for (int i = 0; i < n; i++)
            {
                double before = i == 0 ? double.NegativeInfinity : At(i - 1), after = i == n - 1 ? double.PositiveInfinity : At(i + 1);
                // between infinities there is nothing
                if (before != after) distances[order[i]] += (after - before) / width;
            }

            double At(int place) => Value(front[order[place]][k]);
        }
        return distances;

        static double Value(double value) => double.IsNaN(value) ? double.PositiveInfinity : value;
    }
}
