using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// <c>path.to.field=value</c> settings, put into the nodes before binding so that their errors are those of the file. Shorter paths come
/// first and a plug-in's kind before its fields, whatever their order on the command line; of equals the last one wins. Setting
/// <c>x.kind</c> keeps the fields of the file that the new plug-in has too and drops those that only the old one has; setting
/// <c>x=name</c> replaces all of x.
/// </summary>
internal sealed class SpecOverrides(SpecCatalogs catalogs, Violations violations)
{
    public MappingNode Apply(MappingNode root, RecordShape shape, IReadOnlyList<string> settings) =>
        Apply(root, shape, settings.Select(Parse).OfType<(string[] Path, SpecNode Value)>());

    /// <summary>The same with settings that have been read.</summary>
    public MappingNode Apply(MappingNode root, RecordShape shape, IEnumerable<(string[] Path, SpecNode Value)> settings)
    {
        foreach (var (path, value) in settings.OrderBy(s => s.Path.Length).ThenBy(s => s.Path[^1] is "kind" or "name" ? 0 : 1))
            root = SetField(root, shape, null, path, value);
        return root;
    }

    /// <summary>A setting as path and value; null, and a violation, where it is none.</summary>
    public (string[] Path, SpecNode Value)? Parse(string setting)
    {
        var split = setting.IndexOf('=', StringComparison.Ordinal);
        var path = split < 0 ? [] : setting[..split].Trim().Split('.');
        if (path.Length == 0 || path.Length > SpecYaml.DepthMax || path.Any(p => p.Length == 0 || p.Any(char.IsWhiteSpace)))
        {
            violations.Add("", $"'{setting}' is no setting; write path.to.field=value, such as training.epochs=10");
            return null;
        }

        var text = setting[(split + 1)..].Trim();
        try
        {
            var value = SpecYaml.Parse(text, setting[..split].Trim(), lines: false);
            // "a: b" is a block mapping to YAML; as a setting it is text, and nothing at all is null
            var isText = value is MappingNode && !text.StartsWith('{');
            return (path, isText ? new ScalarNode(text, plain: text.Length == 0) : value);
        }
        catch (SpecException e)
        {
            // reported with the rest
            foreach (var violation in e.Violations)
                violations.Add(violation.Path, violation.Message);
            return null;
        }
    }

    /// <param name="mapping">The mapping to change.</param>
    /// <param name="shape">Its fields; null where they are unknown (the binder will say so).</param>
    /// <param name="options">Fields of a plug-in's options beside those of <paramref name="shape"/>.</param>
    /// <param name="path">Fields from here.</param>
    /// <param name="value">The value at the end of the path.</param>
    private MappingNode SetField(MappingNode mapping, RecordShape? shape, RecordShape? options, ReadOnlySpan<string> path, SpecNode value)
    {
        if (path.Length == 1)
            return mapping.With(path[0], value);
        var field = shape?.Find(path[0]) ?? options?.Find(path[0]);
        var current = mapping.Get(path[0]);
        if (field?.Type is { Kind: FieldKind.Plugin } type)
        {
            var basis = ReferenceEquals(field.Property.DeclaringType, shape?.Type) || options is null ? shape : options;
            return mapping.With(path[0], SetPlugin(current, type, DefaultKind(basis, field), path[1..], value));
        }

        var inner = field?.Type.Kind == FieldKind.Record ? RecordShape.Of(field.Type.Clr) : null;
        return mapping.With(path[0], SetField(current as MappingNode ?? MappingNode.Empty, inner, null, path[1..], value));
    }

    private MappingNode SetPlugin(SpecNode? current, FieldType type, string? defaultKind, ReadOnlySpan<string> path, SpecNode value)
    {
        var key = type.Plugin!.Key;
        var mapping = current switch
        {
            MappingNode m => m,
            ScalarNode { IsNull: false } name => MappingNode.Empty.With(key, name),
            _ => MappingNode.Empty,
        };
        var options = Options(type, (mapping.Get(key) as ScalarNode)?.Text ?? defaultKind);
        if (path.Length == 1 && path[0] == key && options is not null && Options(type, (value as ScalarNode)?.Text) is { } next)
            mapping = new MappingNode([.. mapping.Entries.Where(e => options.Find(e.Key) is null || next.Find(e.Key) is not null)],
                mapping.Line);
        return SetField(mapping, type.Clr == typeof(PluginSpec) ? null : RecordShape.Of(type.Clr), options, path, value);
    }

    private RecordShape? Options(FieldType type, string? kind) =>
        kind is not null && catalogs.Get(type.Plugin!.Catalog).TryGet(kind, out var entry) ? RecordShape.Of(entry.OptionsType) : null;

    private static string? DefaultKind(RecordShape? shape, FieldShape field) =>
        shape is null || shape.Find(field.Name) is null ? null : ((PluginSpec?)field.Property.GetValue(shape.Create()))?.Kind;
}
