using System.Collections;
using DistOpt.Core.Batching;
using DistOpt.Core.Metrics;

namespace DistOpt.Core.Training;

/// <summary>
/// Collects the slices of one evaluation. Slices are fixed by <c>evaluate.batch_size</c> and added in slice order in float64, so the
/// result does not depend on who evaluated which slice or when it arrived.
/// </summary>
public sealed class EvaluationLedger
{
    private readonly MetricSums?[] _slices;
    private readonly Dictionary<int, (BitArray Come, MetricSums Sums)> _partial = [];
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

    /// <summary>
    /// Takes a part of a slice whose counts do not fit into one message; the slice is there with its last part. A repeat, or one out of
    /// range, is dropped. True if the slice is now complete.
    /// </summary>
    /// <param name="parts">Parts of the slice, the same for each of them.</param>
    public bool Add(int slice, MetricSums metrics, int part, int parts)
    {
        if (parts <= 1) return Add(slice, metrics);
        if ((uint)slice >= (uint)_slices.Length || _slices[slice] is not null || (uint)part >= (uint)parts) return false;
        if (!_partial.TryGetValue(slice, out var partial)) _partial[slice] = partial = (new BitArray(parts), new MetricSums());
        if (partial.Come.Length != parts || partial.Come[part]) return false;
        partial.Come[part] = true;
        partial.Sums.Add(metrics);
        if (!partial.Come.HasAllSet()) return false;
        _partial.Remove(slice);
        return Add(slice, partial.Sums);
    }

    /// <summary>What is reported of the whole split: sums over all slices, and what is made of them.</summary>
    /// <exception cref="InvalidOperationException">Slices are missing.</exception>
    public MetricSums Total() => HiddenMetrics.Finish(Added());

    /// <summary>The confusion matrix of the whole split; null where it was not asked for.</summary>
    /// <exception cref="InvalidOperationException">Slices are missing.</exception>
    public ConfusionMatrix? Confusion() => HiddenMetrics.Confusion(Added());

    private MetricSums Added()
    {
        if (!Complete) throw new InvalidOperationException($"{_missing} of {_slices.Length} slices are missing");
        var total = new MetricSums();
        foreach (var slice in _slices) total.Add(slice!);
        return total;
    }
}
