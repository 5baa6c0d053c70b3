namespace DistOpt.Core.MultiObjective;

/// <summary>
/// Boxes that have no inner point in common and together are all that is better than a reference point in every objective and that no point of a set is as
/// good as; less is better, and boxes may begin at minus infinity. What a further point adds to the hypervolume is the sum of its parts in them. Two objectives
/// by the strips between neighbours; more by a sweep along the last one, in which a box of the others lasts from the value at which it comes into being to the
/// one at which a point changes it: of n points of a front n + 1 boxes with two objectives, at most 2 n + 1 with three, in the order of n^2 with four. (The
/// partition of Daulton, Balandat, Bakshy, "Differentiable Expected Hypervolume Improvement for Parallel Multi-Objective Bayesian Optimization", NeurIPS 2020,
/// arXiv:2006.05078, is another one of the same set.)
/// </summary>
public sealed class BoxDecomposition
{
    private readonly double[][] _lower;
    private readonly double[][] _upper;

    private BoxDecomposition(List<Box> boxes, int objectives)
    {
        Count = boxes.Count;
        _lower = [.. Enumerable.Range(0, objectives).Select(k => boxes.Select(b => b.Lower[k]).ToArray())];
        _upper = [.. Enumerable.Range(0, objectives).Select(k => boxes.Select(b => b.Upper[k]).ToArray())];
    }

    private sealed record Box(double[] Lower, double[] Upper);

    /// <summary>Boxes.</summary>
    public int Count { get; }

    public int Objectives => _lower.Length;

    /// <summary>Where each box begins in an objective; minus infinity where nothing ends it.</summary>
    public ReadOnlySpan<double> Lower(int objective) => _lower[objective];

    /// <summary>Where each box ends in an objective, at most at the reference.</summary>
    public ReadOnlySpan<double> Upper(int objective) => _upper[objective];

    /// <summary>Decomposes what no point is as good as.</summary>
    /// <param name="points">In any order, equal and dominated ones too; those that are not better than the reference in every objective change nothing.</param>
    /// <param name="reference">At least two finite elements.</param>
    /// <exception cref="ArgumentException">A point has another number of objectives than the reference, or an element is NaN or minus infinity.</exception>
    public static BoxDecomposition Of(IEnumerable<double[]> points, ReadOnlySpan<double> reference)
    {
        ArgumentNullException.ThrowIfNull(points);
        double[] limit = [.. reference];
        if (limit.Length < 2 || !Array.TrueForAll(limit, double.IsFinite))
            throw new ArgumentException("the reference point must have at least two elements, all finite", nameof(reference));
        var inside = new List<double[]>();
        foreach (double[] point in points)
        {
            if (point.Length != limit.Length)
                throw new ArgumentException($"a point has {point.Length} objectives, the reference {limit.Length}", nameof(points));
            if (Array.Exists(point, x => double.IsNaN(x) || double.IsNegativeInfinity(x)))
                throw new ArgumentException("a point has an objective that is NaN or minus infinity", nameof(points));
            bool isInside = true;
            for (int k = 0; k < limit.Length && isInside; k++) isInside = point[k] < limit[k];
            if (isInside) Keep(inside, point, limit.Length);
        }
        return new BoxDecomposition(Split(inside, limit, limit.Length), limit.Length);
    }

    /// <summary>What a point adds to the volume that the set dominates: 0 where one of the set is as good.</summary>
    public double Improvement(ReadOnlySpan<double> point)
    {
        if (point.Length != Objectives) throw new ArgumentException($"a point has {point.Length} objectives, the boxes {Objectives}", nameof(point));
        double sum = 0;
        for (int b = 0; b < Count; b++)
        {
            double volume = 1;
            for (int k = 0; k < point.Length && volume > 0; k++) volume *= Math.Max(0, _upper[k][b] - Math.Max(_lower[k][b], point[k]));
            sum += volume;
        }
        return sum;
    }

    /// <summary>Adds a point, unless another one is as good, and removes those that it is as good as; by the first objectives.</summary>
    /// <returns>Whether it was added.</returns>
    private static bool Keep(List<double[]> kept, double[] point, int objectives)
    {
        foreach (double[] other in kept)
            if (IsAsGood(other, point, objectives)) return false;
        kept.RemoveAll(other => IsAsGood(point, other, objectives));
        kept.Add(point);
        return true;
    }

    private static bool IsAsGood(double[] a, double[] b, int objectives)
    {
        for (int k = 0; k < objectives; k++)
            if (a[k] > b[k]) return false;
        return true;
    }

    /// <summary>Of points of which, by the first objectives, none is as good as another one.</summary>
    private static List<Box> Split(List<double[]> points, double[] limit, int objectives)
    {
        if (objectives == 2) return Strips(points, limit);
        int last = objectives - 1;
        List<double[]> sorted = [.. points.OrderBy(p => p[last])], seen = [];
        // what no point up to here is as good as by the objectives before the last, and since where
        List<(Box Box, double Since)> open = [(new Box([.. Enumerable.Repeat(double.NegativeInfinity, last)], limit[..last]), double.NegativeInfinity)];
        var found = new List<Box>();
        for (int i = 0; i < sorted.Count; i++)
        {
            double here = sorted[i][last];
            bool changes = Keep(seen, sorted[i], last);
            for (; i + 1 < sorted.Count && sorted[i + 1][last] == here; i++) changes |= Keep(seen, sorted[i + 1], last);
            if (!changes) continue;
            var next = Split(seen, limit, last);
            // no two of them begin at the same corner
            var corners = new Dictionary<double[], int>(next.Count, Corners.Instance);
            for (int b = 0; b < next.Count; b++) corners.Add(next[b].Lower, b);
            double[] since = new double[next.Count];
            Array.Fill(since, here);
            foreach (var (box, from) in open)
            {
                if (corners.TryGetValue(box.Lower, out int at) && Corners.Instance.Equals(next[at].Upper, box.Upper)) since[at] = from;
                else found.Add(Lasting(box, from, here));
            }
            open = [.. next.Zip(since)];
        }
        foreach (var (box, from) in open) found.Add(Lasting(box, from, limit[last]));
        return found;

        static Box Lasting(Box box, double from, double to) => new([.. box.Lower, from], [.. box.Upper, to]);
    }

    /// <summary>Beside each point, up to the next one on the right, what is below it.</summary>
    private static List<Box> Strips(List<double[]> points, double[] limit)
    {
        double[][] sorted = [.. points];
        Array.Sort(sorted, (a, b) => a[0].CompareTo(b[0]));
        var strips = new List<Box>(sorted.Length + 1);
        var (from, height) = (double.NegativeInfinity, limit[1]);
        foreach (double[] point in sorted)
        {
            strips.Add(new Box([from, double.NegativeInfinity], [point[0], height]));
            (from, height) = (point[0], point[1]);
        }
        strips.Add(new Box([from, double.NegativeInfinity], [limit[0], height]));
        return strips;
    }

    /// <summary>Corners that are the same in each objective.</summary>
    private sealed class Corners : IEqualityComparer<double[]>
    {
        public static readonly Corners Instance = new();

        public bool Equals(double[]? x, double[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(double[] corner)
        {
            ulong hash = 0;
            // 0 and -0 are the same
            foreach (double x in corner) hash = (hash ^ BitConverter.DoubleToUInt64Bits(x + 0.0)) * 0x9E3779B97F4A7C15;
            return (int)(hash >> 32);
        }
    }
}
