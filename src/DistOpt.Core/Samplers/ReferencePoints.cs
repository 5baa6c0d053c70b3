using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Whom NSGA-III keeps of a front that does not fit as a whole (Deb and Jain, "An Evolutionary Many-Objective Optimization Algorithm Using
/// Reference-Point-Based Nondominated Sorting Approach, Part I", IEEE Trans. Evol. Comput. 18(4), 2014), as Optuna's <c>samplers/_nsgaiii</c>: objectives are
/// divided by the intercepts of the plane through the extreme points, each point belongs to the nearest of the lines from the origin through the reference
/// points, and lines with the fewest points get the next ones.
/// </summary>
internal static class ReferencePoints
{
    /// <summary>Weight of the other objectives where an extreme point of one is looked for.</summary>
    private const double Aside = 1e6;

    /// <summary>How many ranges of the finite values infinite ones lie beyond them.</summary>
    private const double Beyond = 3;

    /// <summary>
    /// Das and Dennis (1998): all points with coordinates of multiples of 1 / divisions that add up to 1; C(objectives + divisions - 1, divisions) of them.
    /// </summary>
    public static double[][] Of(int objectives, int divisions)
    {
        var points = new List<double[]>();
        int[] parts = new int[objectives];
        Fill(0, divisions);
        return [.. points];

        void Fill(int at, int left)
        {
            if (at == objectives - 1)
            {
                parts[at] = left;
                points.Add([.. parts.Select(p => (double)p / divisions)]);
                return;
            }
            for (parts[at] = 0; parts[at] <= left; parts[at]++) Fill(at + 1, left - parts[at]);
        }
    }

    /// <summary>
    /// Points from the least value of each objective on, in units of the intercepts of the plane through the points that are best in one objective alone; where
    /// there is no such plane, of the greatest values. Infinite values count as the farthest finite one and three times the range more, as in Optuna's
    /// <c>nsgaiii/_elite_population_selection_strategy.py</c>.
    /// </summary>
    public static double[][] Normalized(IReadOnlyList<double[]> points)
    {
        int objectives = points[0].Length;
        double[][] moved = [.. points.Select(p => new double[objectives])];
        for (int k = 0; k < objectives; k++)
        {
            double[] finite = [.. points.Select(p => p[k]).Where(double.IsFinite)];
            var (least, most) = finite.Length == 0 ? (0, 0) : (finite.Min(), finite.Max());
            double beyond = Beyond * (most - least);
            for (int i = 0; i < moved.Length; i++) moved[i][k] = Math.Clamp(points[i][k], least - beyond, most + beyond);
            double first = moved.Min(p => p[k]);
            foreach (double[] point in moved) point[k] -= first;
        }
        double[][] extremes = [.. Enumerable.Range(0, objectives).Select(k => moved.MinBy(p => Scalarized(p, k))!)];
        double[] inverse = Solved(extremes) is { } plane && plane.All(v => double.IsFinite(v) && v > 0) ? plane
            : [.. Enumerable.Range(0, objectives).Select(k => 1 / moved.Max(p => p[k]))];
        foreach (double[] point in moved)
            for (int k = 0; k < objectives; k++) point[k] *= double.IsFinite(inverse[k]) ? inverse[k] : 1;
        return moved;
    }

    /// <summary>The nearest of the lines from the origin through reference points, and how far it is; of equally near ones the first.</summary>
    public static (int Line, double Distance) Nearest(double[][] references, double[] point)
    {
        var (line, least) = (-1, double.PositiveInfinity);
        for (int r = 0; r < references.Length; r++)
        {
            double along = 0, length = 0, distance = 0;
            for (int k = 0; k < point.Length; k++) (along, length) = (along + point[k] * references[r][k], length + references[r][k] * references[r][k]);
            for (int k = 0; k < point.Length; k++) distance += Math.Pow(point[k] - along / length * references[r][k], 2);
            if (distance < least || line < 0) (line, least) = (r, distance);
        }
        return (line, Math.Sqrt(least));
    }

    /// <summary>Places in a front of those that are kept of it.</summary>
    /// <param name="references">The reference points.</param>
    /// <param name="kept">Losses of those that are kept already.</param>
    /// <param name="front">Losses of those among whom to choose.</param>
    /// <param name="count">How many of them, at most as many as there are.</param>
    /// <param name="random">Decides among lines, and among points of a line that has one already.</param>
    public static List<int> Choose(double[][] references, IReadOnlyList<double[]> kept, IReadOnlyList<double[]> front, int count, ref CounterRandom random)
    {
        double[][] points = Normalized([.. kept, .. front]);
        int[] on = new int[references.Length];
        var waiting = new SortedDictionary<int, List<(double Distance, int Place)>>();
        for (int i = 0; i < points.Length; i++)
        {
            var (line, distance) = Nearest(references, points[i]);
            if (i < kept.Count) on[line]++;
            else if (waiting.TryGetValue(line, out var others)) others.Add((distance, i - kept.Count));
            else waiting.Add(line, [(distance, i - kept.Count)]);
        }
        var chosen = new List<int>(count);
        while (chosen.Count < count)
        {
            int fewest = waiting.Keys.Min(r => on[r]);
            int[] lines = [.. waiting.Keys.Where(r => on[r] == fewest)];
            int line = lines[random.NextInt(lines.Length)];
            var candidates = waiting[line];
            var next = fewest == 0 ? candidates.Min() : candidates[random.NextInt(candidates.Count)];
            chosen.Add(next.Place);
            candidates.Remove(next);
            if (candidates.Count == 0) waiting.Remove(line);
            on[line]++;
        }
        return chosen;
    }

    /// <summary>The achievement scalarizing function of one objective's axis: small where the others are near their least values.</summary>
    private static double Scalarized(double[] point, int axis)
    {
        double most = double.NegativeInfinity;
        for (int k = 0; k < point.Length; k++) most = Math.Max(most, point[k] * (k == axis ? 1 : Aside));
        return most;
    }

    /// <summary>x with A x = 1, by Gaussian elimination with partial pivoting; null where A is singular.</summary>
    private static double[]? Solved(double[][] rows)
    {
        int n = rows.Length;
        double[][] a = [.. rows.Select(r => (double[])[.. r, 1])];
        double scale = a.Max(r => r.Take(n).Max(Math.Abs));
        for (int c = 0; c < n; c++)
        {
            int pivot = Enumerable.Range(c, n - c).MaxBy(r => Math.Abs(a[r][c]));
            if (!(Math.Abs(a[pivot][c]) > 1e-12 * scale)) return null;
            (a[c], a[pivot]) = (a[pivot], a[c]);
            for (int r = 0; r < n; r++)
            {
                if (r == c) continue;
                double factor = a[r][c] / a[c][c];
                for (int k = c; k <= n; k++) a[r][k] -= factor * a[c][k];
            }
        }
        return [.. Enumerable.Range(0, n).Select(i => a[i][n] / a[i][i])];
    }
}
