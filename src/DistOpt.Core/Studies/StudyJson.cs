using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>The JSON of a study's files. NaN and infinities, which JSON does not have, are written as null.</summary>
public static class StudyJson
{
    /// <summary>One line of <c>trials.jsonl</c>, without the line end.</summary>
    /// <param name="trial">The trial.</param>
    /// <param name="study">Its study.</param>
    /// <param name="node">Where it ran.</param>
    public static string TrialLine(TrialRecord trial, StudySpec study, string node) => RunJson.Text(false, json =>
    {
        ArgumentNullException.ThrowIfNull(trial);
        json.WriteStartObject();
        json.WriteNumber("number", trial.Number);
        json.WriteString("state", RunJson.Name(trial.State));
        json.WriteString("cause", RunJson.Name(trial.Cause));
        WriteParameters(json, study, trial.Parameters);
        WriteValues(json, study, trial.Values);
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
        json.WriteNumber("attempts", trial.Attempts);
        if (!trial.Losses.IsEmpty)
        {
            json.WriteStartArray("lost");
            foreach (string loss in trial.Losses) json.WriteStringValue(loss);
            json.WriteEndArray();
        }
        json.WriteNumber("seconds", Math.Round(trial.Seconds, 3));
        json.WriteString("node", node);
        if (trial.Error is { } error) json.WriteString("error", error);
        json.WriteEndObject();
    });

    /// <summary><c>summary.json</c>, and what <c>sweep --format json</c> prints.</summary>
    public static void WriteSummary(Utf8JsonWriter json, StudySummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        var (study, status) = (summary.Spec, summary.Status);
        json.WriteStartObject();
        json.WriteString("study", summary.Directory);
        json.WriteString("name", study.Name);
        json.WriteString("status", status.End is null ? "interrupted" : status.End == StudyStopReason.Cancelled ? "cancelled" : "completed");
        json.WriteString("stop_reason", status.End is { } end ? RunJson.Name(end) : null);
        json.WriteStartObject("trials");
        var counts = status.Counts;
        foreach (var (name, count) in (ReadOnlySpan<(string, int)>)[("complete", counts.Complete), ("pruned", counts.Pruned), ("failed", counts.Failed),
            ("cancelled", counts.Cancelled), ("running", counts.Running), ("paused", counts.Paused), ("waiting", counts.Waiting)])
            json.WriteNumber(name, count);
        json.WriteEndObject();
        if (status.Imported > 0) json.WriteNumber("imported", status.Imported);
        json.WritePropertyName("best");
        if (status.Best is { } best) WriteResult(json, summary, best);
        else json.WriteNullValue();
        if (study.Study.Objectives.Length > 1)
        {
            json.WriteStartArray("front");
            foreach (var result in status.Front) WriteResult(json, summary, result);
            json.WriteEndArray();
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
        json.WriteNumber("seconds", Math.Round(status.Seconds, 3));
        json.WriteNumber("interruptions", status.Sessions);
        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, StudySummary summary, TrialResult result)
    {
        json.WriteStartObject();
        json.WriteNumber("number", result.Number);
        WriteValues(json, summary.Spec, result.Values);
        WriteParameters(json, summary.Spec, result.Parameters);
        json.WriteString("run", new StudyDirectory(summary.Directory).RunFolder(result.Number));
        if (summary.Status.Best == result) json.WriteString("spec", new StudyDirectory(summary.Directory).BestSpecFile);
        json.WriteEndObject();
    }

    /// <summary><c>"value"</c> for one objective, <c>"values"</c> for several.</summary>
    private static void WriteValues(Utf8JsonWriter json, StudySpec study, ImmutableArray<double> values)
    {
        if (study.Study.Objectives.Length == 1)
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

    private static void WriteParameters(Utf8JsonWriter json, StudySpec study, ImmutableArray<double> parameters)
    {
        json.WriteStartObject("params");
        for (int i = 0; i < parameters.Length; i++)
        {
            if (double.IsNaN(parameters[i])) continue;
            json.WritePropertyName(study.Space.Space.Parameters[i].Name);
            switch (study.Space.Value(i, parameters[i]))
            {
                case null: json.WriteNullValue(); break;
                case bool value: json.WriteBooleanValue(value); break;
                case long value: json.WriteNumberValue(value); break;
                case int value: json.WriteNumberValue(value); break;
                case double value: Number(json, value); break;
                case string value: json.WriteStringValue(value); break;
                default: json.WriteStringValue(study.Space.Show(i, parameters[i])); break;
            }
        }
        json.WriteEndObject();
    }

    private static void Number(Utf8JsonWriter json, double value)
    {
        if (double.IsFinite(value)) json.WriteNumberValue(value);
        else json.WriteNullValue();
    }
}

/// <summary>How a study stands at its end, or where it was interrupted.</summary>
/// <param name="Spec">Its spec.</param>
/// <param name="Directory">Its directory.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="Test">Metrics of the best trial's selected weights on the test part; null while they are not measured.</param>
public sealed record StudySummary(StudySpec Spec, string Directory, StudyStatus Status, IReadOnlyDictionary<string, double>? Test);
