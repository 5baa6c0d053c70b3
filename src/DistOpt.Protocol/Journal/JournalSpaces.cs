using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Protocol.Journal;

/// <summary>Spaces of studies as their journals have them.</summary>
internal static class JournalSpaces
{
    public static JournalSpaceWidened Of(StudyEvent.SpaceWidened e) =>
        new(e.Key, e.Version, e.FromTrial, [.. e.Space.Parameters.Select(Of)], [.. e.Defaults.Keys], [.. e.Defaults.Values]);

    /// <exception cref="JournalException">What is stored is no space.</exception>
    public static StudyEvent Of(JournalSpaceWidened r) => new StudyEvent.SpaceWidened(r.IdempotencyKey, r.Version, r.FromTrial,
        new SearchSpace(r.Space.Select(Of)), r.Names.Zip(r.Defaults).ToImmutableSortedDictionary(d => d.First, d => d.Second, StringComparer.Ordinal));

    private static JournalParameter Of(SearchParameter p)
    {
        JournalCondition[] conditions =
            [.. p.Conditions.Select(c => new JournalCondition(c.Parameter, c.Least, c.Most, c.Among is { } among ? [.. among] : null))];
        return p.Domain switch
        {
            ChoiceDomain c => new(p.Name, "choice", 0, 0, null, false, [.. c.Choices.Select(Choice)], c.IsOrdered, conditions),
            NumericDomain n => new(p.Name, n is IntDomain ? "int" : "float", n.Low, n.High, n.Step, n.Log, [], false, conditions),
            _ => throw new JournalException($"{p.Domain.GetType()} has no form in a journal"),
        };
    }

    private static SearchParameter Of(JournalParameter r)
    {
        Domain domain = r.Kind switch
        {
            "choice" => new ChoiceDomain([.. r.Choices.Select(Choice)], r.IsOrdered),
            "int" => new IntDomain((long)r.Low, (long)r.High, (long)r.Step!.Value, r.IsLog),
            "float" => new FloatDomain(r.Low, r.High, r.Step, r.IsLog),
            _ => throw new JournalException($"'{r.Kind}' is no kind of parameter"),
        };
        ImmutableArray<Condition> conditions =
            [.. r.Conditions.Select(c => new Condition(c.Parameter, c.Least, c.Most, c.Among is { } among ? [.. among] : null))];
        return conditions is [var first, .. var others] ? new(r.Name, domain, first) { AndWhen = others } : new(r.Name, domain);
    }

    private static string Choice(object? value) => value switch
    {
        null => "null",
        bool truth => truth ? "b:true" : "b:false",
        int or long => string.Create(CultureInfo.InvariantCulture, $"i:{value}"),
        double number => string.Create(CultureInfo.InvariantCulture, $"f:{number:R}"),
        string text => "s:" + text,
        _ => throw new JournalException($"a choice of type {value.GetType()} has no form in a journal"),
    };

    private static object? Choice(string text) => text switch
    {
        "null" => null,
        ['b', ':', .. var truth] => truth == "true",
        ['i', ':', .. var whole] => long.Parse(whole, CultureInfo.InvariantCulture),
        ['f', ':', .. var number] => double.Parse(number, CultureInfo.InvariantCulture),
        ['s', ':', .. var rest] => rest,
        _ => throw new JournalException($"'{text}' is no choice"),
    };
}
