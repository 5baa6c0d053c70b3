using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>
/// The JSON of a study's files. NaN and infinities, which JSON has no numbers for, are written as the texts "NaN", "Infinity" and "-Infinity", as
/// <see cref="System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals"/> has them. Null is a value that there is not; earlier
/// versions wrote it for those three.
/// </summary>
public static class StudyJson
{
    private const string NotANumber = "NaN", Infinite = "Infinity", NegativeInfinite = "-Infinity";

    /// <summary>One line of <c>trials.jsonl</c>, without the line end.</summary>
    /// <param name="trial">The trial.</param>
    /// <param name="study">Its study, over the space that the trial was drawn from.</param>
    /// <param name="node">Where it ran; null = that is not known.</param>
    public static string TrialLine(TrialRecord trial, StudySpec study, string? node)
    {
        ArgumentNullException.ThrowIfNull(study);
        return RunJson.Text(false, json => WriteTrial(json, trial, study.Outline, node));
    }

    /// <summary>The object of such a line.</summary>
    /// <param name="outline">What the study searches: the space that the trial's parameters are in.</param>
    /// <param name="attributes">What users want to be known of it, beside what the line has; null = nothing of that.</param>
    /// <inheritdoc cref="TrialLine"/>
    public static void WriteTrial(Utf8JsonWriter json, TrialRecord trial, StudyOutline outline, string? node,
        IReadOnlyCollection<KeyValuePair<string, object?>>? attributes = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(trial);
        json.WriteStartObject();
        json.WriteNumber("number", trial.Number);
        json.WriteString("state", RunJson.Name(trial.State));
        json.WriteString("cause", RunJson.Name(trial.Cause));
        if (trial.SpaceVersion > 0) json.WriteNumber("space_version", trial.SpaceVersion);
        if (trial.Bracket > 0) json.WriteNumber("bracket", trial.Bracket);
        WriteParameters(json, outline, trial.Parameters);
        WriteValues(json, outline, trial.Values);
        if (!trial.Runs.IsEmpty)
        {
            json.WriteStartArray("runs");
            foreach (var run in trial.Runs)
            {
                json.WriteStartArray();
                foreach (double value in run) Number(json, value);
                json.WriteEndArray();
            }
            json.WriteEndArray();
        }
        if (!trial.Constraints.IsEmpty)
        {
            json.WriteStartArray("constraints");
            foreach (double value in trial.Constraints) Number(json, value);
            json.WriteEndArray();
        }
        json.WriteStartArray("intermediate");
        foreach (var report in trial.Reports)
        {
            json.WriteStartArray();
            json.WriteNumberValue(report.Step);
            Number(json, report.Value);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        TrialExploit.Write(json, outline, trial.Exploits);
        json.WriteNumber("attempts", trial.Attempts);
        if (!trial.Losses.IsEmpty)
        {
            json.WriteStartArray("lost");
            foreach (string loss in trial.Losses) json.WriteStringValue(loss);
            json.WriteEndArray();
        }
        if (!trial.Code.IsEmpty)
        {
            json.WriteStartArray("code");
            foreach (int version in trial.Code) json.WriteNumberValue(version);
            json.WriteEndArray();
        }
        json.WriteNumber("seconds", Math.Round(trial.Seconds, 3));
        if (!trial.Spans.IsEmpty)
        {
            json.WriteStartArray("spans");
            foreach (var span in trial.Spans)
            {
                json.WriteStartArray();
                json.WriteNumberValue(Math.Round(span.From, 3));
                json.WriteNumberValue(Math.Round(span.To, 3));
                json.WriteEndArray();
            }
            json.WriteEndArray();
        }
        if (trial.Started is { } started) json.WriteString("started", Time(started));
        if (trial.Ended is { } ended) json.WriteString("ended", Time(ended));
        if (node is not null) json.WriteString("node", node);
        if (trial.Error is { } error) json.WriteString("error", error);
        if (attributes is not null)
        {
            json.WriteStartObject("attributes");
            foreach (var (name, value) in attributes)
            {
                json.WritePropertyName(name);
                json.WriteRawValue(Exchange.OptunaJson.Text(value), skipInputValidation: true);
            }
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    /// <summary>
    /// Reads a line of <c>trials.jsonl</c>. Null, of an earlier version, stands for NaN, and as a constraint for one that is missed infinitely.
    /// </summary>
    /// <param name="line">The line.</param>
    /// <param name="study">Its study, over each of its spaces: the trial's parameters are in the widest one.</param>
    /// <exception cref="JsonException">It is no such line.</exception>
    /// <exception cref="SpecException">Parameters are not the study's.</exception>
    public static TrialRecord ParseTrial(string line, StudyVersions study)
    {
        ArgumentNullException.ThrowIfNull(study);
        using var document = JsonDocument.Parse(line);
        var json = document.RootElement;
        if (json.ValueKind != JsonValueKind.Object) throw new JsonException("a JSON object is expected");
        int space = json.TryGetProperty("space_version", out var version) ? version.GetInt32() : 0;
        if (space < 0 || space >= study.Count) throw new JsonException($"it is of space {space} of the study, of which there is no file");
        ImmutableArray<double> values = json.TryGetProperty("values", out var several) ? Numbers(several)
            : Field("value").ValueKind == JsonValueKind.Null && Field("state").GetString() != RunJson.Name(TrialState.Complete) ? [] : [Number(Field("value"))];
        return new TrialRecord(Field("number").GetInt32(), Named<TrialState>("state"), Named<TrialEndCause>("cause"),
            Parameters(Field("params")), values,
            json.TryGetProperty("constraints", out var constraints) ? [.. constraints.EnumerateArray().Select(Constraint)] : [],
            [.. Field("intermediate").EnumerateArray().Select(r => new Report(r[0].GetInt64(), Number(r[1])))], Field("attempts").GetInt32(),
            json.TryGetProperty("lost", out var lost) ? [.. lost.EnumerateArray().Select(l => l.GetString() ?? "")] : [], Number(Field("seconds")),
            json.TryGetProperty("error", out var error) ? error.GetString() : null)
        {
            SpaceVersion = space,
            Bracket = json.TryGetProperty("bracket", out var bracket) ? bracket.GetInt32() : 0,
            Exploits = TrialExploit.Parse(json, Parameters),
            Runs = json.TryGetProperty("runs", out var runs) ? [.. runs.EnumerateArray().Select(Numbers)] : [],
            Started = Time("started"),
            Ended = Time("ended"),
            Code = json.TryGetProperty("code", out var code) ? [.. code.EnumerateArray().Select(c => c.GetInt32())] : [],
            Spans = json.TryGetProperty("spans", out var spans)
                ? [.. spans.EnumerateArray().Select(s => new TrialSpan(s[0].GetDouble(), s[1].GetDouble()))] : [],
        };

        ImmutableArray<double> Parameters(JsonElement of) => study.ToNewest(
            [.. study[space].Space.Configuration(of.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, Value(p.Value))), "params")], space);

        JsonElement Field(string name) => json.TryGetProperty(name, out var value) ? value : throw new JsonException($"'{name}' is missing");

        DateTime? Time(string name) => json.TryGetProperty(name, out var value) ? value.GetDateTime().ToUniversalTime() : null;

        T Named<T>(string field) where T : struct, Enum
        {
            string? name = Field(field).GetString();
            foreach (var value in Enum.GetValues<T>())
                if (RunJson.Name(value) == name) return value;
            throw new JsonException($"'{name}' is not known as '{field}'");
        }
    }

    /// <summary>One line of <c>attributes.jsonl</c>, without the line end.</summary>
    public static string AttributeLine(StudyEvent.AttributeSet attribute) => RunJson.Text(false, json =>
    {
        ArgumentNullException.ThrowIfNull(attribute);
        json.WriteStartObject();
        if (attribute.Trial is { } trial) json.WriteNumber("trial", trial);
        json.WriteString("name", attribute.Name);
        json.WritePropertyName("value");
        json.WriteRawValue(attribute.Json);
        json.WriteEndObject();
    });

    /// <summary>Reads a line of <c>attributes.jsonl</c>.</summary>
    /// <exception cref="JsonException">It is no such line.</exception>
    public static StudyEvent.AttributeSet ParseAttribute(string line)
    {
        using var document = JsonDocument.Parse(line);
        var json = document.RootElement;
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("name", out var name) || !json.TryGetProperty("value", out var value))
            throw new JsonException("an object with name and value is expected");
        return new(json.TryGetProperty("trial", out var trial) ? trial.GetInt32() : null, name.GetString() ?? "", value.GetRawText());
    }

