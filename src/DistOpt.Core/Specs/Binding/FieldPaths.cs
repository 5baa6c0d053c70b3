using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>What a path into a spec leads to, for one of the plug-ins that may stand on its way.</summary>
/// <param name="Field">The field; null where the path does not lead to one.</param>
/// <param name="Error">Why there is none.</param>
internal sealed record FieldTarget(TargetField? Field, string? Error = null)
{
    /// <summary>The nearest plug-in around the field, by the path of its section, and its name.</summary>
    public (string Section, ICatalog Catalog, string Kind)? Plugin { get; init; }
}

/// <summary>A field at the end of a path.</summary>
/// <param name="Type">What it may hold.</param>
/// <param name="Rules">Its bounds.</param>
/// <param name="Section">Where it decides which plug-in stands in a section: that section's path.</param>
/// <param name="Chosen">And that section's type.</param>
internal sealed record TargetField(FieldType Type, FieldRules Rules, string? Section = null, FieldType? Chosen = null)
{
    /// <summary>Whether it is a plug-in's name alone, and not the whole section.</summary>
    public bool IsName => Chosen is not null && Type != Chosen;
}

/// <summary>
/// Follows paths into a training spec before there is one: where plug-ins are chosen later (by a search), through all that may be chosen.
/// </summary>
/// <param name="catalogs">The plug-ins.</param>
/// <param name="fields">The spec's tree, which names the plug-ins that are not chosen later.</param>
internal sealed class FieldPaths(SpecCatalogs catalogs, MappingNode fields)
{
    private readonly FieldFinder _finder = new(catalogs, RecordShape.Of(typeof(TrainingSpec)));

    /// <summary>Whether every part of a path is a name.</summary>
    public static bool IsPath(string path) => path.Split('.').All(p => p.Length > 0 && !p.Any(c => char.IsWhiteSpace(c) || c is '[' or ']'));

    /// <summary>One target for each plug-in that may stand on the way, in the order of <paramref name="kinds"/>.</summary>
    /// <param name="path">Names with points between them.</param>
    /// <param name="kinds">The plug-ins that may stand in a section, by its path; null for the one that the tree or the default names.</param>
    public IReadOnlyList<FieldTarget> Find(string path, Func<string, IReadOnlyList<string>?> kinds)
    {
        var shape = RecordShape.Of(typeof(TrainingSpec));
        var found = new List<FieldTarget>();
        Walk([(shape, shape.Create())], fields, path.Split('.'), "", null, new FieldTarget(null), kinds, found);
        return found;
    }

    private void Walk((RecordShape Shape, object Defaults)[] records, SpecNode? node, ReadOnlySpan<string> rest, string section, PluginContext? plugin,
        FieldTarget around, Func<string, IReadOnlyList<string>?> kinds, List<FieldTarget> found)
    {
        FieldShape? field = null;
        object? value = null;
        foreach (var (shape, defaults) in records)
        {
            if (shape.Find(rest[0]) is not { } own) continue;
            (field, value) = (own, own.Property.GetValue(defaults));
            break;
        }
        if (field is null)
        {
            found.Add(around with { Error = _finder.Unknown(rest[0], [.. records.Select(r => r.Shape)], plugin) });
            return;
        }
        string path = NodeBinder.Join(section, rest[0]);
        var inner = (node as MappingNode)?.Get(rest[0]);
        if (rest.Length == 1)
        {
            bool isPlugin = field.Type.Kind == FieldKind.Plugin;
            found.Add(around with { Field = new TargetField(field.Type, field.Rules, isPlugin ? path : null, isPlugin ? field.Type : null) });
            return;
        }
        rest = rest[1..];
        switch (field.Type.Kind)
        {
            case FieldKind.Record:
                var record = RecordShape.Of(field.Type.Clr);
                Walk([(record, value ?? record.Create())], inner, rest, path, null, around, kinds, found);
                break;
            case FieldKind.Plugin:
                WalkPlugin(field, inner, value as PluginSpec, rest, path, around, kinds, found);
                break;
            case FieldKind.Map when rest.Length == 1:
                found.Add(around with { Field = new TargetField(field.Type.Element!, field.Rules.OfElement) });
                break;
            default:
                found.Add(around with { Error = $"leads on from '{path}', which is {field.Type.Expectation}: end the path there" });
                break;
        }
    }

    private void WalkPlugin(FieldShape field, SpecNode? node, PluginSpec? usual, ReadOnlySpan<string> rest, string path, FieldTarget around,
        Func<string, IReadOnlyList<string>?> kinds, List<FieldTarget> found)
    {
        var (catalog, key) = (catalogs.Get(field.Type.Plugin!.Catalog), field.Type.Plugin.Key);
        if (rest.Length == 1 && rest[0] == key)
        {
            var text = new FieldType(FieldKind.Text, typeof(string), false);
            found.Add(around with { Field = new TargetField(text, new FieldRules(text, []), path, field.Type) });
            return;
        }
        foreach (string kind in kinds(path) ?? ((KindOf(node, key) ?? usual?.Kind) is { } one ? [one] : []))
        {
            // an unknown one is named where it stands
            if (!catalog.TryGet(kind, out var entry)) continue;
            var options = RecordShape.Of(entry.OptionsType);
            var common = field.Type.Clr == typeof(PluginSpec) ? null : RecordShape.Of(field.Type.Clr);
            Walk(common is null ? [(options, options.Create())] : [(common, usual ?? common.Create()), (options, options.Create())], node, rest, path,
                new PluginContext(catalog, kind, key, true), around with { Plugin = (path, catalog, kind) }, kinds, found);
        }
    }

    /// <summary>The plug-in that a section names; null where it does not.</summary>
    public static string? KindOf(SpecNode? section, string key) =>
        (section is MappingNode mapping ? mapping.Get(key) : section) is ScalarNode { IsNull: false } name ? name.Text : null;
}
