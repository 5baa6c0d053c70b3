using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Conditions of parameters as files write them, and which plug-ins they leave.</summary>
/// <param name="sections">Who chooses the plug-in of a section.</param>
internal sealed class SpaceConditions(IReadOnlyDictionary<string, SpaceDraft> sections)
{
    /// <summary>
    /// A condition on a parameter: a value, several, or <c>{ at_least: 2, at_most: 4 }</c>; or what is wrong, as the end of "has a condition that".
    /// </summary>
    public static (Condition? When, string? Error) Of(DraftParameter parent, SpaceDraft draft, SpecNode node)
    {
        if (node is MappingNode range) return Between(parent, range);
        if (parent.Domain.Count is null && !parent.Domain.Problems().Any())
            return (null, $"can hardly ever hold: among {Values(parent)} there is a continuum of values; write {{ at_least: ..., at_most: ... }}, or give it a step");
        var (among, strange) = (new List<double>(), new List<SpecNode>());
        foreach (var wanted in node is SequenceNode several ? several.Items : [node])
        {
            var found = Matching(parent, draft, wanted).ToList();
            among.AddRange(found);
            if (found.Count == 0) strange.Add(wanted);
        }
        if (strange.Count == 0 && among.Count > 0) return (new Condition(parent.Name, Among: [.. among.Distinct()]), null);
        string shown = string.Join(", ", strange.Select(ScalarBinder.Show));
        return (among.Count == 0 ? null : new Condition(parent.Name, Among: [.. among.Distinct()]),
            strange.Count == 0 ? "names no value" : $"can never hold: {shown} is none of its values ({Values(parent)})");
    }

    /// <summary>The plug-ins that a section may have where an entry's parameters have a value; null where nobody chooses it.</summary>
    public IReadOnlyList<string>? Kinds(SpaceDraft draft, string section)
    {
        if (!sections.TryGetValue(section, out var chooser)) return null;
        var left = Enumerable.Range(0, chooser.Kinds.Length).ToHashSet();
        var (open, seen) = (new Stack<SpaceDraft>([draft]), new HashSet<SpaceDraft>());
        while (open.TryPop(out var next))
        {
            if (!seen.Add(next)) continue;
            foreach (var (parent, when) in next.Conditions)
            {
                if (parent == chooser) left.RemoveWhere(i => !when.Holds(i));
                open.Push(parent);
            }
        }
        return [.. left.Order().Select(i => chooser.Kinds[i]).Distinct()];
    }

    /// <summary>The path of the parameter that chooses a section's plug-in.</summary>
    public string? Chooser(string section) => sections.TryGetValue(section, out var chooser) ? chooser.Path : null;

    private static IEnumerable<double> Matching(DraftParameter parent, SpaceDraft draft, SpecNode wanted)
    {
        if (parent.Domain is NumericDomain numbers)
        {
            if (wanted is ScalarNode { Plain: true } scalar && SpecScalars.IsNumber(scalar.Text, out double value) && numbers.Contains(value))
                yield return numbers.Round(value);
            yield break;
        }
        var choices = ((ChoiceDomain)parent.Domain).Choices;
        object? key = ChoiceValue.Of(wanted, parent.Type);
        for (int i = 0; i < choices.Length; i++)
        {
            // a whole section is meant by its plug-in's name
            bool isKind = i < draft.Kinds.Length && wanted is ScalarNode { Text: var text } && draft.Kinds[i] == text;
            if (isKind || Equals(choices[i], key)) yield return i;
        }
    }

    private static (Condition?, string?) Between(DraftParameter parent, MappingNode range)
    {
        double? least = null, most = null;
        foreach (var entry in range.Entries)
        {
            if (entry.Key is not ("at_least" or "at_most")) return (null, $"has the unknown field '{entry.Key}'; there are at_least and at_most");
            if (entry.Value is not ScalarNode { Plain: true } scalar || !SpecScalars.IsNumber(scalar.Text, out double bound))
                return (null, $"has {entry.Key} {ScalarBinder.Show(entry.Value)}, but it must be a number");
            if (entry.Key == "at_least") least = bound;
            else most = bound;
        }
        if (least is null && most is null) return (null, "has no bound; give it at_least, at_most or both");
        var between = new Condition(parent.Name, least ?? double.NegativeInfinity, most ?? double.PositiveInfinity);
        if (parent.Domain is ChoiceDomain { Choices: var choices })
        {
            if (!choices.All(c => c is long or double)) return (null, $"has bounds, but its values are no numbers ({Values(parent)}); name those that are meant");
            between = new Condition(parent.Name, Among: [.. Enumerable.Range(0, choices.Length).Select(i => (double)i)
                .Where(i => between.Holds(Convert.ToDouble(choices[(int)i], CultureInfo.InvariantCulture)))]);
        }
        bool isBroken = parent.Domain.Problems().Any();
        return isBroken || between.IsPossible(parent.Domain) ? (between, null) : (null, $"can never hold: its values are {Values(parent)}");
    }

    private static string Values(DraftParameter parent) => parent.Domain is NumericDomain numbers
        ? $"{FieldRules.Display(numbers.Low)} to {FieldRules.Display(numbers.Last)}" + (numbers.Step is { } step && !(numbers is IntDomain && step == 1) ? $" in steps of {FieldRules.Display(step)}" : "")
        : string.Join(", ", parent.Choices.Take(20).Select(SpecYamlText.Inline)) + (parent.Choices.Length > 20 ? ", ..." : "");
}
