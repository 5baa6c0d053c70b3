using System.Text.Json;
using DistOpt.Core.Importance;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies;

namespace DistOpt;

/// <summary>What <c>explain --format json</c> prints.</summary>
internal static class ExplanationJson
{
    public static void Write(Utf8JsonWriter json, string path, StudyReading study, IReadOnlyList<ObjectiveExplanation> explanations)
    {
        json.WriteStartObject();
        json.WriteString("study", path);
        json.WriteString("name", study.Outline.Name);
        StudySource.WriteNotEnded(json, study);
        json.WriteStartArray("objectives");
        foreach (var explanation in explanations) Write(json, study.Outline, explanation);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, StudyOutline study, ObjectiveExplanation explanation)
    {
        var trials = explanation.Trials;
        json.WriteStartObject();
        json.WriteString("metric", trials.Metric);
        json.WriteString("direction", RunJson.Name(trials.Direction));
        json.WriteNumber("trials", trials.Trials.Length);
        json.WriteNumber("complete", trials.Complete);
        json.WriteNumber("failed", trials.Failed);
        json.WriteNumber("diverged", trials.Diverged);
        if (trials.Step is { } step) json.WriteNumber("step", step);
        else json.WriteNull("step");
        json.WriteNumber("best_trials", explanation.Best);
        RunJson.WriteValue(json, "fit", explanation.Fit ?? double.NaN);
        json.WriteStartArray("parameters");
        foreach (var parameter in explanation.Parameters) Write(json, study, parameter);
        json.WriteEndArray();
        json.WriteStartArray("interactions");
        foreach (var pair in explanation.Interactions)
        {
            json.WriteStartObject();
            json.WriteStartArray("parameters");
            json.WriteStringValue(Name(study, pair.First));
            json.WriteStringValue(Name(study, pair.Second));
            json.WriteEndArray();
            Write(json, "fanova", pair.Variance);
            json.WriteBoolean("matters", pair.Matters);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("change");
        json.WritePropertyName("observed");
        if (explanation.Observed is { } observed) Write(json, study, observed);
        else json.WriteNullValue();
        json.WritePropertyName("estimated");
        Write(json, study, explanation.Estimated);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, StudyOutline study, ParameterExplanation explanation)
    {
        var region = explanation.Region;
        json.WriteStartObject();
        json.WriteString("name", Name(study, explanation.Parameter));
        Write(json, "fanova", explanation.Variance);
        Write(json, "ped_anova", explanation.Ped);
        json.WriteStartObject("best");
        json.WriteNumber("trials", region.Best);
        json.WriteNumber("of", region.All);
        if (!double.IsNaN(region.Low))
        {
            Value(json, "low", study, explanation.Parameter, region.Low);
            Value(json, "median", study, explanation.Parameter, region.Median);
            Value(json, "high", study, explanation.Parameter, region.High);
            RunJson.WriteValue(json, "share_of_space", region.Share);
            json.WriteString("at_end", region.End == RangeEnd.None ? null : RunJson.Name(region.End));
        }
        if (!region.Choices.IsEmpty)
        {
            json.WriteStartArray("choices");
            foreach (var choice in region.Choices)
            {
                json.WriteStartObject();
                Value(json, "choice", study, explanation.Parameter, choice.Choice);
                json.WriteNumber("best", choice.Best);
                json.WriteNumber("all", choice.All);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
        json.WritePropertyName("estimated");
        Write(json, study, explanation.Change);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, StudyOutline study, ObservedChange change)
    {
        json.WriteStartObject();
        json.WriteString("parameter", Name(study, change.Parameter));
        Value(json, "from", study, change.Parameter, change.Worse.Parameters[change.Parameter]);
        Value(json, "to", study, change.Parameter, change.Better.Parameters[change.Parameter]);
        json.WriteNumber("from_trial", change.Worse.Number);
        json.WriteNumber("to_trial", change.Better.Number);
        RunJson.WriteValue(json, "from_value", change.Worse.Value);
        RunJson.WriteValue(json, "to_value", change.Better.Value);
        RunJson.WriteValue(json, "gain", change.Gain);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, StudyOutline study, EstimatedChange change)
    {
        json.WriteStartObject();
        json.WriteString("parameter", Name(study, change.Parameter));
        Value(json, "to", study, change.Parameter, change.Value);
        RunJson.WriteValue(json, "mean_of_space", change.From);
        RunJson.WriteValue(json, "mean_there", change.To);
        Write(json, "gain", change.Gain);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, Uncertain value)
    {
        json.WriteStartObject(name);
        RunJson.WriteValue(json, "mean", value.Mean);
        RunJson.WriteValue(json, "deviation", value.Deviation);
        json.WriteEndObject();
    }

    private static string Name(StudyOutline study, int parameter) => study.Space.Parameters[parameter].Name;

    private static void Value(Utf8JsonWriter json, string name, StudyOutline study, int parameter, double value)
    {
        switch (study.Value(parameter, value))
        {
            case null: json.WriteNull(name); break;
            case bool truth: json.WriteBoolean(name, truth); break;
            case long whole: json.WriteNumber(name, whole); break;
            case double number: RunJson.WriteValue(json, name, number); break;
            default: json.WriteString(name, study.Show(parameter, value)); break;
        }
    }
}
