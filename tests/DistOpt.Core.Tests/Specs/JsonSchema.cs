using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Tests.Specs;

/// <summary>The keywords of draft 2020-12 that the schema uses; any other keyword is an error, so that none goes unchecked.</summary>
internal static class JsonSchema
{
    /// <summary>Whether a document is as the schema says.</summary>
    public static bool IsValid(JsonObject schema, JsonNode? value) => IsValid(schema, schema, value);

    /// <summary>Plain JSON of a document, typed by spelling alone as an editor does it.</summary>
    public static JsonNode? Json(SpecNode node) => node switch
    {
        MappingNode mapping => new JsonObject(mapping.Entries.Select(e => KeyValuePair.Create(e.Key, Json(e.Value)))),
        SequenceNode sequence => new JsonArray([.. sequence.Items.Select(Json)]),
        ScalarNode { IsNull: true } => null,
        ScalarNode { Plain: true, Text: "true" or "false" } scalar => scalar.Text == "true",
        ScalarNode { Plain: true } scalar when double.TryParse(scalar.Text, out var number) => number,
        ScalarNode scalar => scalar.Text,
        _ => throw new InvalidOperationException(),
    };

    private static bool IsValid(JsonObject root, JsonNode schema, JsonNode? value)
    {
        foreach (var (keyword, argument) in schema.AsObject())
        {
            var ok = keyword switch
            {
                "$schema" or "$defs" or "title" or "description" or "default" => true,
                "$ref" => IsValid(root, root["$defs"]![argument!.GetValue<string>()["#/$defs/".Length..]]!, value),
                "allOf" => argument!.AsArray().All(s => IsValid(root, s!, value)),
                "oneOf" => argument!.AsArray().Count(s => IsValid(root, s!, value)) == 1,
                "if" => IsValid(root, argument!, value) || IsValid(root, schema["else"]!, value),
                "else" => true,
                "anyOf" => argument!.AsArray().Any(s => IsValid(root, s!, value)),
                "const" => JsonNode.DeepEquals(argument, value),
                "enum" => argument!.AsArray().Any(a => JsonNode.DeepEquals(a, value)),
                "type" => argument is JsonArray types ? types.Any(t => HasType(t!, value)) : HasType(argument!, value),
                "properties" => value is not JsonObject o || o.All(p => argument![p.Key] is not { } s || IsValid(root, s, p.Value)),
                "additionalProperties" => value is not JsonObject o || o.All(p => schema["properties"]?.AsObject().ContainsKey(p.Key) == true
                    || (argument is JsonObject other && IsValid(root, other, p.Value))),
                "minProperties" => value is not JsonObject o || o.Count >= Number(argument),
                "required" => value is not JsonObject o || argument!.AsArray().All(r => o.ContainsKey(r!.GetValue<string>())),
                "items" => value is not JsonArray a || a.All(i => IsValid(root, argument!, i)),
                "minItems" => value is not JsonArray a || a.Count >= Number(argument),
                "maxItems" => value is not JsonArray a || a.Count <= Number(argument),
                "minLength" => value is not JsonValue v || !v.TryGetValue<string>(out var s) || s.Length >= Number(argument),
                "pattern" => value is not JsonValue v || !v.TryGetValue<string>(out var s)
                    || Regex.IsMatch(s, argument!.GetValue<string>()),
                "minimum" => !HasType("number", value) || Number(value) >= Number(argument),
                "maximum" => !HasType("number", value) || Number(value) <= Number(argument),
                "exclusiveMinimum" => !HasType("number", value) || Number(value) > Number(argument),
                "exclusiveMaximum" => !HasType("number", value) || Number(value) < Number(argument),
                _ => throw new InvalidOperationException($"keyword {keyword} is not checked"),
            };
            if (!ok)
                return false;
        }

        return true;
    }

    private static double Number(JsonNode? node) =>
        double.Parse(node!.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture);

    private static bool HasType(JsonNode type, JsonNode? value) => type.GetValue<string>() switch
    {
        "null" => value is null,
        "object" => value is JsonObject,
        "array" => value is JsonArray,
        "boolean" => value is JsonValue v && v.TryGetValue<bool>(out _),
        "string" => value is JsonValue v && v.TryGetValue<string>(out _),
        "number" => value is JsonValue v && v.GetValueKind() == System.Text.Json.JsonValueKind.Number,
        "integer" => HasType("number", value) && Math.Floor(Number(value)) == Number(value),
        var t => throw new InvalidOperationException($"type {t}"),
    };
}
