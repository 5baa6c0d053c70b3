using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecSchemaTests
{
    private static readonly JsonObject Schema = SpecSchema.Json(All);

    [Theory]
    [InlineData("{}", true)]
    [InlineData("training:", true)]
    [InlineData("optimizer: sgd", true)]
    [InlineData("optimizer: rmsprop", false)]
    [InlineData("optimizer: { kind: sgd, momentum: 0.9 }", true)]
    [InlineData("optimizer: { kind: adam, momentum: 0.9 }", false)]
    [InlineData("optimizer: { momentum: 0.9 }", false)]
    [InlineData("optimizer: { beta1: 0.8 }", true)]
    [InlineData("optimizer: { beta1: 1.0 }", false)]
    [InlineData("optimizer: { learning_rate: 0 }", false)]
    [InlineData("model: { kind: mlp, hidden: [64], freeze: [a] }", true)]
    [InlineData("model: { hidden: [0] }", false)]
    [InlineData("model: { hidden: [] }", false)]
    [InlineData("model: { hidden: 64 }", false)]
    [InlineData("model: { activation: leaky-relu }", true)]
    [InlineData("model: { activation: swish }", false)]
    [InlineData("data: { name: csv, path: x, label: 3 }", true)]
    [InlineData("data: { name: csv, label: 3 }", false)]
    [InlineData("data: { name: mnist, path: null, prefetch: 65 }", false)]
    [InlineData("training: { gradient_shards: auto }", true)]
    [InlineData("training: { gradient_shards: 4, workers: 4 }", true)]
    [InlineData("training: { gradient_shards: some }", false)]
    [InlineData("training: { workers: 0 }", false)]
    [InlineData("training: { epochs: 1.5 }", false)]
    [InlineData("training: { device: cuda }", false)]
    [InlineData("epochs: 5", false)]
    [InlineData("name: a b", false)]
    [InlineData("stop: { target: null, max_seconds: 1.5 }", true)]
    [InlineData("stop: { target: { metric: train.loss, at_most: 1 } }", true)]
    [InlineData("stop: { target: { at_most: 1 } }", false)]
    public void The_schema_accepts_what_the_binder_accepts(string yaml, bool good)
    {
        Assert.Equal(good, Accepts(yaml));
        Assert.Equal(good, JsonSchema.IsValid(Schema, Schema, Json(SpecYaml.Parse(yaml, ""))));
    }

    [Fact]
    public void The_schema_accepts_every_default_written_out() =>
        Assert.True(JsonSchema.IsValid(Schema, Schema, Json(SpecYaml.Parse(SpecWriter.Write(Binder.Default()), ""))));

    [Fact]
    public void Fields_carry_description_default_and_bounds()
    {
        var workers = Schema["properties"]!["training"]!["properties"]!["workers"]!;
        Assert.Equal(
            """{"type":"integer","minimum":1,"maximum":100000,"description":"Worker actors","default":2}""", workers.ToJsonString());
        var rate = Schema["$defs"]!["optimizers.adam"]!["properties"]!["learning_rate"]!;
        Assert.Equal("""{"type":"number","exclusiveMinimum":0,"description":"Step size","default":0.001}""", rate.ToJsonString());
        Assert.Equal("adam", Schema["properties"]!["optimizer"]!["default"]!.GetValue<string>());
        Assert.Equal("[256,128]", Schema["$defs"]!["models.mlp"]!["properties"]!["hidden"]!["default"]!.ToJsonString());
        Assert.Equal("https://json-schema.org/draft/2020-12/schema", Schema["$schema"]!.GetValue<string>());
    }

    private static bool Accepts(string yaml)
    {
        try
        {
            Binder.ParseTraining(yaml);
            return true;
        }
        catch (SpecException)
        {
            return false;
        }
    }

    /// <summary>Plain JSON of a document, typed by spelling alone as an editor does it.</summary>
    private static JsonNode? Json(SpecNode node) => node switch
    {
        MappingNode mapping => new JsonObject(mapping.Entries.Select(e => KeyValuePair.Create(e.Key, Json(e.Value)))),
        SequenceNode sequence => new JsonArray([.. sequence.Items.Select(Json)]),
        ScalarNode { IsNull: true } => null,
        ScalarNode { Plain: true, Text: "true" or "false" } scalar => scalar.Text == "true",
        ScalarNode { Plain: true } scalar when double.TryParse(scalar.Text, out var number) => number,
        ScalarNode scalar => scalar.Text,
        _ => throw new InvalidOperationException(),
    };

    /// <summary>The keywords of draft 2020-12 that the schema uses; any other keyword is an error, so that none goes unchecked.</summary>
    private static class JsonSchema
    {
        public static bool IsValid(JsonObject root, JsonNode schema, JsonNode? value)
        {
            foreach (var (keyword, argument) in schema.AsObject())
            {
                var ok = keyword switch
                {
                    "$schema" or "$defs" or "title" or "description" or "default" => true,
                    "$ref" => IsValid(root, root["$defs"]![argument!.GetValue<string>()["#/$defs/".Length..]]!, value),
                    "anyOf" => argument!.AsArray().Any(s => IsValid(root, s!, value)),
                    "const" => JsonNode.DeepEquals(argument, value),
                    "enum" => argument!.AsArray().Any(a => JsonNode.DeepEquals(a, value)),
                    "type" => argument is JsonArray types ? types.Any(t => HasType(t!, value)) : HasType(argument!, value),
                    "properties" => value is not JsonObject o || o.All(p => argument![p.Key] is not { } s || IsValid(root, s, p.Value)),
                    "additionalProperties" => argument!.ToJsonString() == "false"
                        && (value is not JsonObject o || o.All(p => schema["properties"]!.AsObject().ContainsKey(p.Key))),
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
}
