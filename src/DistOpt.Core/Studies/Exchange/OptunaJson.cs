using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>
/// JSON as Python's <c>json</c> module writes and reads it, with bare <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, and the distributions of Optuna in it.
/// </summary>
public static class OptunaJson
{
    /// <summary>Begins a text that was a bare word.</summary>
    private const char Bare = '\0';

    private static readonly string[] Words = ["-Infinity", "Infinity", "NaN"];

    /// <summary>A value that JSON has, a list of such, or such by names; anything else by its text.</summary>
    public static void Write(Utf8JsonWriter json, object? value)
    {
        ArgumentNullException.ThrowIfNull(json);
        switch (value)
        {
            case null: json.WriteNullValue(); break;
            case bool truth: json.WriteBooleanValue(truth); break;
            case string text: json.WriteStringValue(text); break;
            case int or long or short or byte or uint: json.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case double or float: Write(json, Convert.ToDouble(value, CultureInfo.InvariantCulture)); break;
            case IReadOnlyDictionary<string, object?> names:
                json.WriteStartObject();
                foreach (var (name, item) in names)
                {
                    json.WritePropertyName(name);
                    Write(json, item);
                }
                json.WriteEndObject();
                break;
            case IEnumerable list:
                json.WriteStartArray();
                foreach (object? item in list) Write(json, item);
                json.WriteEndArray();
                break;
            default: json.WriteStringValue(Convert.ToString(value, CultureInfo.InvariantCulture)); break;
        }
    }

    public static void Write(Utf8JsonWriter json, double value)
    {
        ArgumentNullException.ThrowIfNull(json);
        if (double.IsFinite(value)) json.WriteNumberValue(value);
        else json.WriteRawValue(double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity", skipInputValidation: true);
    }

    /// <summary>A value as a document of its own: what a database keeps of an attribute.</summary>
    public static string Text(object? value) => RunJson.Text(false, json => Write(json, value));

    /// <summary>Optuna's distribution of a domain: real and whole numbers with their steps, or choices.</summary>
    public static string Distribution(Domain domain) => RunJson.Text(false, json =>
    {
        json.WriteStartObject();
        json.WriteString("name", domain switch { FloatDomain => "FloatDistribution", IntDomain => "IntDistribution", _ => "CategoricalDistribution" });
        json.WriteStartObject("attributes");
        if (domain is NumericDomain numbers)
        {
            json.WritePropertyName("step");
            if (numbers.Step is not { } step) json.WriteNullValue();
            else WriteEnd(step);
            json.WritePropertyName("low");
            WriteEnd(numbers.Low);
            // a range that its steps do not fill would be cut with a warning
            json.WritePropertyName("high");
            WriteEnd(numbers.Last);
            json.WriteBoolean("log", numbers.Log);
        }
        else
        {
            json.WritePropertyName("choices");
            Write(json, ((ChoiceDomain)domain).Choices);
        }
        json.WriteEndObject();
        json.WriteEndObject();

        void WriteEnd(double end)
        {
            if (domain is IntDomain) json.WriteNumberValue((long)end);
            else json.WriteNumberValue(end);
        }
    });

    /// <summary>The domain of a distribution; those of before Optuna 3 are known too.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static Domain Distribution(string text)
    {
        using var document = Parse(text);
        var json = document.RootElement;
        try
        {
            string? name = json.TryGetProperty("name", out var given) ? given.GetString() : json.GetProperty("type").GetString();
            var of = json.TryGetProperty("attributes", out var attributes) ? attributes : json;
            bool isLog = of.TryGetProperty("log", out var log) && log.ValueKind == JsonValueKind.True;
            return name switch
            {
                "FloatDistribution" or "float" => new FloatDomain(End("low"), End("high"), Step("step"), isLog),
                "UniformDistribution" => new FloatDomain(End("low"), End("high")),
                "LogUniformDistribution" => new FloatDomain(End("low"), End("high"), log: true),
                "DiscreteUniformDistribution" => new FloatDomain(End("low"), End("high"), End("q")),
                "IntDistribution" or "IntUniformDistribution" or "int" => new IntDomain((long)End("low"), (long)End("high"), (long)(Step("step") ?? 1), isLog),
                "IntLogUniformDistribution" => new IntDomain((long)End("low"), (long)End("high"), log: true),
                "CategoricalDistribution" or "categorical" => new ChoiceDomain([.. of.GetProperty("choices").EnumerateArray().Select(Value)]),
                _ => throw new FormatException($"'{name}' is no distribution that is known"),
            };

            double End(string field) => Number(of.GetProperty(field));

            double? Step(string field) => of.TryGetProperty(field, out var step) && step.ValueKind != JsonValueKind.Null ? Number(step) : null;
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException($"'{text}' is no distribution: {e.Message}", e);
        }
    }

    /// <summary>A document; to be read with <see cref="Number"/> and <see cref="Value"/>.</summary>
    /// <exception cref="FormatException">It is no JSON.</exception>
    public static JsonDocument Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            return JsonDocument.Parse(Quoted(text));
        }
        catch (JsonException e)
        {
            throw new FormatException($"is no JSON: {e.Message}", e);
        }
    }

    /// <exception cref="InvalidOperationException">It is no number.</exception>
    public static double Number(JsonElement json) => Value(json) switch
    {
        long whole => whole,
        double number => number,
        var other => throw new InvalidOperationException($"'{other}' is no number"),
    };

    /// <summary>Null, bool, long, double or text; lists and objects as their JSON.</summary>
    public static object? Value(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.True or JsonValueKind.False => json.GetBoolean(),
        JsonValueKind.Number => json.TryGetInt64(out long whole) && !json.GetRawText().AsSpan().ContainsAny('.', 'e', 'E') ? (object)whole : json.GetDouble(),
        JsonValueKind.String => json.GetString() is [Bare, .. var word] ? Word(word) : json.GetString(),
        _ => json.GetRawText(),
    };

    private static double Word(string word) => word switch
    {
        "NaN" => double.NaN,
        "Infinity" => double.PositiveInfinity,
        _ => double.NegativeInfinity,
    };

    /// <summary>Bare words, which JSON does not have, as texts that nothing else is.</summary>
    private static string Quoted(string text)
    {
        if (!Array.Exists(Words, w => text.Contains(w, StringComparison.Ordinal))) return text;
        var quoted = new StringBuilder(text.Length + 32);
        bool isInside = false;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '"') isInside = !isInside;
            else if (c == '\\' && isInside) quoted.Append(text[i++]);
            string? word = isInside ? null : Array.Find(Words, w => string.CompareOrdinal(text, i, w, 0, w.Length) == 0);
            if (word is null)
            {
                if (i < text.Length) quoted.Append(text[i]);
                continue;
            }
            quoted.Append("\"\\u0000").Append(word).Append('"');
            i += word.Length - 1;
        }
        return quoted.ToString();
    }
}
