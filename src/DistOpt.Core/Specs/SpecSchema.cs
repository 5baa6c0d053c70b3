using System.Text.Json.Nodes;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs;

/// <summary>
/// JSON schema (draft 2020-12) of a spec, for editors: fields, types, ranges, defaults, descriptions and every plug-in's own fields. It
/// accepts what the binder accepts, apart from rules over several fields and the author's own checks.
/// </summary>
public static class SpecSchema
{
    /// <summary>The schema of a training spec with the plug-ins of the catalogues.</summary>
    public static JsonObject Json(SpecCatalogs catalogs) => Json(catalogs, typeof(TrainingSpec), "DistOpt training spec");

    /// <summary>The schema of any record that <see cref="SpecBinder.Bind{T}"/> reads.</summary>
    public static JsonObject Json(SpecCatalogs catalogs, Type type, string title)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        ArgumentNullException.ThrowIfNull(type);
        var schema = new JsonObject { ["$schema"] = "https://json-schema.org/draft/2020-12/schema", ["title"] = title };
        var writer = new Writer(catalogs);
        var shape = RecordShape.Of(type);
        writer.WriteFields(schema, [(shape, shape.Create())], null);
        schema["$defs"] = writer.Definitions;
        return schema;
    }

    /// <summary>
    /// The schema of a study spec. Fields of the training spec that are required are not asked for, since they may be searched, and a section whose plug-in is
    /// searched (<c>space: { optimizer.kind: ... }</c>) may have fields of all of its catalogue.
    /// </summary>
    public static JsonObject Study(SpecCatalogs catalogs)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        var schema = new JsonObject { ["$schema"] = "https://json-schema.org/draft/2020-12/schema", ["title"] = "DistOpt study spec" };
        var training = RecordShape.Of(typeof(TrainingSpec));
        var fields = new Writer(catalogs, isSearched: true);
        fields.WriteFields(schema, [(training, training.Create())], null);
        var properties = schema["properties"]!.AsObject();
        var unlessSearched = new JsonArray();
        foreach (var field in training.Fields.Where(f => f.Type.Kind == FieldKind.Plugin))
        {
            var known = properties[field.Name]!;
            properties[field.Name] = fields.AnyPlugin(field.Type);
            var isSearched = new JsonObject { ["required"] = new JsonArray($"{field.Name}.{field.Type.Plugin!.Key}") };
            unlessSearched.Add(new JsonObject
            {
                ["if"] = new JsonObject { ["properties"] = new JsonObject { [StudyBinder.Space] = isSearched } },
                ["else"] = new JsonObject { ["properties"] = new JsonObject { [field.Name] = known } },
            });
        }
        var section = RecordShape.Of(typeof(StudySection));
        var own = new Writer(catalogs);
        var study = new JsonObject();
        own.WriteFields(study, [(section, section.Create())], null);
        properties[StudyBinder.Study] = study;
        properties[StudyBinder.Space] = new JsonObject
        {
            ["type"] = "object",
            ["minProperties"] = 1,
            ["additionalProperties"] = new JsonObject { ["anyOf"] = new JsonArray(Value(), Parameter(own)) },
            ["description"] = "What is searched: paths of the training spec with their values",
        };
        schema["required"] = new JsonArray(StudyBinder.Space);
        schema["allOf"] = unlessSearched;
        foreach (var (name, definition) in own.Definitions.ToList())
        {
            own.Definitions.Remove(name);
            fields.Definitions[name] = definition;
        }
        schema["$defs"] = fields.Definitions;
        return schema;
    }

    /// <summary>One value that stays, in place of a parameter.</summary>
    private static JsonObject Value() => new() { ["type"] = new JsonArray("string", "number", "boolean", "null", "array") };

    private static JsonObject Parameter(Writer writer)
    {
        var shape = RecordShape.Of(typeof(ParameterSpec));
        var schema = new JsonObject();
        writer.WriteFields(schema, [(shape, shape.Create())], null);
        var parts = schema["properties"]!["list"]!["properties"]!.AsObject();
        foreach (string part in new[] { "length", "each" })
        {
            var domain = parts[part]!;
            parts[part] = null;
            parts[part] = new JsonObject { ["anyOf"] = new JsonArray(part == "each" ? Value() : new JsonObject { ["type"] = "integer" }, domain) };
        }
        schema["oneOf"] = new JsonArray([.. new[] { "float", "int", "choices", "value", "list" }.Select(f => new JsonObject { ["required"] = new JsonArray(f) })]);
        return schema;
    }

    /// <param name="catalogs">The plug-ins.</param>
    /// <param name="isSearched">Whether a field may stand in a space instead, so that none is required but a plug-in's name.</param>
    private sealed class Writer(SpecCatalogs catalogs, bool isSearched = false)
    {
        public JsonObject Definitions { get; } = [];

        public void WriteFields(JsonObject schema, ReadOnlySpan<(RecordShape Shape, object Defaults)> parts,
            (string Key, string Kind)? plugin)
        {
            var properties = new JsonObject();
            var required = new JsonArray();
            if (plugin is { } p)
                properties[p.Key] = new JsonObject { ["const"] = p.Kind };
            foreach (var (shape, defaults) in parts)
            {
                foreach (var field in shape.Fields)
                {
                    var value = field.Property.GetValue(defaults);
                    properties[field.Name] = Field(field, value);
                    if (!isSearched && field.Required && value is null or "")
                        required.Add(field.Name);
                }
            }

            schema["type"] = "object";
            schema["additionalProperties"] = false;
            schema["properties"] = properties;
            if (required.Count > 0)
                schema["required"] = required;
        }

        private JsonObject Field(FieldShape field, object? value)
        {
            var schema = Value(field.Type, field.Rules, value);
            if (field.Type.Kind == FieldKind.Record || (field.Type.Nullable && !field.Required))
                schema = OrNull(schema, field.Type.NullName);
            if (field.Description is { } description)
                schema["description"] = description;
            if (field.Type.Kind == FieldKind.Plugin && value is PluginSpec plugin)
                schema["default"] = plugin.Kind;
            else if (field.Type.Kind != FieldKind.Record && !(field.Required && value is null or ""))
                schema["default"] = Node(field.Type, new NodeWriter().WriteValue(field.Type, value));
            return schema;
        }

        private JsonObject Value(FieldType type, FieldRules rules, object? value)
        {
            switch (type.Kind)
            {
                case FieldKind.Bool:
                    return new JsonObject { ["type"] = "boolean" };
                case FieldKind.Integer:
                case FieldKind.Number:
                    return Number(type, rules);
                case FieldKind.Text:
                    return Text(rules);
                case FieldKind.Enum:
                    return new JsonObject { ["enum"] = new JsonArray([.. FieldType.EnumNames(type.Clr).Select(n => JsonValue.Create(n))]) };
                case FieldKind.Record:
                    var record = new JsonObject();
                    var shape = RecordShape.Of(type.Clr);
                    WriteFields(record, [(shape, value ?? shape.Create())], null);
                    return record;
                case FieldKind.Plugin:
                    return Plugin(type, (PluginSpec?)value);
                case FieldKind.List:
                    var list = new JsonObject { ["type"] = "array", ["items"] = Element(type, rules) };
                    SetLength(list, rules, "Items");
                    return list;
                case FieldKind.Map:
                    var map = new JsonObject { ["type"] = "object", ["additionalProperties"] = Element(type, rules) };
                    SetLength(map, rules, "Properties");
                    return map;
                default:
                    return [];
            }
        }

        private JsonObject Element(FieldType type, FieldRules rules)
        {
            var element = Value(type.Element!, rules.OfElement, null);
            return type.Element!.Nullable ? OrNull(element, null) : element;
        }

        private JsonObject Plugin(FieldType type, PluginSpec? value)
        {
            var name = type.Plugin!.Catalog;
            var catalog = catalogs.Get(name);
            var names = new JsonArray([.. catalog.Entries.Select(e => JsonValue.Create(e.Name))]);
            var options = new JsonArray(new JsonObject { ["enum"] = names });
            foreach (var entry in catalog.Entries)
            {
                var definition = $"{name}.{entry.Name}";
                if (!Definitions.ContainsKey(definition))
                {
                    // entered before it is written, so that plug-ins which refer to their own catalogue end
                    var schema = new JsonObject { ["description"] = entry.Summary };
                    Definitions[definition] = schema;
                    var shape = RecordShape.Of(entry.OptionsType);
                    var common = type.Clr == typeof(PluginSpec) ? null : RecordShape.Of(type.Clr);
                    ReadOnlySpan<(RecordShape, object)> parts = common is null
                        ? [(shape, shape.Create())] : [(shape, shape.Create()), (common, common.Create())];
                    WriteFields(schema, parts, (type.Plugin.Key, entry.Name));
                }

                var pointer = definition.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
                var reference = new JsonObject { ["$ref"] = "#/$defs/" + pointer };
                if (entry.Name != value?.Kind)
                    reference["required"] = new JsonArray(type.Plugin.Key);
                options.Add(reference);
            }

            return new JsonObject { ["anyOf"] = options };
        }

        /// <summary>A section that may have the fields of every plug-in of its catalogue.</summary>
        public JsonObject AnyPlugin(FieldType type)
        {
            Plugin(type, null);
            var catalog = catalogs.Get(type.Plugin!.Catalog);
            var kinds = new Dictionary<string, List<JsonNode>>(StringComparer.Ordinal);
            foreach (var entry in catalog.Entries)
            {
                foreach (var (name, field) in Definitions[$"{type.Plugin.Catalog}.{entry.Name}"]!["properties"]!.AsObject())
                {
                    if (!kinds.TryGetValue(name, out var known)) kinds[name] = known = [];
                    if (!known.Exists(k => JsonNode.DeepEquals(k, field))) known.Add(field!.DeepClone());
                }
            }
            var properties = new JsonObject(kinds.Select(k => KeyValuePair.Create(k.Key, (JsonNode?)new JsonObject { ["anyOf"] = new JsonArray([.. k.Value]) })));
            var section = new JsonObject { ["type"] = "object", ["additionalProperties"] = false, ["properties"] = properties };
            var names = new JsonObject { ["enum"] = new JsonArray([.. catalog.Entries.Select(e => JsonValue.Create(e.Name))]) };
            return new JsonObject { ["anyOf"] = new JsonArray(names, section, new JsonObject { ["type"] = "null" }) };
        }

        private static JsonObject Number(FieldType type, FieldRules rules)
        {
            var schema = new JsonObject { ["type"] = type.Kind == FieldKind.Integer ? "integer" : "number" };
            if (!double.IsInfinity(rules.Minimum))
                schema[rules.MinimumIsExclusive ? "exclusiveMinimum" : "minimum"] = rules.Minimum;
            if (!double.IsInfinity(rules.Maximum))
                schema[rules.MaximumIsExclusive ? "exclusiveMaximum" : "maximum"] = rules.Maximum;
            else if (type.Clr == typeof(int))
                schema["maximum"] = int.MaxValue;
            if (!rules.Allowed.IsEmpty)
                schema["enum"] = new JsonArray([.. rules.Allowed.Select(a => JsonValue.Create(a))]);
            return schema;
        }

        /// <summary>Where text is wanted, numbers and truth values are taken as they are spelled.</summary>
        private static JsonObject Text(FieldRules rules)
        {
            if (!rules.Allowed.IsEmpty)
            {
                var values = rules.Allowed.OfType<string>().SelectMany(a => SpecScalars.IsBool(a, out var truth) && a is "true" or "false"
                    ? new JsonNode[] { JsonValue.Create(a), JsonValue.Create(truth) } : [JsonValue.Create(a)]);
                return new JsonObject { ["enum"] = new JsonArray([.. values]) };
            }

            var schema = new JsonObject { ["type"] = new JsonArray("string", "number", "boolean") };
            if (rules.Pattern is { } pattern)
                schema["pattern"] = $"^(?:{pattern})$";
            SetLength(schema, rules, "Length");
            return schema;
        }

        private static void SetLength(JsonObject schema, FieldRules rules, string of)
        {
            if (rules.LengthMin is > 0 || rules.NotBlank)
                schema["min" + of] = Math.Max(rules.LengthMin ?? 0, rules.NotBlank ? 1 : 0);
            if (rules.LengthMax is { } maximum)
                schema["max" + of] = maximum;
        }

        private static JsonObject OrNull(JsonObject schema, string? nullName)
        {
            if (nullName is null && schema["type"] is JsonValue type && schema["enum"] is null)
            {
                schema["type"] = new JsonArray(type.DeepClone(), "null");
                return schema;
            }

            var options = new JsonArray(schema, new JsonObject { ["type"] = "null" });
            if (nullName is not null)
                options.Add(new JsonObject { ["const"] = nullName });
            return new JsonObject { ["anyOf"] = options };
        }

        private static JsonNode? Node(FieldType type, SpecNode node) => node switch
        {
            ScalarNode { IsNull: true } => null,
            ScalarNode scalar when type.Kind == FieldKind.Bool => scalar.Text == "true",
            ScalarNode scalar when type.Kind is FieldKind.Integer && SpecScalars.IsInteger(scalar.Text, out var whole) => (long)whole,
            ScalarNode scalar when type.Kind is FieldKind.Number && SpecScalars.IsNumber(scalar.Text, out var number) => number,
            ScalarNode scalar => scalar.Text,
            SequenceNode sequence => new JsonArray([.. sequence.Items.Select(i => Node(type.Element!, i))]),
            MappingNode mapping when type.Element is not null =>
                new JsonObject(mapping.Entries.Select(e => KeyValuePair.Create(e.Key, Node(type.Element, e.Value)))),
            _ => null,
        };
    }
}
