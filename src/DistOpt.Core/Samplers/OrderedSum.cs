using System.Runtime.Intrinsics;

namespace DistOpt.Core.Samplers;

/// <summary>
/// Sums in a fixed order: sixteen running sums, one for each place within sixteen elements, added in the end. A library's sum may go by where the
/// elements lie in memory, and the garbage collector moves them; here the bits depend on the elements alone.
/// </summary>
internal static class OrderedSum
{
    /// <summary>The sum of <paramref name="values"/>; 0 of none.</summary>
    public static double Of(ReadOnlySpan<double> values)
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
}
