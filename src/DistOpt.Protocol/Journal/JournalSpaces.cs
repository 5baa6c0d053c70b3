using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Protocol.Journal;

/// <summary>Spaces of studies as their journals have them.</summary>
internal static class JournalSpaces
{
    public static JournalSpaceWidened Of(StudyEvent.SpaceWidened e) =>
        new(e.Key, e.Version, e.FromTrial, Of(e.Space), [.. e.Defaults.Keys], [.. e.Defaults.Values], e.Text);

    /// <exception cref="JournalException">What is stored is no space.</exception>
    public static StudyEvent Of(JournalSpaceWidened r) => new StudyEvent.SpaceWidened(r.IdempotencyKey, r.Version, r.FromTrial,
        Of(r.Space), r.Names.Zip(r.Defaults).ToImmutableSortedDictionary(d => d.First, d => d.Second, StringComparer.Ordinal), r.Text);

    public static JournalParameter[] Of(SearchSpace space) => [.. space.Parameters.Select(Of)];

    public static SearchSpace Of(JournalParameter[] parameters) => new(parameters.Select(Of));

    private static JournalParameter Of(SearchParameter p) => new(p.Name, DomainRecords.Write(p.Domain),
        [.. p.Conditions.Select(c => new JournalCondition(c.Parameter, c.Least, c.Most, c.Among is { } among ? [.. among] : null))]);

    private static SearchParameter Of(JournalParameter r)
    {
        var domain = DomainRecords.Read(r.Domain);
        ImmutableArray<Condition> conditions =
            [.. r.Conditions.Select(c => new Condition(c.Parameter, c.Least, c.Most, c.Among is { } among ? [.. among] : null))];
        return conditions is [var first, .. var others] ? new(r.Name, domain, first) { AndWhen = others } : new(r.Name, domain);
    }
}
