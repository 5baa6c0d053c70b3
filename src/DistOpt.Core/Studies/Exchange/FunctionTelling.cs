using System.Text.Json;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>What the events of a study over a function tell beside its trials' fates: parameters that trials have defined, and what was to be known.</summary>
internal sealed class FunctionTelling
{
    private readonly Dictionary<(int Trial, string Name), Domain> _domains = [];
    private readonly SortedDictionary<string, object?> _study = new(StringComparer.Ordinal);
    private readonly Dictionary<int, SortedDictionary<string, object?>> _trials = [];

    public FunctionTelling(StudyDeclaration study, IEnumerable<TimedEvent> events)
    {
        var defined = new DefinedSpace();
        foreach (var (e, _) in events)
        {
            switch (e)
            {
                case StudyEvent.Defined parameter:
                    defined.Set(parameter.Name, parameter.Domain);
                    break;
                case StudyEvent.Suggested suggested:
                    _domains[(suggested.Trial, suggested.Name)] = defined.Space.Parameters[defined.IndexOf(suggested.Name)].Domain;
                    break;
                case StudyEvent.AttributeSet set:
                    AttributesOf(set.Trial)[set.Name] = Value(set.Json);
                    break;
            }
        }
        Space = study.IsDefinedByRun ? defined.Space : study.Space;
    }

    /// <summary>All parameters, with the domains that they had last.</summary>
    public SearchSpace Space { get; }

    /// <summary>User attributes of the study, by name.</summary>
    public IReadOnlyCollection<KeyValuePair<string, object?>> OfStudy => _study;

    /// <summary>User attributes of a trial, by name.</summary>
    public IEnumerable<KeyValuePair<string, object?>> OfTrial(int trial) => _trials.TryGetValue(trial, out var attributes) ? attributes : [];

    /// <summary>The domain from which a trial had the parameter's value, which is another one than the last where trials define them.</summary>
    public Domain? DomainOf(int trial, ExchangedParameter parameter) => _domains.GetValueOrDefault((trial, parameter.Name), parameter.Domain!);

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
