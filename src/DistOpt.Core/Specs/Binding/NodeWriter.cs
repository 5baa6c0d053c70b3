using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// Records to nodes: every field in the order of declaration, a plug-in's own options before the fields common to its section.
/// </summary>
/// <param name="keep">Which fields are written; null for all.</param>
internal sealed class NodeWriter(Func<FieldShape, bool>? keep = null)
{
    public MappingNode WriteRecord(object record) => new([.. Fields(RecordShape.Of(record.GetType()), record)]);

    public SpecNode WriteValue(FieldType type, object? value)
    {
        if (value is null)
            return type.NullName is null ? ScalarNode.Null : new ScalarNode(type.NullName, plain: true);
        return type.Kind switch
        {
            FieldKind.Node => (SpecNode)value,
            FieldKind.Bool => Plain((bool)value ? "true" : "false"),
            FieldKind.Integer => Plain(Convert.ToInt64(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture)),
            FieldKind.Number => Plain(value is float single ? Single(single) : SpecScalars.Format((double)value)),
            FieldKind.Text => Text((string)value),
            FieldKind.Enum => Plain(EnumName(type.Clr, value)),
            FieldKind.Record => WriteRecord(value),
            FieldKind.Plugin => WritePlugin(type, (PluginSpec)value),
            FieldKind.List => WriteList(type, value),
            _ => WriteMap(type, value),
        };
    }

    private IEnumerable<MappingEntry> Fields(RecordShape shape, object record) => shape.Fields
        .Where(f => (keep is null || keep(f)) && !(f.LeftOutAtDefault && IsDefault(shape, f, record)))
        .Select(f => new MappingEntry(f.Name, WriteValue(f.Type, f.Property.GetValue(record))));

    private bool IsDefault(RecordShape shape, FieldShape field, object record)
    {
        var (own, usual) = (field.Property.GetValue(record), field.Property.GetValue(shape.Create()));
        // records hold lists, which are not equal by what is in them
        return Equals(own, usual) || SpecYamlText.Write(Alone(own)) == SpecYamlText.Write(Alone(usual));

        MappingNode Alone(object? value) => new([new MappingEntry(field.Name, WriteValue(field.Type, value))]);
    }

    private MappingNode WritePlugin(FieldType type, PluginSpec plugin) => new(
    [
        new MappingEntry(type.Plugin!.Key, Text(plugin.Kind)),
        .. plugin.Options is null ? [] : Fields(RecordShape.Of(plugin.Options.GetType()), plugin.Options),
        .. type.Clr == typeof(PluginSpec) ? [] : Fields(RecordShape.Of(type.Clr), plugin),
    ]);

    private SequenceNode WriteList(FieldType type, object list)
    {
        // a default ImmutableArray throws when it is enumerated
        if (type.Clr.IsGenericType && type.Clr.GetGenericTypeDefinition() == typeof(ImmutableArray<>)
            && (bool)type.Clr.GetProperty(nameof(ImmutableArray<int>.IsDefault))!.GetValue(list)!)
            return new SequenceNode([]);
        return new SequenceNode([.. ((IEnumerable)list).Cast<object?>().Select(item => WriteValue(type.Element!, item))]);
    }

    private MappingNode WriteMap(FieldType type, object map)
    {
        var entries = new SortedDictionary<string, object?>(StringComparer.Ordinal);
        foreach (var pair in (IEnumerable)map)
        {
            var pairType = pair.GetType();
            entries.Add((string)pairType.GetProperty("Key")!.GetValue(pair)!, pairType.GetProperty("Value")!.GetValue(pair));
        }

        return new MappingNode([.. entries.Select(e => new MappingEntry(e.Key, WriteValue(type.Element!, e.Value)))]);
    }

    private static string EnumName(Type type, object value)
    {
        var index = Array.IndexOf(Enum.GetNames(type), value.ToString());
        return index < 0 ? Convert.ToInt64(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture)
            : FieldType.EnumNames(type)[index];
    }

    /// <summary>Shortest digits of the float, not those of the double next to it.</summary>
    private static string Single(float value) => float.IsFinite(value)
        ? SpecScalars.Format(double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture))
        : SpecScalars.Format(value);

    private static ScalarNode Plain(string text) => new(text, plain: true);

    private static ScalarNode Text(string text) => new(text, plain: SpecScalars.IsUnmistakablyText(text));
}