    /// <summary>UTC, to the millisecond.</summary>
    private static string Time(DateTime utc) => utc.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static ImmutableArray<double> Numbers(JsonElement json) => [.. json.EnumerateArray().Select(Number)];

    /// <summary>A number as <see cref="StudyJson"/> writes it; null is NaN.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static double Number(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Number => json.GetDouble(),
        JsonValueKind.Null => double.NaN,
        JsonValueKind.String => json.GetString() switch
        {
            NotANumber => double.NaN,
            Infinite => double.PositiveInfinity,
            NegativeInfinite => double.NegativeInfinity,
            var text => throw new JsonException($"a number cannot be '{text}'"),
        },
        _ => throw new JsonException($"a number cannot be {json.GetRawText()}"),
    };

    /// <summary>One that is not known is as far as one can miss it.</summary>
    private static double Constraint(JsonElement json) => Number(json) is var value && double.IsNaN(value) ? double.PositiveInfinity : value;

    private static object? Value(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Number => json.TryGetInt64(out long whole) ? whole : json.GetDouble(),
        _ => throw new JsonException($"a parameter cannot be {json.GetRawText()}"),
    };

    /// <summary><c>summary.json</c>, and what <c>sweep --format json</c> prints.</summary>
    public static void WriteSummary(Utf8JsonWriter json, StudySummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        var (study, status) = (summary.Spec, summary.Status);
        json.WriteStartObject();
        json.WriteString("study", summary.Directory);
        json.WriteString("name", study.Name);
        json.WriteString("status", status.End is null ? "interrupted" : status.HasFailed ? "failed" : status.End == StudyStopReason.Cancelled ? "cancelled" : "completed");
        json.WriteString("stop_reason", status.End is { } end ? RunJson.Name(end) : null);
        if (summary.Error is { } error) json.WriteString("error", error);
        WriteObjectives(json, study.Outline);
        StudyStatusJson.WriteSpace(json, status);
        WriteCounts(json, status.Counts);
        if (status.Imported > 0) json.WriteNumber("imported", status.Imported);
        json.WritePropertyName("best");
        if (status.Best is { } best) WriteResult(json, summary, best);
        else json.WriteNullValue();
        if (NoBest.Of(status, study) is { } none) json.WriteString("no_best", none);
        if (study.Study.Objectives.Length > 1)
        {
            json.WriteStartArray("front");
            foreach (var result in status.Front) WriteResult(json, summary, result);
            json.WriteEndArray();
            StudyStatusJson.WriteVolume(json, study.Outline, status);
        }
        if (summary.Test is { } test)
        {
            json.WriteStartObject("test");
            foreach (var (name, value) in test)
            {
                json.WritePropertyName(name);
                Number(json, value);
            }
            json.WriteEndObject();
        }
        if (summary.Untested is { } untested) json.WriteString("test_error", untested);
        json.WriteNumber("seconds", Math.Round(status.Seconds, 3));
        json.WriteNumber("interruptions", status.Sessions);
        json.WriteEndObject();
    }

    internal static void WriteObjectives(Utf8JsonWriter json, StudyOutline study)
    {
        json.WriteStartArray("objectives");
        foreach (var objective in study.Objectives)
        {
            json.WriteStartObject();
            json.WriteString("metric", objective.Metric);
            json.WriteString("direction", RunJson.Name(objective.Direction));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    internal static void WriteCounts(Utf8JsonWriter json, TrialCounts counts)
    {
        json.WriteStartObject("trials");
        foreach (var (name, count) in (ReadOnlySpan<(string, int)>)[("complete", counts.Complete), ("pruned", counts.Pruned), ("failed", counts.Failed),
            ("cancelled", counts.Cancelled), ("running", counts.Running), ("paused", counts.Paused), ("waiting", counts.Waiting)])
            json.WriteNumber(name, count);
        if (counts.Suspended > 0) json.WriteNumber("suspended", counts.Suspended);
        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, StudySummary summary, TrialResult result)
    {
        json.WriteStartObject();
        json.WriteNumber("number", result.Number);
        var outline = summary.Spec.Outline;
        WriteValues(json, outline, result.Values);
        WriteParameters(json, outline, result.Parameters);
        json.WriteString("run", new StudyDirectory(summary.Directory).RunFolder(result.Number));
        if (summary.Status.Best == result) json.WriteString("spec", new StudyDirectory(summary.Directory).BestSpecFile);
        else if (summary.Spec.Study.Objectives.Length > 1) json.WriteString("spec", new StudyDirectory(summary.Directory).FrontSpecFile(result.Number));
        json.WriteEndObject();
    }

    /// <summary><c>"value"</c> for one objective, <c>"values"</c> for several.</summary>
    internal static void WriteValues(Utf8JsonWriter json, StudyOutline study, ImmutableArray<double> values)
    {
        if (study.Objectives.Length == 1)
        {
            json.WritePropertyName("value");
            if (values.IsEmpty) json.WriteNullValue();
            else Number(json, values[0]);
            return;
        }
        json.WriteStartArray("values");
        foreach (double value in values) Number(json, value);
        json.WriteEndArray();
    }

    internal static void WriteParameters(Utf8JsonWriter json, StudyOutline study, ImmutableArray<double> parameters, string name = "params")
    {
        json.WriteStartObject(name);
        for (int i = 0; i < parameters.Length; i++)
        {
            if (double.IsNaN(parameters[i])) continue;
            json.WritePropertyName(study.Space.Parameters[i].Name);
            switch (study.Value(i, parameters[i]))
            {
                case null: json.WriteNullValue(); break;
                case bool value: json.WriteBooleanValue(value); break;
                case long value: json.WriteNumberValue(value); break;
                case int value: json.WriteNumberValue(value); break;
                case double value when double.IsFinite(value): json.WriteNumberValue(value); break;
                // a text would be another choice
                case double: json.WriteNullValue(); break;
                case string value: json.WriteStringValue(value); break;
                default: json.WriteStringValue(study.Show(i, parameters[i])); break;
            }
        }
        json.WriteEndObject();
    }

    internal static void Number(Utf8JsonWriter json, double value)
    {
        if (double.IsFinite(value)) json.WriteNumberValue(value);
        else json.WriteStringValue(double.IsNaN(value) ? NotANumber : value > 0 ? Infinite : NegativeInfinite);
    }
}

/// <summary>How a study stands at its end, or where it was interrupted.</summary>
/// <param name="Spec">Its spec, over the space in force.</param>
/// <param name="Directory">Its directory.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Test">Metrics of the best trial's selected weights on the test part; null while they are not measured.</param>
public sealed record StudySummary(StudySpec Spec, string Directory, StudyStatus Status, IReadOnlyDictionary<string, double>? Test)
{
    /// <summary>Why they could not be measured; null where they are, or there is nothing to measure.</summary>
    public string? Untested { get; init; }

    /// <summary>Why the study has failed; null = it has not.</summary>
    public string? Error => Status is { HasFailed: true, LastFailure: { } last }
        ? FormattableString.Invariant($"{Spec.Study.Stop.MaxFailures} trials in a row have failed (study.stop.max_failures), trial {last.Trial} as the last one: ")
            + (last.Error ?? RunJson.Name(last.Cause))
        : null;
}
