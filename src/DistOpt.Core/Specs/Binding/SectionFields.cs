using System.Collections.Immutable;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// A file may give fields of several plug-ins in a section whose plug-in is searched: <c>optimizer: { momentum: 0.9 }</c> beside sgd and adam.
/// </summary>
internal static class SectionFields
{
    /// <summary>The tree without fields that only candidates have which are not chosen.</summary>
    public static MappingNode KeepChosen(MappingNode fields, ImmutableArray<SpaceSection> sections, double[] values, SpecCatalogs catalogs)
    {
        foreach (var section in sections)
        {
            double value = values[section.Parameter];
            // a whole section takes the place of this one
            if (!section.IsName && !double.IsNaN(value)) continue;
            fields = Change(fields, section.Path.Split('.'), node => KeepChosen(node, section, double.IsNaN(value) ? null : section.Kinds[(int)value], catalogs));
        }
        return fields;
    }

    private static MappingNode KeepChosen(MappingNode node, SpaceSection section, string? chosen, SpecCatalogs catalogs)
    {
        var (catalog, key) = (catalogs.Get(section.Type.Plugin!.Catalog), section.Type.Plugin.Key);
        string? usual = FieldPaths.KindOf(node, key);
        if ((chosen ?? usual) is not { } kind || Options(kind) is not { } own) return node;
        RecordShape[] others = [.. section.Kinds.Append(usual).OfType<string>().Distinct().Select(Options).OfType<RecordShape>()];
        var common = section.Type.Clr == typeof(PluginSpec) ? null : RecordShape.Of(section.Type.Clr);
        return new MappingNode([.. node.Entries.Where(e => e.Key == key || own.Find(e.Key) is not null || common?.Find(e.Key) is not null
            || !others.Any(o => o.Find(e.Key) is not null))], node.Line);

        RecordShape? Options(string name) => catalog.TryGet(name, out var entry) ? RecordShape.Of(entry.OptionsType) : null;
    }

    private static MappingNode Change(MappingNode node, ReadOnlySpan<string> path, Func<MappingNode, MappingNode> change)
    {
        for (int i = 0; i < node.Entries.Length; i++)
        {
            if (node.Entries[i].Key != path[0] || node.Entries[i].Value is not MappingNode inner) continue;
            var entry = node.Entries[i] with { Value = path.Length == 1 ? change(inner) : Change(inner, path[1..], change) };
            return new MappingNode(node.Entries.SetItem(i, entry), node.Line);
        }
        return node;
    }
}
