namespace DistOpt.Core.Specs.Binding;

/// <summary>The plug-in whose fields are being read.</summary>
internal sealed record PluginContext(ICatalog Catalog, string Kind, string Key, bool KindIsKnown);

/// <summary>The error text for a field that does not exist: what was probably meant, here or elsewhere in the spec.</summary>
internal sealed class FieldFinder(SpecCatalogs catalogs, RecordShape root)
{
    private const int PathLengthMax = 6;

    public string Unknown(string name, IReadOnlyList<RecordShape> shapes, PluginContext? plugin)
    {
        var shown = name.Length > 60 ? name[..60] + "..." : name;
        var text = $"unknown field '{shown}'" + (plugin is null ? "" : $" of {plugin.Catalog.Kind} '{plugin.Kind}'");
        if (plugin is not null && name is "kind" or "name" or "type")
            return $"{text}: the {plugin.Catalog.Kind}'s name stands under '{plugin.Key}'";
        List<string> known = [.. plugin is null ? [] : new[] { plugin.Key }, .. shapes.SelectMany(s => s.Fields).Select(f => f.Name)];
        if (FieldNames.Nearest(name, known) is { } near)
            return $"{text}: did you mean '{near}'?";
        if (plugin is not null
            && plugin.Catalog.Entries.FirstOrDefault(e => RecordShape.Of(e.OptionsType).Find(name) is not null) is { } owner)
            return $"{text}: it belongs to {plugin.Catalog.Kind} '{owner.Name}'; known are {string.Join(", ", known)}";
        if (Elsewhere(root, name, "", 0) is { } path)
            return $"{text}: did you mean '{path}'?";
        return $"{text}; known are {string.Join(", ", known)}";
    }

    /// <summary>The path of a field of exactly that name in a section or in the options of any plug-in.</summary>
    private string? Elsewhere(RecordShape shape, string name, string prefix, int depth)
    {
        if (depth > PathLengthMax)
            return null;
        if (depth > 0 && shape.Find(name) is not null)
            return prefix + name;
        foreach (var field in shape.Fields)
        {
            var inner = prefix + field.Name + ".";
            var found = field.Type.Kind switch
            {
                FieldKind.Record => Elsewhere(RecordShape.Of(field.Type.Clr), name, inner, depth + 1),
                FieldKind.Plugin => InPlugin(field.Type, name, inner, depth + 1),
                _ => null,
            };
            if (found is not null)
                return found;
        }

        return null;
    }

    private string? InPlugin(FieldType type, string name, string prefix, int depth)
    {
        if (type.Clr != typeof(PluginSpec) && RecordShape.Of(type.Clr).Find(name) is not null)
            return prefix + name;
        foreach (var entry in catalogs.Get(type.Plugin!.Catalog).Entries)
        {
            if (Elsewhere(RecordShape.Of(entry.OptionsType), name, prefix, depth) is { } found)
                return found;
        }

        return null;
    }
}
