using System.Text.Json;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>What users want to be known of a study and its trials, as its events tell it: values that JSON has, by name.</summary>
public sealed class ToldAttributes
{
    private readonly SortedDictionary<string, object?> _study = new(StringComparer.Ordinal);
    private readonly Dictionary<int, SortedDictionary<string, object?>> _trials = [];

    /// <param name="attributes">In the order in which they were set: of two of a name the last one holds.</param>
    public ToldAttributes(IEnumerable<StudyEvent.AttributeSet> attributes)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        foreach (var set in attributes) AttributesOf(set.Trial)[set.Name] = Value(set.Json);
    }

    /// <summary>Of the study.</summary>
    public IReadOnlyCollection<KeyValuePair<string, object?>> OfStudy => _study;

    /// <summary>Of a trial.</summary>
    public IReadOnlyCollection<KeyValuePair<string, object?>> OfTrial(int trial) => _trials.TryGetValue(trial, out var attributes) ? attributes : [];

    private SortedDictionary<string, object?> AttributesOf(int? trial)
    {
        if (trial is not { } number) return _study;
        if (!_trials.TryGetValue(number, out var attributes)) _trials.Add(number, attributes = new(StringComparer.Ordinal));
        return attributes;
    }

    private static object? Value(string json)
    {
        using var document = JsonDocument.Parse(json);
        return OptunaJson.Value(document.RootElement.Clone());
    }
}
