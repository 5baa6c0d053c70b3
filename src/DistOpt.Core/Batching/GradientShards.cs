namespace DistOpt.Core.Batching;

/// <summary>Positions <c>[Begin, End)</c> within a global batch, or within an epoch's order.</summary>
public readonly record struct PositionRange(long Begin, long End)
{
    public long Length => End - Begin;
}

/// <summary>
/// Cuts of one thing into fixed near-equal parts: a global batch into gradient shards, gradient shards over workers.
/// Part i of n takes <c>floor(i*count/n) .. floor((i+1)*count/n)</c>, possibly none.
/// </summary>
public static class GradientShards
{
    /// <summary>Part <paramref name="index"/> of <paramref name="parts"/> equal parts of <paramref name="count"/> positions.</summary>
    public static PositionRange Part(long count, int parts, int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, parts);
        return new PositionRange((long)((Int128)count * index / parts), (long)((Int128)count * (index + 1) / parts));
    }
}
