using System.Numerics;
using System.Runtime.InteropServices;

namespace DistOpt.Core.Parameters;

/// <summary>Finds the first NaN or infinity of a vector, at about the speed at which memory is read.</summary>
public static class FiniteScan
{
    private const uint Exponent = 0x7F80_0000;

    /// <summary>Position of the first value that is NaN or infinite; -1 where all are finite.</summary>
    public static int FirstNonFinite(ReadOnlySpan<float> values)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        var mask = new Vector<uint>(Exponent);
        int at = 0;
        for (; at <= bits.Length - Vector<uint>.Count; at += Vector<uint>.Count)
            if (Vector.EqualsAny(new Vector<uint>(bits[at..]) & mask, mask)) break;
        // the rest, or the vector that holds one
        for (; at < bits.Length; at++)
            if ((bits[at] & Exponent) == Exponent) return at;
        return -1;
    }
}
