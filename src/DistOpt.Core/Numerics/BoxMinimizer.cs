namespace DistOpt.Core.Numerics;

/// <summary>A function of several variables and its gradient.</summary>
/// <param name="point">Where.</param>
/// <param name="gradient">Receives the gradient; not read where the value is not finite.</param>
internal delegate double Differentiable(ReadOnlySpan<double> point, Span<double> gradient);

/// <summary>
/// Limited-memory BFGS within a box: steps along the quasi-Newton direction of the variables that are free to move (not held at a bound by the
/// gradient), put back into the box, and shortened until they gain enough (Bertsekas, "Projected Newton Methods", SIAM J. Control Optim. 20, 1982;
/// two-loop recursion by Nocedal 1980).
/// </summary>
internal static class BoxMinimizer
{
    private const int Memory = 10;

    /// <summary>Goes from a point to a local minimum near it.</summary>
    /// <param name="function">What is minimized; not finite = out of reach.</param>
    /// <param name="point">Where it begins; receives where it ends. Put into the box first.</param>
    /// <param name="low">Lower bounds; may be infinite.</param>
    /// <param name="high">Upper bounds; may be infinite.</param>
    /// <param name="tolerance">Ends where no element of the projected gradient is larger.</param>
    /// <param name="iterations">At most so many steps.</param>
    /// <returns>The value there; not finite where it was not so at the beginning.</returns>
    public static double Minimize(Differentiable function, Span<double> point, ReadOnlySpan<double> low, ReadOnlySpan<double> high, double tolerance,
        int iterations)
    {
        int n = point.Length;
        for (int i = 0; i < n; i++) point[i] = Math.Clamp(point[i], low[i], high[i]);
        double[] gradient = new double[n], direction = new double[n], next = new double[n], nextGradient = new double[n];
        var pairs = new List<(double[] Step, double[] Change, double Product)>();
        double value = function(point, gradient);
        if (!double.IsFinite(value)) return value;
        for (int iteration = 0; iteration < iterations; iteration++)
        {
            double largest = 0;
            for (int i = 0; i < n; i++) largest = Math.Max(largest, Math.Abs(point[i] - Math.Clamp(point[i] - gradient[i], low[i], high[i])));
            if (largest <= tolerance) break;
            Direct(gradient, pairs, point, low, high, direction);
            double slope = Dot(direction, gradient);
            if (!(slope < 0))
            {
                pairs.Clear();
                Direct(gradient, pairs, point, low, high, direction);
            }
            double length = pairs.Count > 0 ? 1 : Math.Min(1, 1 / Math.Sqrt(Dot(direction, direction)));
            double found = Search(function, point, low, high, value, gradient, direction, length, next, nextGradient);
            if (double.IsNaN(found))
            {
                if (pairs.Count == 0) break;
                pairs.Clear();
                continue;
            }
            Remember(pairs, point, next, gradient, nextGradient);
            next.CopyTo(point);
            (gradient, nextGradient, value) = (nextGradient, gradient, found);
        }
        return value;
    }

    /// <summary>Steps that become shorter by halves until the value falls by enough; NaN = none did.</summary>
    private static double Search(Differentiable function, ReadOnlySpan<double> point, ReadOnlySpan<double> low, ReadOnlySpan<double> high, double value,
        double[] gradient, double[] direction, double length, double[] next, double[] nextGradient)
    {
        for (int halving = 0; halving < 40; halving++, length /= 2)
        {
            double expected = 0;
            bool moves = false;
            for (int i = 0; i < point.Length; i++)
            {
                next[i] = Math.Clamp(point[i] + length * direction[i], low[i], high[i]);
                expected += gradient[i] * (next[i] - point[i]);
                moves |= next[i] != point[i];
            }
            if (!moves) break;
            double found = function(next, nextGradient);
            if (double.IsFinite(found) && expected < 0 && found <= value + 1e-4 * expected) return found;
        }
        return double.NaN;
    }

    /// <summary>The quasi-Newton direction of the free variables; 0 for those that the gradient holds at a bound.</summary>
    private static void Direct(double[] gradient, List<(double[] Step, double[] Change, double Product)> pairs, ReadOnlySpan<double> point,
        ReadOnlySpan<double> low, ReadOnlySpan<double> high, double[] direction)
    {
        int n = gradient.Length;
        for (int i = 0; i < n; i++) direction[i] = IsHeld(i, point, low, high) ? 0 : -gradient[i];
        double[] factors = new double[pairs.Count];
        for (int k = pairs.Count - 1; k >= 0; k--)
        {
            var (step, change, product) = pairs[k];
            factors[k] = Dot(step, direction) / product;
            for (int i = 0; i < n; i++) direction[i] -= factors[k] * change[i];
        }
        if (pairs.Count > 0)
        {
            double scale = pairs[^1].Product / Dot(pairs[^1].Change, pairs[^1].Change);
            for (int i = 0; i < n; i++) direction[i] *= scale;
        }
        for (int k = 0; k < pairs.Count; k++)
        {
            var (step, change, product) = pairs[k];
            double factor = factors[k] - Dot(change, direction) / product;
            for (int i = 0; i < n; i++) direction[i] += factor * step[i];
        }
        for (int i = 0; i < n; i++)
            if (IsHeld(i, point, low, high)) direction[i] = 0;

        bool IsHeld(int i, ReadOnlySpan<double> at, ReadOnlySpan<double> least, ReadOnlySpan<double> most) =>
            (at[i] <= least[i] && gradient[i] > 0) || (at[i] >= most[i] && gradient[i] < 0);
    }

    private static void Remember(List<(double[] Step, double[] Change, double Product)> pairs, ReadOnlySpan<double> point, double[] next, double[] gradient,
        double[] nextGradient)
    {
        double[] step = new double[next.Length], change = new double[next.Length];
        for (int i = 0; i < step.Length; i++) (step[i], change[i]) = (next[i] - point[i], nextGradient[i] - gradient[i]);
        double product = Dot(step, change);
        // curvature must be positive for the direction to lead down
        if (!(product > 1e-10 * Math.Sqrt(Dot(step, step) * Dot(change, change)))) return;
        if (pairs.Count == Memory) pairs.RemoveAt(0);
        pairs.Add((step, change, product));
    }

    private static double Dot(double[] a, double[] b) => Vectors.Dot(a, b);
}
