using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Whether the fields that a parameter may stand for exist and take its values.</summary>
internal sealed class SpaceFieldChecks(SpecCatalogs catalogs, Violations violations, FieldPaths paths, SpaceConditions conditions)
{
    public void Check(SpaceDraft draft)
    {
        var targets = paths.Find(draft.Path, section => conditions.Kinds(draft, section));
        var fields = targets.Where(t => t.Field is not null).ToList();
        if (fields.Count == 0)
        {
            if (targets.FirstOrDefault(t => t.Error is not null) is { Error: { } error }) violations.Add(draft.Place, error);
            return;
        }
        foreach (var section in targets.Where(t => t.Field is null && t.Plugin is not null).GroupBy(t => t.Plugin!.Value.Section))
            if (!draft.LacksConditions) violations.Add(draft.Place, Missing(section.Key, [.. section], fields));
        var found = fields.Select(target =>
        {
            var own = new Violations();
            Check(draft, target, own);
            return (target.Plugin, Own: own.Listed);
        }).ToList();
        // what is wrong for every plug-in alike is said once
        foreach (var (path, message, line) in found[0].Own.Where(v => found.TrueForAll(f => f.Own.Contains(v)))) violations.Add(path, message, line);
        foreach (var (plugin, own) in found)
        {
            foreach (var (path, message, line) in own.Where(v => !found.TrueForAll(f => f.Own.Contains(v))))
                violations.Add(path, $"with {plugin?.Catalog.Kind} '{plugin?.Kind}': {message}", line);
        }
    }

    /// <summary>A field that only some of the plug-ins have needs a condition.</summary>
    private string Missing(string section, List<FieldTarget> without, List<FieldTarget> with)
    {
        var (_, catalog, _) = without[0].Plugin!.Value;
        string[] lacking = [.. without.Select(t => $"'{t.Plugin!.Value.Kind}'")];
        string[] having = [.. with.Where(t => t.Plugin?.Section == section).Select(t => SpecYamlText.Text(t.Plugin!.Value.Kind)).Distinct()];
        string chooser = conditions.Chooser(section)!;
        return $"is no field of {catalog.Kind} {string.Join(", ", lacking)}, which {chooser} may choose: add "
            + $"when: {{ {chooser}: {(having.Length == 1 ? having[0] : "[" + string.Join(", ", having) + "]")} }}";
    }

    private void Check(SpaceDraft draft, FieldTarget target, Violations found)
    {
        var (type, rules, _, chosen) = target.Field!;
        var binder = new NodeBinder(catalogs, found, new FieldFinder(catalogs, RecordShape.Of(typeof(TrainingSpec))));
        if (draft.Spec.Value is SequenceNode { Items.Length: > 0 } list && type.Kind is not (FieldKind.List or FieldKind.Node))
        {
            found.Add(draft.Place, $"is a list, which would be one value that stays; write {{ choices: {SpecYamlText.Inline(list)} }} to search among several", list.Line);
            return;
        }
        if (draft.Spec.List is { } spec)
        {
            CheckList(draft, spec, type, rules, binder, found);
            return;
        }
        if (draft.Parameters.Count == 0) return;
        var (_, domain, choices, _, _) = draft.Parameters[0];
        var catalog = chosen is null ? null : catalogs.Get(chosen.Plugin!.Catalog);
        if (catalog is not null && domain is not SearchSpaces.ChoiceDomain)
            found.Add(draft.Place, $"is searched as numbers, but must be one {catalog.Kind} of several; write choices: [...]");
        else if (target.Field!.IsName)
            CheckNames(draft, choices, catalog!, found);
        else
            DomainBinder.Check(domain, choices, draft.Spec, type, rules, binder, found, draft.Place);
    }

    private static void CheckList(SpaceDraft draft, SearchSpaces.ListSpec spec, FieldType type, FieldRules rules, NodeBinder binder, Violations found)
    {
        if (type.Kind != FieldKind.List)
        {
            found.Add(draft.Place, $"is searched as a list, but the field must be {type.Expectation}");
            return;
        }
        if (draft.Parameters.Count == 0 || spec.Each is not { } each) return;
        var element = draft.Parameters[^1];
        bool isSearched = draft.Parameters[0].Name == draft.Path + ".length";
        int[] lengths = isSearched && draft.Parameters[0].Domain is SearchSpaces.NumericDomain numbers ? [(int)numbers.Low, (int)numbers.Last]
            : [draft.Parameters.Count];
        foreach (int length in lengths.Distinct())
            if (rules.CheckCount(new int[length]) is { } error) found.Add(draft.Place + ".list.length", $"gives a list that {error}");
        DomainBinder.Check(element.Domain, element.Choices, each, type.Element!, rules.OfElement, binder, found, draft.Place + ".list.each");
    }

    private static void CheckNames(SpaceDraft draft, IReadOnlyList<SpecNode> choices, ICatalog names, Violations found)
    {
        for (int i = 0; i < choices.Count; i++)
        {
            string place = draft.Spec.Choices is null ? draft.Place : $"{draft.Place}.choices[{i}]";
            if (choices[i] is not ScalarNode { IsNull: false, Text: var name })
                found.Add(place, $"is {ScalarBinder.Show(choices[i])}, but must be the name of a {names.Kind}", choices[i].Line);
            else if (!names.TryGet(name, out _))
            {
                string near = FieldNames.Nearest(name, names.Entries.Select(e => e.Name)) is { } nearest ? $". Did you mean '{nearest}'?" : "";
                found.Add(place, Catalog<object>.UnknownName(names, name) + near, choices[i].Line);
            }
        }
    }
}
