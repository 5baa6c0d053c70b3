using System.Runtime.Intrinsics.X86;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Randomness;

public sealed class Philox4x32Tests
{
    /// <summary>The lines "philox4x32 10" of Random123's <c>tests/kat_vectors</c>: counter (4 words), key (2), output (4).</summary>
    [Theory]
    [InlineData("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8")]
    [InlineData("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd")]
    [InlineData("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1")]
    public void Known_answers_of_Random123(string counter, string key, string expected)
    {
        var (low, high) = Philox4x32.Block(Join(counter, 0), Join(counter, 2), Join(key, 0));
        Assert.Equal((Join(expected, 0), Join(expected, 2)), (low, high));
    }

    [Fact]
    public void Four_blocks_at_once_are_the_four_blocks()
    {
        if (!Avx2.IsSupported) Assert.Skip("this CPU has no AVX2");
        // the second one carries from the first counter word into the second
        foreach (ulong counter in new[] { 0UL, 0xFFFF_FFFEUL, 0x1234_5678_9ABC_DEF0UL })
        {
            var (a, b) = Philox4x32.FourBlocks(counter, 0x0370_7344_1319_8A2EUL, 0x299F_31D0_A409_3822UL);
            for (int i = 0; i < 4; i++)
            {
                var (low, high) = Philox4x32.Block(counter + (ulong)i, 0x0370_7344_1319_8A2EUL, 0x299F_31D0_A409_3822UL);
                var half = i < 2 ? a : b;
                for (int word = 0; word < 4; word++)
                    Assert.Equal((uint)((word < 2 ? low : high) >> (32 * (word & 1))), half[4 * (i & 1) + word]);
            }
        }
    }

    private static ulong Join(string words, int from)
    {
        string[] parts = words.Split(' ');
        return Convert.ToUInt32(parts[from], 16) | (ulong)Convert.ToUInt32(parts[from + 1], 16) << 32;
    }
}
