using System.Numerics;
using System.Runtime.InteropServices;

namespace DistOpt.Core.Parameters;

/// <summary>Finds the first NaN or infinity of a vector, or a value beyond a bound, at about the speed at which memory is read.</summary>
public static class FiniteScan
{
    private const int Magnitude = 0x7FFF_FFFF;

    /// <summary>Position of the first value that is NaN or infinite; -1 where all are finite.</summary>
    public static int FirstNonFinite(ReadOnlySpan<float> values) => FirstBeyond(values, float.MaxValue);

    /// <summary>Position of the first value that is NaN or whose magnitude is above a bound; -1 where there is none.</summary>
    /// <param name="most">At least 0 and finite.</param>
    public static int FirstBeyond(ReadOnlySpan<float> values, float most)
    {
        // without the sign, the bits of floats are ordered like integers: numbers, then infinity, then NaN
        var bits = MemoryMarshal.Cast<float, int>(values);
        int bound = BitConverter.SingleToInt32Bits(most);
        var (mask, limit) = (new Vector<int>(Magnitude), new Vector<int>(bound));
        int width = Vector<int>.Count, at = 0;
        for (; at <= bits.Length - 4 * width; at += 4 * width)
        {
            var highest = Vector.Max(
                Vector.Max(new Vector<int>(bits[at..]) & mask, new Vector<int>(bits[(at + width)..]) & mask),
                Vector.Max(new Vector<int>(bits[(at + 2 * width)..]) & mask, new Vector<int>(bits[(at + 3 * width)..]) & mask));
            if (Vector.GreaterThanAny(highest, limit)) break;
        }
        // the rest, or the vectors that hold one
        for (; at < bits.Length; at++)
            if ((bits[at] & Magnitude) > bound) return at;
        return -1;
    }
}
