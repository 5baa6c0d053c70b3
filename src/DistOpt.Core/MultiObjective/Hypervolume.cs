namespace DistOpt.Core.MultiObjective;

/// <summary>
/// The volume that a set of points dominates up to a reference point; less is better in each objective. Two objectives by a sweep, three by slices along the
/// third one, more by the recursion of the Walking Fish Group (While, Bradstreet, Barone, "A Fast Way of Calculating Exact Hypervolumes", IEEE Trans. Evol.
/// Comput. 16(1), 2012).
/// </summary>
public static class Hypervolume
{
    /// <summary>The volume between the points and the reference point.</summary>
    /// <param name="points">In any order; those that are not better than the reference in every objective add nothing.</param>
    /// <param name="reference">At least as bad as what shall count; infinite elements give an infinite volume where any point counts.</param>
    /// <exception cref="ArgumentException">A point has another number of objectives than the reference, or an element is NaN.</exception>
    public static double Of(IEnumerable<double[]> points, ReadOnlySpan<double> reference)
    {
        double[] limit = reference.ToArray();
        if (limit.Length == 0 || Array.Exists(limit, double.IsNaN))
            throw new ArgumentException("the reference point must have at least one element, and no NaN", nameof(reference));
        var inside = new List<double[]>();
        foreach (double[] point in points)
        {
            if (point.Length != limit.Length)
                throw new ArgumentException($"a point has {point.Length} objectives, the reference {limit.Length}", nameof(points));
            if (Array.Exists(point, double.IsNaN)) throw new ArgumentException("a point has an objective that is NaN", nameof(points));
            if (Enumerable.Range(0, limit.Length).All(i => point[i] < limit[i])) inside.Add(point);
        }
        if (inside.Count == 0) return 0;
        if (Array.Exists(limit, double.IsPositiveInfinity) || inside.Exists(p => Array.Exists(p, double.IsNegativeInfinity))) return double.PositiveInfinity;
        return Measure(NonDominated(inside), limit);
    }

    private static double Measure(List<double[]> points, double[] limit) => limit.Length switch
    {
        1 => limit[0] - points.Min(p => p[0]),
        2 => Plane(points, limit),
        3 => Space(points, limit),
        _ => Recurse(points, limit),
    };

    /// <summary>From left to right each point adds a box below those before it.</summary>
    private static double Plane(List<double[]> points, double[] limit)
    {
        points.Sort((a, b) => a[0] != b[0] ? a[0].CompareTo(b[0]) : a[1].CompareTo(b[1]));
        double volume = 0, height = limit[1];
        foreach (double[] point in points)
        {
            if (point[1] >= height) continue;
            volume += (limit[0] - point[0]) * (height - point[1]);
            height = point[1];
        }
        return volume;
    }

    /// <summary>Between two values of the third objective those up to the lower one make a plane: O(N^2), as each is put into the sorted ones.</summary>
    private static double Space(List<double[]> points, double[] limit)
    {
        points.Sort((a, b) => a[2].CompareTo(b[2]));
        double volume = 0;
        // left to right, and so downwards
        var stairs = new List<double[]>();
        for (int i = 0; i < points.Count; i++)
        {
            Insert(stairs, points[i]);
            double depth = (i + 1 < points.Count ? points[i + 1][2] : limit[2]) - points[i][2];
            if (depth == 0) continue;
            double area = 0, height = limit[1];
            foreach (double[] step in stairs)
            {
                area += (limit[0] - step[0]) * (height - step[1]);
                height = step[1];
            }
            volume += area * depth;
        }
        return volume;
    }

    private static void Insert(List<double[]> stairs, double[] point)
    {
        int at = 0;
        while (at < stairs.Count && stairs[at][0] < point[0]) at++;
        if (at > 0 && stairs[at - 1][1] <= point[1]) return;
        if (at < stairs.Count && stairs[at][0] == point[0] && stairs[at][1] <= point[1]) return;
        int end = at;
        while (end < stairs.Count && stairs[end][1] >= point[1]) end++;
        stairs.RemoveRange(at, end - at);
        stairs.Insert(at, point);
    }

    /// <summary>Each point adds its box less what those after it dominate of it.</summary>
    private static double Recurse(List<double[]> points, double[] limit)
    {
        // the worst in the last objective first: what the others dominate of it becomes flat soonest
        points.Sort((a, b) => b[^1].CompareTo(a[^1]));
        double volume = 0;
        for (int i = 0; i < points.Count; i++)
        {
            volume += Box(points[i], limit);
            if (i + 1 == points.Count) break;
            var limited = new List<double[]>();
            for (int j = i + 1; j < points.Count; j++)
            {
                double[] worse = new double[limit.Length];
                for (int k = 0; k < worse.Length; k++) worse[k] = Math.Max(points[i][k], points[j][k]);
                limited.Add(worse);
            }
            volume -= Measured(NonDominated(limited), limit);
        }
        return volume;
    }

    private static double Measured(List<double[]> points, double[] limit) => points.Count switch
    {
        1 => Box(points[0], limit),
        2 => Box(points[0], limit) + Box(points[1], limit) - Box([.. points[0].Zip(points[1], Math.Max)], limit),
        _ => Recurse(points, limit),
    };

    private static double Box(double[] point, double[] limit)
    {
        double volume = 1;
        for (int k = 0; k < limit.Length; k++) volume *= limit[k] - point[k];
        return volume;
    }

    /// <summary>Those that nobody dominates, equal ones once.</summary>
    private static List<double[]> NonDominated(List<double[]> points)
    {
        var kept = new List<double[]>();
        for (int i = 0; i < points.Count; i++)
        {
            bool isKept = true;
            for (int j = 0; j < points.Count && isKept; j++)
                isKept = i == j || !(Domination.Dominates(points[j], points[i]) || (j < i && points[j].AsSpan().SequenceEqual(points[i])));
            if (isKept) kept.Add(points[i]);
        }
        return kept;
    }
}
