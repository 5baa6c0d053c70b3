namespace DistOpt.Core.Parameters;

/// <summary>
/// A half-open range <c>[Begin, End)</c> of positions in a flat vector, counted in float32 elements (ps-lite's <c>Range</c>).
/// </summary>
public readonly record struct KeyRange
{
    /// <param name="begin">First position, at least 0.</param>
    /// <param name="end">Position after the last one, at least <paramref name="begin"/>.</param>
    public KeyRange(long begin, long end)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(begin);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, begin);
        Begin = begin;
        End = end;
    }

    public long Begin { get; }

    public long End { get; }

    /// <summary>Number of elements.</summary>
    public long Length => End - Begin;

    public bool IsEmpty => End == Begin;

    public bool Contains(long key) => key >= Begin && key < End;

    public override string ToString() => $"[{Begin},{End})";
}
