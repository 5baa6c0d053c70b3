using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>A study over each of its spaces: the one that it began with, and those by which it was replaced. One thread at a time.</summary>
/// <param name="original">Makes the specs of trials that are drawn from the first space.</param>
public sealed class StudyVersions(TrialSpecs original)
{
    private readonly List<TrialSpecs> _specs = [original];
    private readonly List<SpaceWidening> _widenings = [];

    /// <summary>How many spaces there are, at least 1.</summary>
    public int Count => _specs.Count;

    /// <summary>Over the widest space.</summary>
    public StudySpec Newest => _specs[^1].Study;

    /// <summary>The study over one of its spaces.</summary>
    /// <param name="version">From 0.</param>
    public StudySpec this[int version] => _specs[version].Study;

    /// <summary>The specs of trials that were drawn from one of the spaces.</summary>
    public TrialSpecs Specs(int version) => _specs[version];

    /// <summary>The space is widened by a file; see <see cref="WiderSpace"/>.</summary>
    /// <exception cref="SpecException">It is no wider space.</exception>
    public WiderSpace Add(string text)
    {
        var wider = WiderSpace.Of(Newest, text, original.Binder);
        _specs.Add(original.Over(wider.Spec));
        _widenings.Add(wider.Widening);
        return wider;
    }

    /// <summary>The space is widened by an event.</summary>
    public WiderSpace Add(StudyEvent.SpaceWidened widened)
    {
        ArgumentNullException.ThrowIfNull(widened);
        return Add(widened.Text ?? throw new ArgumentException("a study over training specs is widened by the file of its space", nameof(widened)));
    }

    /// <summary>A configuration of one of the spaces in the widest one: what earlier trials are taken to have had is filled in.</summary>
    public ImmutableArray<double> ToNewest(ImmutableArray<double> values, int version) =>
        _widenings.Skip(version).Aggregate(values, (mapped, widening) => widening.Map(mapped.AsSpan()));
}
