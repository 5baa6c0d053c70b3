using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>What the events of a study over a function tell beside its trials' fates: parameters that trials have defined, and what was to be known.</summary>
internal sealed class FunctionTelling
{
    private readonly Dictionary<(int Trial, string Name), Domain> _domains = [];
    private readonly ToldAttributes _attributes;

    public FunctionTelling(StudyDeclaration study, IReadOnlyCollection<TimedEvent> events)
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
            }
        }
        _attributes = new ToldAttributes(events.Select(e => e.Event).OfType<StudyEvent.AttributeSet>());
        Space = study.IsDefinedByRun ? defined.Space : study.Space;
    }

    /// <summary>All parameters, with the domains that they had last.</summary>
    public SearchSpace Space { get; }

    /// <summary>User attributes of the study, by name.</summary>
    public IReadOnlyCollection<KeyValuePair<string, object?>> OfStudy => _attributes.OfStudy;

    /// <summary>User attributes of a trial, by name.</summary>
    public IEnumerable<KeyValuePair<string, object?>> OfTrial(int trial) => _attributes.OfTrial(trial);

    /// <summary>The domain from which a trial had the parameter's value, which is another one than the last where trials define them.</summary>
    public Domain? DomainOf(int trial, ExchangedParameter parameter) => _domains.GetValueOrDefault((trial, parameter.Name), parameter.Domain!);
}
