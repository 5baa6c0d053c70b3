namespace DistOpt.Core.Training;

/// <summary>
/// Whole numbers by key, added exactly, so that their order of addition does not matter: cells of a confusion matrix, scores of a ranking.
/// What a key means is its user's business. Not thread-safe.
/// </summary>
public sealed class MetricCounts
{
    private readonly Dictionary<long, long> _counts = [];

    /// <summary>Keys with a count.</summary>
    public int Count => _counts.Count;

    public void Add(long key, long count = 1)
    {
        ref long value = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_counts, key, out _);
        value += count;
    }

    public void Add(MetricCounts other)
    {
        foreach (var (key, count) in other._counts) Add(key, count);
    }

    /// <summary>Keys and counts, ascending by key.</summary>
    public (long Key, long Count)[] Sorted()
    {
        var sorted = new (long Key, long Count)[_counts.Count];
        int i = 0;
        foreach (var (key, count) in _counts) sorted[i++] = (key, count);
        Array.Sort(sorted);
        return sorted;
    }
}
