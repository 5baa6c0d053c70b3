using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace DistOpt.Core.Batching;

/// <summary>What the gradient sums of the reduction tree are kept in.</summary>
public enum GradientPrecision
{
    /// <summary>32 bits.</summary>
    Float32,

    /// <summary>
    /// 16 bits, with float32's exponent and 8 bits of mantissa. Sums are taken in float32 and every node of the tree is rounded, so that a node has
    /// the same bits wherever it is added up, and half the bytes on a network.
    /// </summary>
    Bfloat16,
}

/// <summary>
/// bfloat16 numbers: the upper halves of float32 ones, rounded to nearest, ties to even (Wang and Kanwar, "BFloat16", 2019). What is not a number
/// stays one; beyond the largest one rounding gives infinity. The same bits in vectors of any width.
/// </summary>
public static class Bfloat16
{
    /// <summary>Places of float32 that as many packed numbers take: two in each.</summary>
    public static long PackedLength(long count) => (count + 1) / 2;

    /// <summary>Rounds in place; the values stay float32, with the lower halves empty.</summary>
    public static void Round(Span<float> values)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        int i = 0;
        for (; i <= bits.Length - Vector<uint>.Count; i += Vector<uint>.Count) Rounded(new Vector<uint>(bits[i..])).CopyTo(bits[i..]);
        for (; i < bits.Length; i++) bits[i] = Rounded(bits[i]);
    }

    /// <summary>Left + right in float32, rounded, into left.</summary>
    /// <exception cref="ArgumentException">Of different lengths.</exception>
    public static void Add(Span<float> left, ReadOnlySpan<float> right)
    {
        TensorPrimitives.Add(left, right, left);
        Round(left);
    }

    /// <summary>Takes the upper halves of rounded numbers, two in each place, little-endian.</summary>
    /// <param name="values">As <see cref="Round"/> leaves them: lower halves are lost.</param>
    /// <param name="packed">At least <see cref="PackedLength"/> places; the last half of an odd number is zero.</param>
    public static void Pack(ReadOnlySpan<float> values, Span<float> packed)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        packed = packed[..(int)PackedLength(values.Length)];
        var halves = MemoryMarshal.Cast<float, ushort>(packed);
        int i = 0;
        for (; i <= bits.Length - (2 * Vector<uint>.Count); i += 2 * Vector<uint>.Count)
        {
            var lower = new Vector<uint>(bits[i..]) >> 16;
            var upper = new Vector<uint>(bits[(i + Vector<uint>.Count)..]) >> 16;
            Vector.Narrow(lower, upper).CopyTo(halves[i..]);
        }
        for (; i < bits.Length; i++) halves[i] = (ushort)(bits[i] >> 16);
        if (halves.Length > bits.Length) halves[^1] = 0;
    }

    /// <summary>The numbers that <see cref="Pack"/> has packed.</summary>
    /// <param name="packed">At least <see cref="PackedLength"/> places.</param>
    public static void Unpack(ReadOnlySpan<float> packed, Span<float> values)
    {
        var halves = MemoryMarshal.Cast<float, ushort>(packed[..(int)PackedLength(values.Length)]);
        var bits = MemoryMarshal.Cast<float, uint>(values);
        int i = 0;
        for (; i <= bits.Length - (2 * Vector<uint>.Count); i += 2 * Vector<uint>.Count)
        {
            Vector.Widen(new Vector<ushort>(halves[i..]), out var lower, out var upper);
            (lower << 16).CopyTo(bits[i..]);
            (upper << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }
        for (; i < bits.Length; i++) bits[i] = (uint)halves[i] << 16;
    }

    private static Vector<uint> Rounded(Vector<uint> bits)
    {
        var rounded = bits + new Vector<uint>(0x7FFF) + ((bits >> 16) & Vector<uint>.One);
        // the payload of a NaN must not carry into the exponent, nor be lost
        var isNumber = Vector.LessThanOrEqual(bits & new Vector<uint>(0x7FFF_FFFF), new Vector<uint>(0x7F80_0000));
        return Vector.ConditionalSelect(isNumber, rounded, bits | new Vector<uint>(0x0040_0000)) & new Vector<uint>(0xFFFF_0000);
    }

    private static uint Rounded(uint bits)
    {
        bool isNumber = (bits & 0x7FFF_FFFF) <= 0x7F80_0000;
        return (isNumber ? bits + 0x7FFF + ((bits >> 16) & 1) : bits | 0x0040_0000) & 0xFFFF_0000;
    }
}
