using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistOpt.Core.Randomness;

/// <summary>
/// Philox4x32-10: a keyed bijection of 128-bit counters whose outputs pass BigCrush. Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers:
/// As Easy as 1, 2, 3", SC'11; constants as in Random123's <c>philox.h</c>. Words are named from the least significant.
/// </summary>
public static class Philox4x32
{
    /// <summary>Rounds of the recommended variant.</summary>
    public const int Rounds = 10;

    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;

    /// <summary>The 128-bit output for one counter, as two 64-bit halves: words 0 and 1 in <c>Low</c>, 2 and 3 in <c>High</c>.</summary>
    public static (ulong Low, ulong High) Block(ulong counterLow, ulong counterHigh, ulong key)
    {
        uint c0 = (uint)counterLow, c1 = (uint)(counterLow >> 32), c2 = (uint)counterHigh, c3 = (uint)(counterHigh >> 32);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0, p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }
        return (c0 | (ulong)c1 << 32, c2 | (ulong)c3 << 32);
    }

    /// <summary>
    /// The outputs for counters <paramref name="counterLow"/> to <paramref name="counterLow"/> + 3, as 16 words in the order of the blocks.
    /// Only where <see cref="Avx2"/> is supported; the same bits as <see cref="Block"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector256<uint> Blocks01, Vector256<uint> Blocks23) FourBlocks(ulong counterLow, ulong counterHigh, ulong key)
    {
        // every word stands in the low half of a 64-bit lane, one block a lane
        var low = Vector256.Create(0xFFFFFFFFUL);
        var multiplier0 = Vector256.Create((ulong)Multiplier0).AsUInt32();
        var multiplier1 = Vector256.Create((ulong)Multiplier1).AsUInt32();
        var counter = Vector256.Create(counterLow) + Vector256.Create(0UL, 1, 2, 3);
        var c0 = counter & low;
        var c1 = counter >>> 32;
        var c2 = Vector256.Create(counterHigh & 0xFFFFFFFF);
        var c3 = Vector256.Create(counterHigh >> 32);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            var p0 = Avx2.Multiply(c0.AsUInt32(), multiplier0);
            var p1 = Avx2.Multiply(c2.AsUInt32(), multiplier1);
            c0 = (p1 >>> 32) ^ c1 ^ Vector256.Create((ulong)k0);
            c1 = p1 & low;
            c2 = (p0 >>> 32) ^ c3 ^ Vector256.Create((ulong)k1);
            c3 = p0 & low;
            k0 += Weyl0;
            k1 += Weyl1;
        }
        var words01 = c0 | (c1 << 32);
        var words23 = c2 | (c3 << 32);
        var blocks02 = Avx2.UnpackLow(words01, words23);
        var blocks13 = Avx2.UnpackHigh(words01, words23);
        return (Avx2.Permute2x128(blocks02, blocks13, 0x20).AsUInt32(), Avx2.Permute2x128(blocks02, blocks13, 0x31).AsUInt32());
    }
}
