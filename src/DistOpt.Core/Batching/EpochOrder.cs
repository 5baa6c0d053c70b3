using DistOpt.Core.Randomness;

namespace DistOpt.Core.Batching;

/// <summary>
/// The order in which an epoch visits the training samples: a Fisher-Yates shuffle of 0 .. count-1 with the stream (seed, Shuffle,
/// epoch), so every process derives the same one by itself. The two orders used last are kept, since batches of the next epoch are prepared
/// while the current one ends. Thread-safe.
/// </summary>
public sealed class EpochOrder
{
    private readonly Lock _shuffling = new();
    private volatile Entry[] _kept = [];

    /// <param name="seed">Random seed of the job.</param>
    /// <param name="count">Number of training samples, 0 to <see cref="Array.MaxLength"/>.</param>
    public EpochOrder(long seed, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Array.MaxLength);
        Seed = seed;
        Count = (int)count;
    }

    public long Seed { get; }

    /// <summary>Number of training samples.</summary>
    public int Count { get; }

    /// <summary>
    /// Sample index for each of the <see cref="Count"/> positions of epoch <paramref name="epoch"/> (from 0). Never changes once returned.
    /// </summary>
    public ReadOnlyMemory<int> Order(int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        return Find(epoch) ?? Shuffle(epoch);
    }

    /// <summary>Sample indices at <paramref name="positions"/> of the epoch's order, in the form in which data sets take them.</summary>
    /// <param name="epoch">Epoch from 0.</param>
    /// <param name="positions">Within <c>[0, Count)</c>.</param>
    /// <param name="indices">Receives <c>positions.Length</c> indices; may be longer.</param>
    public void CopyTo(int epoch, PositionRange positions, Span<long> indices)
    {
        if (positions.Begin < 0 || positions.End > Count || positions.Begin > positions.End)
        {
            throw new ArgumentOutOfRangeException(nameof(positions),
                $"positions [{positions.Begin},{positions.End}) are not within [0,{Count})");
        }
        var order = Order(epoch).Span[(int)positions.Begin..(int)positions.End];
        for (int i = 0; i < order.Length; i++) indices[i] = order[i];
    }

    private int[]? Find(int epoch)
    {
        foreach (var entry in _kept)
            if (entry.Epoch == epoch) return entry.Order;
        return null;
    }

    private int[] Shuffle(int epoch)
    {
        // readers of kept epochs do not wait here; two who want the same new one get the same array
        lock (_shuffling)
        {
            if (Find(epoch) is { } made) return made;
            var order = new int[Count];
            for (int i = 0; i < order.Length; i++) order[i] = i;
            new CounterRandom(Seed, RandomPurpose.Shuffle, epoch).Shuffle(order.AsSpan());
            var entry = new Entry(epoch, order);
            _kept = _kept.Length == 0 ? [entry] : [entry, _kept[0]];
            return order;
        }
    }

    private sealed record Entry(int Epoch, int[] Order);
}
