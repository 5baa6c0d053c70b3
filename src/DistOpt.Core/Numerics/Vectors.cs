using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Numerics;

/// <summary>
/// Sums whose order is that of the elements alone, each to one of a few running sums by its place, which are added in the end: a library's sum may go by
/// where the elements lie in memory, and the garbage collector moves them. However wide the machine's registers are; no fused operations.
/// </summary>
internal static class Vectors
{
    /// <summary>Sum of the elements, by sixteen running sums; 0 of none.</summary>
    public static double Sum(ReadOnlySpan<double> values)
    {
        Vector256<double> a = default, b = default, c = default, d = default;
        int i = 0;
        for (; i <= values.Length - 16; i += 16)
        {
            a += Vector256.Create(values[i..]);
            b += Vector256.Create(values[(i + 4)..]);
            c += Vector256.Create(values[(i + 8)..]);
            d += Vector256.Create(values[(i + 12)..]);
        }
        var sums = (a + b) + (c + d);
        double total = ((sums[0] + sums[1]) + sums[2]) + sums[3];
        for (; i < values.Length; i++) total += values[i];
        return total;
    }

    /// <summary>Sum of the products, by four running sums.</summary>
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length) throw new ArgumentException($"vectors of {a.Length} and {b.Length} elements have no product", nameof(b));
        ref double x = ref MemoryMarshal.GetReference(a), y = ref MemoryMarshal.GetReference(b);
        var sums = Vector256<double>.Zero;
        int i = 0;
        for (; i <= a.Length - 4; i += 4) sums += Vector256.LoadUnsafe(ref x, (nuint)i) * Vector256.LoadUnsafe(ref y, (nuint)i);
        double rest = 0;
        for (; i < a.Length; i++) rest += a[i] * b[i];
        return sums[0] + sums[1] + (sums[2] + sums[3]) + rest;
    }

    /// <summary>Adds a multiple of one to the other.</summary>
    public static void Add(double factor, ReadOnlySpan<double> a, Span<double> to)
    {
        if (a.Length != to.Length) throw new ArgumentException($"vectors of {a.Length} and {to.Length} elements have no sum", nameof(to));
        ref double x = ref MemoryMarshal.GetReference(a), y = ref MemoryMarshal.GetReference(to);
        var factors = Vector256.Create(factor);
        int i = 0;
        for (; i <= a.Length - 4; i += 4)
            (Vector256.LoadUnsafe(ref y, (nuint)i) + factors * Vector256.LoadUnsafe(ref x, (nuint)i)).StoreUnsafe(ref y, (nuint)i);
        for (; i < a.Length; i++) to[i] += factor * a[i];
    }
}
