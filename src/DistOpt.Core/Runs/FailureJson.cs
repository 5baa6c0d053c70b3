using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Training;

namespace DistOpt.Core.Runs;

/// <summary>The JSON of a job's failures, in summaries and in the HTTP API: the field <c>failures</c>, absent where there are none.</summary>
public static class FailureJson
{
    public const string Field = "failures";

    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    /// <summary>Writes the field into an object that the caller has opened.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<NodeFailure> failures)
    {
        if (failures.Count == 0) return;
        json.WriteStartArray(Field);
        foreach (var failure in failures)
        {
            json.WriteStartObject();
            json.WriteString("node", failure.Node);
            json.WriteString("roles", failure.Roles);
            json.WriteNumber("step", failure.Step);
            json.WriteString("time", failure.At.ToString(TimeFormat, CultureInfo.InvariantCulture));
            json.WriteString("why", failure.Why);
            json.WriteStartArray("last_lines");
            foreach (string line in failure.LastLines) json.WriteStringValue(line);
            json.WriteEndArray();
            if (failure.Stack is { } stack) json.WriteString("stack", stack);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>The failures in an object that may have the field.</summary>
    /// <exception cref="JsonException">The field holds something else.</exception>
    public static IReadOnlyList<NodeFailure> Parse(JsonElement json)
    {
        if (!json.TryGetProperty(Field, out var failures)) return [];
        if (failures.ValueKind != JsonValueKind.Array) throw new JsonException($"the field '{Field}' is no array");
        return [.. failures.EnumerateArray().Select(f => new NodeFailure(Text(f, "node"), Text(f, "roles"), Get(f, "step").GetInt64(),
            Get(f, "time").GetDateTimeOffset(), Text(f, "why"), [.. Get(f, "last_lines").EnumerateArray().Select(l => l.GetString() ?? "")],
            f.TryGetProperty("stack", out var stack) ? stack.GetString() : null))];
    }

    private static string Text(JsonElement json, string name) => Get(json, name).GetString() ?? throw new JsonException($"the field '{name}' is null");

    private static JsonElement Get(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value : throw new JsonException($"the field '{name}' is missing");
}
