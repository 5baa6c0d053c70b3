using DistOpt.Core.Batching;

namespace DistOpt.Core.Training;

/// <summary>
/// Collects the slices of one evaluation. Slices are fixed by <c>evaluate.batch_size</c> and added in slice order in float64, so the
/// result does not depend on who evaluated which slice or when it arrived.
/// </summary>
public sealed class EvaluationLedger
{
    private readonly MetricSums?[] _slices;
    private int _missing;

    /// <param name="count">Samples in the split.</param>
    /// <param name="batchSize">Samples in a slice, at least 1.</param>
    public EvaluationLedger(long step, DataSplit split, long count, int batchSize)
    {
        (Step, Split) = (step, split);
        _slices = new MetricSums?[SliceCount(count, batchSize)];
        _missing = _slices.Length;
    }

    public long Step { get; }

    public DataSplit Split { get; }

    public bool Complete => _missing == 0;

    /// <summary>Slices that have not been reported.</summary>
    public IEnumerable<int> Missing => Enumerable.Range(0, _slices.Length).Where(i => _slices[i] is null);

    public static int SliceCount(long count, int batchSize) => checked((int)((count + batchSize - 1) / batchSize));

    /// <summary>Samples <c>[Begin, End)</c> of slice <paramref name="index"/>.</summary>
    public static PositionRange Slice(long count, int batchSize, int index) =>
        new((long)index * batchSize, Math.Min(((long)index + 1) * batchSize, count));

    /// <summary>Slices that worker <paramref name="worker"/> of <paramref name="workers"/> evaluates.</summary>
    public static IEnumerable<int> SlicesOf(int slices, int worker, int workers)
    {
        for (int i = worker; i < slices; i += workers) yield return i;
    }

    /// <summary>Takes a slice; a repeat, or one out of range, is dropped. True if it was new.</summary>
    public bool Add(int slice, MetricSums metrics)
    {
        if ((uint)slice >= (uint)_slices.Length || _slices[slice] is not null) return false;
        _slices[slice] = metrics;
        _missing--;
        return true;
    }

    /// <summary>Sums over all slices.</summary>
    /// <exception cref="InvalidOperationException">Slices are missing.</exception>
    public MetricSums Total()
    {
        if (!Complete) throw new InvalidOperationException($"{_missing} of {_slices.Length} slices are missing");
        var total = new MetricSums();
        foreach (var slice in _slices) total.Add(slice!);
        return total;
    }
}
