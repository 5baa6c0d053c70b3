using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs;

/// <summary>
/// Specs as YAML text that reads back as the same spec: every field in the order of declaration, numbers with all their bits. Fields
/// that came with a later minor version are left out at their defaults (<see cref="AddedInAttribute"/>).
/// </summary>
public static class SpecWriter
{
    /// <summary>The text of a spec or of any other record of fields.</summary>
    /// <exception cref="ArgumentException">The record has a property that a field of a spec cannot have.</exception>
    public static string Write(object spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return SpecYamlText.Write(new NodeWriter().WriteRecord(spec));
    }

    /// <summary>
    /// A plug-in of a training spec as the spec would say it in one line, without what is at its default: <c>{ kind: sgd, momentum: 0.9 }</c>.
    /// </summary>
    /// <param name="spec">The spec.</param>
    /// <param name="section">Its field, such as <c>optimizer</c>.</param>
    /// <param name="always">Fields that are said even so.</param>
    /// <exception cref="ArgumentException">The spec has no plug-in there.</exception>
    public static string Plugin(TrainingSpec spec, string section, params IReadOnlyCollection<string> always)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var field = RecordShape.Of(typeof(TrainingSpec)).Fields.FirstOrDefault(f => f.Name == section && f.Type.Kind == FieldKind.Plugin);
        if (field?.Property.GetValue(spec) is not PluginSpec plugin) throw new ArgumentException($"a training spec has no plug-in '{section}'", nameof(section));
        var empty = field.Type.Clr == typeof(PluginSpec) ? new PluginSpec(plugin.Kind) : (PluginSpec)RecordShape.Of(field.Type.Clr).Create();
        object? options = plugin.Options is null ? null : RecordShape.Of(plugin.Options.GetType()).Create();
        var usual = empty with { Kind = plugin.Kind, Options = options };
        var (own, other) = ((MappingNode)new NodeWriter().WriteValue(field.Type, plugin), (MappingNode)new NodeWriter().WriteValue(field.Type, usual));
        return SpecYamlText.Inline(new MappingNode([.. own.Entries.Where(e => e.Key == field.Type.Plugin!.Key || always.Contains(e.Key)
            || other.Get(e.Key) is not { } value || SpecYamlText.Inline(value) != SpecYamlText.Inline(e.Value))]));
    }
}
