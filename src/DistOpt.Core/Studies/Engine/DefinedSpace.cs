using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// The space of a study whose trials define their parameters while they run: every parameter that one has defined, with the domain that it had last, and
/// which of them trials have together. As Optuna's <c>search_space/group_decomposed.py</c>: two parameters are in one group as long as every complete or
/// pruned trial has had both or neither. Without conditions that is one group, Optuna's intersection space.
/// </summary>
internal sealed class DefinedSpace
{
    private readonly List<SearchParameter> _parameters = [];
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly List<int> _groups = [];
    private int _groupsMade;

    /// <summary>In the order in which they were first defined.</summary>
    public SearchSpace Space { get; private set; } = new([]);

    /// <summary>The place of a parameter, or -1.</summary>
    public int IndexOf(string name) => _places.GetValueOrDefault(name, -1);

    /// <summary>A parameter is new, or has another domain.</summary>
    public void Set(string name, Domain domain)
    {
        int place = IndexOf(name);
        if (place >= 0) _parameters[place] = new SearchParameter(name, domain);
        else
        {
            _places.Add(name, _parameters.Count);
            _parameters.Add(new SearchParameter(name, domain));
            // of no group, until a trial that had it has ended
            _groups.Add(-1);
        }
        Space = new SearchSpace(_parameters);
    }

    /// <summary>A trial is complete, or pruned.</summary>
    /// <param name="parameters">One for each parameter that there was; NaN where it had none.</param>
    public void Learn(ImmutableArray<double> parameters)
    {
        // what it had of a group becomes another one
        var split = new Dictionary<int, int>();
        for (int i = 0; i < parameters.Length; i++)
        {
            if (double.IsNaN(parameters[i])) continue;
            if (!split.TryGetValue(_groups[i], out int group)) split.Add(_groups[i], group = _groupsMade++);
            _groups[i] = group;
        }
    }

    /// <summary>The parameters of a parameter's group, by their places; none where no trial that had it has ended.</summary>
    public IEnumerable<int> GroupOf(int place) => _groups[place] < 0 ? [] : Enumerable.Range(0, _groups.Count).Where(i => _groups[i] == _groups[place]);

    /// <summary>The domain that has the values of two between which there is no <see cref="Conflict"/>; a step stays where both have it and meet.</summary>
    public static Domain Hull(Domain one, Domain other)
    {
        if ((one, other) is not (NumericDomain a, NumericDomain b)) return other;
        double low = Math.Min(a.Low, b.Low), high = Math.Max(a.Last, b.Last);
        bool meets = a.Step == b.Step && Math.Abs(Math.IEEERemainder((a.Low - b.Low) / (a.Step ?? 1), 1)) < 1e-9;
        return a is IntDomain ? new IntDomain((long)low, (long)high, meets ? (long)a.Step!.Value : 1, a.Log)
            : new FloatDomain(low, high, meets ? a.Step : null, a.Log);
    }

    /// <summary>Why a parameter cannot have another domain; null = it can. As Optuna's <c>check_distribution_compatibility</c>.</summary>
    public static string? Conflict(Domain before, Domain now) => (before, now) switch
    {
        (ChoiceDomain old, ChoiceDomain other) => old.Equals(other) ? null : "with other choices",
        (NumericDomain old, NumericDomain other) when old.GetType() == other.GetType() =>
            old.Log == other.Log ? null : other.Log ? "on a logarithmic scale" : "not on a logarithmic scale",
        _ => "as another kind",
    };
}
