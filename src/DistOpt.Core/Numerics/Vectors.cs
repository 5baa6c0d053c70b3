using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Numerics;

/// <summary>
/// Sums whose order is that of the elements alone: element i goes to part i mod 4, and the four parts are added in the end, wherever the memory lies and
/// however wide the machine's registers are. No fused operations.
/// </summary>
internal static class Vectors
{
    /// <summary>Sum of the products.</summary>
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
