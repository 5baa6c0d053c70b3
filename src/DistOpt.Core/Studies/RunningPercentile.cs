namespace DistOpt.Core.Studies;

/// <summary>
/// A percentile of values that come one after the other, as numpy's <c>nanpercentile</c> (linear interpolation; NaN is left out). A value costs
/// O(log n), the percentile O(1).
/// </summary>
public sealed class RunningPercentile
{
    private readonly double _quantile;
    private readonly SplitHeap _values;

    /// <param name="percentile">From 0 to 100.</param>
    public RunningPercentile(double percentile)
    {
        if (!(percentile >= 0 && percentile <= 100))
            throw new ArgumentOutOfRangeException(nameof(percentile), percentile, "a percentile lies between 0 and 100");
        _quantile = percentile / 100;
        _values = new SplitHeap(n => (int)Math.Floor((n - 1) * _quantile) + 1);
    }

    /// <summary>Values so far, NaN included.</summary>
    public int Count { get; private set; }

    /// <summary>The percentile; NaN while there is none but NaN.</summary>
    public double Value
    {
        get
        {
            if (_values.Count == 0) return double.NaN;
            double below = _values.GreatestBelow;
            double share = (_values.Count - 1) * _quantile;
            share -= Math.Floor(share);
            if (share == 0 || _values.LeastAbove == below) return below;
            double above = _values.LeastAbove, gap = above - below;
            // as numpy's _lerp: from the nearer end
            return share >= 0.5 ? above - gap * (1 - share) : below + gap * share;
        }
    }

    public void Add(double value)
    {
        Count++;
        if (!double.IsNaN(value)) _values.Add(value);
    }
}

/// <summary>
/// Values in two heaps, the least of them in one: how many those are is a function of the count that grows by at most 1 with it. O(log n) a value.
/// </summary>
/// <param name="below">How many of n values are below, from 0 to n.</param>
internal sealed class SplitHeap(Func<int, int> below)
{
    private readonly PriorityQueue<double, double> _below = new(Comparer<double>.Create((a, b) => b.CompareTo(a)));
    private readonly PriorityQueue<double, double> _above = new();

    public int Count => _below.Count + _above.Count;

    /// <summary>The greatest of those below; +infinity where there is none.</summary>
    public double GreatestBelow => _below.TryPeek(out double value, out _) ? value : double.PositiveInfinity;

    /// <summary>The least of those above; +infinity where there is none.</summary>
    public double LeastAbove => _above.TryPeek(out double value, out _) ? value : double.PositiveInfinity;

    public void Add(double value)
    {
        if (_below.Count > 0 && value < _below.Peek()) _below.Enqueue(value, value);
        else _above.Enqueue(value, value);
        int size = below(Count);
        while (_below.Count < size)
        {
            double moved = _above.Dequeue();
            _below.Enqueue(moved, moved);
        }
        while (_below.Count > size)
        {
            double moved = _below.Dequeue();
            _above.Enqueue(moved, moved);
        }
    }
}
