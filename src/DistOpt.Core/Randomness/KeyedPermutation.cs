namespace DistOpt.Core.Randomness;

/// <summary>
/// A shuffled order of 0 .. count-1 that needs no memory: a Feistel network over the next power of four, walked on until it is below count
/// (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).
/// </summary>
public readonly struct KeyedPermutation
{
    private const int Rounds = 8;

    private readonly RandomKey _key;
    private readonly int _half;

    /// <param name="key">Names the order; its words are used up.</param>
    /// <param name="count">At least 1.</param>
    public KeyedPermutation(RandomKey key, long count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (_key, Count) = (key, count);
        _half = 1;
        while (_half < 32 && count - 1 >= 1L << (2 * _half)) _half++;
    }

    public long Count { get; }

    /// <summary>What stands at a place, from 0.</summary>
    public long this[long place]
    {
        get
        {
            if (place < 0 || place >= Count) throw new ArgumentOutOfRangeException(nameof(place), $"{place} is not within [0,{Count})");
            ulong value = (ulong)place;
            do value = Mix(value);
            while (value >= (ulong)Count);
            return (long)value;
        }
    }

    private ulong Mix(ulong value)
    {
        ulong mask = (1UL << _half) - 1, left = value >> _half, right = value & mask;
        for (int round = 0; round < Rounds; round++)
        {
            ulong mixed = _key.Block((ulong)round << 32 | right).Low & mask;
            (left, right) = (right, left ^ mixed);
        }
        return left << _half | right;
    }
}
