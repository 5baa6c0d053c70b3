using System.Numerics;
using System.Text.Json;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Specs.Yaml;

/// <summary>What a piece of YAML says, as JSON.</summary>
public static class SpecJson
{
    /// <summary>JSON of one line. Numbers that JSON has not (NaN and infinities) are texts.</summary>
    public static string Text(SpecNode node) => RunJson.Text(false, json => Write(json, node));

    private static void Write(Utf8JsonWriter json, SpecNode node)
    {
        switch (node)
        {
            case SequenceNode list:
                json.WriteStartArray();
                foreach (var item in list.Items) Write(json, item);
                json.WriteEndArray();
                break;
            case MappingNode mapping:
                json.WriteStartObject();
                foreach (var entry in mapping.Entries)
                {
                    json.WritePropertyName(entry.Key);
                    Write(json, entry.Value);
                }
                json.WriteEndObject();
                break;
            case ScalarNode { IsNull: true }:
                json.WriteNullValue();
                break;
            case ScalarNode { Plain: true } scalar when SpecScalars.IsBool(scalar.Text, out bool truth):
                json.WriteBooleanValue(truth);
                break;
            case ScalarNode { Plain: true } scalar when SpecScalars.IsInteger(scalar.Text, out BigInteger whole)
                && whole >= long.MinValue && whole <= long.MaxValue:
                json.WriteNumberValue((long)whole);
                break;
            case ScalarNode { Plain: true } scalar when SpecScalars.IsNumber(scalar.Text, out double number) && double.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            case ScalarNode scalar:
                json.WriteStringValue(scalar.Text);
                break;
        }
    }
}
