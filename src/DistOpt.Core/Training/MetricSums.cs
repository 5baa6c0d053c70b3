using System.Collections;

namespace DistOpt.Core.Training;

/// <summary>One additive metric: its value is <c>Sum / Weight</c> over whatever was added up.</summary>
public readonly record struct MetricSum(double Sum, double Weight)
{
    /// <summary>NaN where nothing was counted.</summary>
    public double Value => Weight == 0 ? double.NaN : Sum / Weight;

    public static MetricSum operator +(MetricSum a, MetricSum b) => new(a.Sum + b.Sum, a.Weight + b.Weight);
}

/// <summary>
/// Named additive metrics of a leaf, a step or an evaluation slice. "loss" is the training loss (its weight is the gradient's divisor).
/// Names keep the order in which they were first added, so sums taken in the same order have the same bits. What is no sum by itself (f1,
/// auc) is carried as sums and counts under names that begin with <see cref="HiddenMark"/>, which
/// <see cref="Metrics.HiddenMetrics.Finish"/> turns into what is reported.
/// </summary>
public sealed class MetricSums : IEnumerable<KeyValuePair<string, MetricSum>>
{
    public const string Loss = "loss";

    /// <summary>First character of the names of what is not reported as it is.</summary>
    public const char HiddenMark = '#';

    private readonly List<string> _names = [];
    private readonly Dictionary<string, MetricSum> _sums = new(StringComparer.Ordinal);
    private SortedDictionary<string, MetricCounts>? _counts;

    public int Count => _names.Count;

    public MetricSum this[string name] => _sums[name];

    public bool TryGet(string name, out MetricSum sum) => _sums.TryGetValue(name, out sum);

    /// <summary>Adds to the metric, which begins at zero.</summary>
    public void Add(string name, double sum, double weight) => Add(name, new MetricSum(sum, weight));

    public void Add(string name, MetricSum sum)
    {
        if (_sums.TryGetValue(name, out var before))
        {
            _sums[name] = before + sum;
            return;
        }
        _names.Add(name);
        _sums[name] = sum;
    }

    /// <summary>Counts by name, in ordinal order; empty for nearly everything.</summary>
    public IReadOnlyCollection<KeyValuePair<string, MetricCounts>> Counts =>
        _counts ?? (IReadOnlyCollection<KeyValuePair<string, MetricCounts>>)[];

    /// <summary>The counts of that name; null where there are none.</summary>
    public MetricCounts? CountsOf(string name) => _counts?.GetValueOrDefault(name);

    /// <summary>The counts of that name, which begin empty, to be added to.</summary>
    public MetricCounts CountsFor(string name)
    {
        _counts ??= new SortedDictionary<string, MetricCounts>(StringComparer.Ordinal);
        if (!_counts.TryGetValue(name, out var counts)) _counts[name] = counts = new MetricCounts();
        return counts;
    }

    /// <summary>Forgets a metric; nothing happens where there is none of the name.</summary>
    public void Remove(string name)
    {
        if (_sums.Remove(name)) _names.Remove(name);
    }

    /// <summary>Adds every metric of <paramref name="other"/> to this one, in its order.</summary>
    public void Add(MetricSums other)
    {
        foreach (var (name, sum) in other) Add(name, sum);
        foreach (var (name, counts) in other.Counts) CountsFor(name).Add(counts);
    }

    public void Clear()
    {
        _names.Clear();
        _sums.Clear();
        _counts = null;
    }

    public MetricSums Copy()
    {
        var copy = new MetricSums();
        copy.Add(this);
        return copy;
    }

    public IEnumerator<KeyValuePair<string, MetricSum>> GetEnumerator()
    {
        foreach (string name in _names) yield return new(name, _sums[name]);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
