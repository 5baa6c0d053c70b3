using System.Numerics;

namespace DistOpt.Core.Randomness;

/// <summary>
/// Draws one after the other from the stream of a <see cref="RandomKey"/>. Cheap to make (a few Philox blocks), holds no shared state, and
/// cannot be stored in a field, so a draw never depends on who drew before: make one per (seed, purpose, coordinates).
/// The same bits on every machine: no platform math is involved.
/// </summary>
public ref struct CounterRandom
{
    internal const float SingleUnit = 1f / (1 << 24);
    private const double DoubleUnit = 1.0 / (1L << 53);

    private readonly RandomKey _key;
    private ulong _position;
    private ulong _low;
    private ulong _high;

    /// <inheritdoc cref="RandomKey.Of"/>
    public CounterRandom(long seed, RandomPurpose purpose, params ReadOnlySpan<long> coordinates)
        : this(RandomKey.Of(seed, purpose, coordinates)) { }

    /// <param name="key">Names the stream.</param>
    /// <param name="position">First word to be drawn.</param>
    public CounterRandom(RandomKey key, long position = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        _key = key;
        _position = (ulong)position;
        if ((position & 3) != 0) (_low, _high) = key.Block(_position >> 2);
    }

    /// <summary>Words drawn so far (plus the position at the start).</summary>
    public readonly long Position => (long)_position;

    public uint NextUInt32()
    {
        int word = (int)(_position & 3);
        if (word == 0) (_low, _high) = _key.Block(_position >> 2);
        _position++;
        return (uint)((word < 2 ? _low : _high) >> (32 * (word & 1)));
    }

    /// <summary>Two words, the first one least significant.</summary>
    public ulong NextUInt64()
    {
        ulong low = NextUInt32();
        return low | (ulong)NextUInt32() << 32;
    }

    /// <summary>Uniform in [0, 1): a multiple of 2^-24, from one word.</summary>
    public float NextSingle() => ToSingle(NextUInt32());

    /// <summary>Uniform in [0, 1): a multiple of 2^-53, from two words.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * DoubleUnit;

    /// <summary>
    /// Uniform in [0, <paramref name="bound"/>), without bias. Lemire, "Fast Random Integer Generation in an Interval", TOMACS 2019.
    /// </summary>
    /// <param name="bound">At least 1.</param>
    public int NextInt(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        uint n = (uint)bound;
        ulong product = (ulong)NextUInt32() * n;
        if ((uint)product < n)
        {
            uint threshold = (0u - n) % n;
            while ((uint)product < threshold) product = (ulong)NextUInt32() * n;
        }
        return (int)(product >> 32);
    }

    /// <inheritdoc cref="NextInt"/>
    public long NextInt64(long bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        ulong n = (ulong)bound;
        ulong high = Math.BigMul(NextUInt64(), n, out ulong low);
        if (low < n)
        {
            ulong threshold = (0UL - n) % n;
            while (low < threshold) high = Math.BigMul(NextUInt64(), n, out low);
        }
        return (long)high;
    }

    /// <summary>
    /// A standard normal value, from two words: the quantile at the middle of one of 2^52 equal cells, so below 8.2 in size.
    /// </summary>
    public double NextGaussian() => NormalQuantile.At(((NextUInt64() >> 12) + 0.5) * (2 * DoubleUnit));

    /// <summary>Fisher-Yates from the last element down: every order has the same probability.</summary>
    public void Shuffle<T>(Span<T> values)
    {
        for (int i = values.Length - 1; i > 0; i--)
        {
            int j = NextInt(i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }

    internal static float ToSingle(uint word) => (word >> 8) * SingleUnit;
}
