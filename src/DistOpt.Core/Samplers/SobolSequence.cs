using System.Globalization;
using System.Numerics;
using System.Reflection;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Samplers;

/// <summary>How a Sobol sequence is made random without losing its balance.</summary>
public enum Scrambling
{
    /// <summary>Not at all: the published sequence, which begins at the lower end of every domain.</summary>
    None,

    /// <summary>All points are moved by the same random bits (a digital shift).</summary>
    Shift,

    /// <summary>Every bit is turned over at random by all those before it (Owen, "Randomly Permuted (t,m,s)-Nets and (t,s)-Sequences", 1995).</summary>
    Owen,
}

/// <summary>
/// Sobol's sequence with the direction numbers of Joe and Kuo ("Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci.
/// Comput. 30, 2008; their file new-joe-kuo-6), in the order of the Gray code as they publish it. Every aligned block of 2^m points is balanced in base 2
/// in every dimension; scrambling keeps that. Points are a function of index, dimension and key alone.
/// </summary>
internal static class SobolSequence
{
    /// <summary>Dimensions that there are direction numbers for.</summary>
    public const int MaxDimensions = 1024;

    private const int Bits = 32;
    private const string Resource = "DistOpt.Core.Samplers.Resources.joe-kuo-6.txt";

    private static readonly Lazy<uint[]> s_directions = new(Read);

    /// <summary>A coordinate of a point, in [0, 1).</summary>
    /// <param name="index">Number of the point, from 0.</param>
    /// <param name="dimension">From 0.</param>
    /// <param name="scrambling">How it is scrambled.</param>
    /// <param name="key">Names the scrambling of the dimension.</param>
    public static double At(uint index, int dimension, Scrambling scrambling, RandomKey key)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(dimension);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(dimension, MaxDimensions);
        uint digits = Digits(index, dimension);
        return scrambling switch
        {
            Scrambling.None => digits * (1.0 / (1L << Bits)),
            Scrambling.Shift => ToUnit(digits ^ key.Word(0), key.Word(1)),
            // the digits after the last one that the sequence has are random too
            _ => ToUnit(Scramble(digits, key), key.Word((1L << Bits) + digits)),
        };
    }

    /// <summary>The digits of a coordinate in base 2, the first one highest.</summary>
    internal static uint Digits(uint index, int dimension)
    {
        uint digits = 0;
        var directions = s_directions.Value.AsSpan(dimension * Bits, Bits);
        for (uint gray = index ^ index >> 1; gray != 0; gray &= gray - 1) digits ^= directions[BitOperations.TrailingZeroCount(gray)];
        return digits;
    }

    /// <summary>Digit k is turned over by a random bit of the node of the binary tree that the digits before it lead to.</summary>
    private static uint Scramble(uint digits, RandomKey key)
    {
        uint scrambled = digits;
        for (int k = 0; k < Bits; k++)
        {
            // nodes of a level are counted from 2^k on; 32 of them share a word
            ulong node = (1UL << k) | (k == 0 ? 0 : digits >> (Bits - k));
            uint flip = key.Word((long)(node >> 5)) >> (int)(node & 31) & 1;
            scrambled ^= flip << (Bits - 1 - k);
        }
        return scrambled;
    }

    private static double ToUnit(uint high, uint low) => ((ulong)high << 21 | low >> 11) * (1.0 / (1L << 53));

    private static uint[] Read()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"the assembly has no resource {Resource}");
        using var reader = new StreamReader(stream);
        uint[] directions = new uint[MaxDimensions * Bits];
        for (int k = 0; k < Bits; k++) directions[k] = 1U << (Bits - 1 - k);
        int dimension = 1;
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#')) continue;
            uint[] numbers = [.. line.Split(' ').Select(n => uint.Parse(n, CultureInfo.InvariantCulture))];
            Expand((int)numbers[0], numbers[1], numbers.AsSpan(2), directions.AsSpan(dimension++ * Bits, Bits));
        }
        return directions;
    }

    /// <summary>
    /// v_k = v_(k-s) xor v_(k-s) / 2^s xor those of the polynomial's inner coefficients (Joe and Kuo, "Notes on generating Sobol sequences").
    /// </summary>
    private static void Expand(int degree, uint coefficients, ReadOnlySpan<uint> first, Span<uint> directions)
    {
        for (int k = 0; k < Bits; k++)
        {
            if (k < degree)
            {
                directions[k] = first[k] << (Bits - 1 - k);
                continue;
            }
            directions[k] = directions[k - degree] ^ directions[k - degree] >> degree;
            for (int j = 1; j < degree; j++)
                if ((coefficients >> (degree - 1 - j) & 1) != 0) directions[k] ^= directions[k - j];
        }
    }
}
