using System.Collections.Immutable;

namespace DistOpt.Core.Training;

/// <summary>
/// How many child processes a node keeps: as many as attempts want, at once; fewer only when fewer were wanted for a while, since between two attempts
/// of a study there is none. Children are of one kind that have as many GPUs: which ones a process sees is settled when it starts, so a child of one kind
/// is of no use to attempts that want another. Those that nobody wants go at once where others could not start beside them.
/// </summary>
/// <param name="linger">For how long children are kept that nobody wants.</param>
public sealed class WarmProcesses(TimeSpan linger)
{
    private readonly SortedDictionary<int, Kind> _kinds = [];

    private sealed class Kind
    {
        public int Kept { get; set; }

        public DateTimeOffset? FewerSince { get; set; }
    }

    /// <param name="wanted">GPUs of each child that attempts want now.</param>
    /// <param name="existing">GPUs of each one that the node has, without those that were told to end.</param>
    /// <param name="processesMax">Children that it may have.</param>
    /// <param name="gpus">GPUs that they may have together.</param>
    /// <param name="now">Never before that of the call before.</param>
    /// <returns>GPUs of each child that the node should have, fewest first: at least <paramref name="wanted"/>.</returns>
    public ImmutableArray<int> Keep(IReadOnlyCollection<int> wanted, IReadOnlyCollection<int> existing, int processesMax, long gpus, DateTimeOffset now)
    {
        foreach (int kind in wanted.Concat(existing)) _kinds.TryAdd(kind, new Kind());
        foreach (var (gpusEach, kind) in _kinds) Keep(kind, wanted.Count(g => g == gpusEach), existing.Count(g => g == gpusEach), now);
        // those with most GPUs first: they stand in the way of most
        foreach (var (gpusEach, kind) in _kinds.Reverse())
        {
            int least = wanted.Count(g => g == gpusEach);
            while (kind.Kept > least && (_kinds.Values.Sum(k => k.Kept) > processesMax || (gpusEach > 0 && _kinds.Sum(k => (long)k.Key * k.Value.Kept) > gpus)))
                kind.Kept--;
        }
        return [.. _kinds.SelectMany(k => Enumerable.Repeat(k.Key, k.Value.Kept))];
    }

    private void Keep(Kind kind, int wanted, int existing, DateTimeOffset now)
    {
        // those of whom nobody knew (a former coordinator wanted them) stay as long as others
        kind.Kept = Math.Max(kind.Kept, Math.Max(wanted, existing));
        if (wanted >= kind.Kept) kind.FewerSince = null;
        else kind.FewerSince ??= now;
        if (kind.FewerSince is not { } since || now - since < linger) return;
        kind.FewerSince = null;
        kind.Kept = wanted;
    }
}
