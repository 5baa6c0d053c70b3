using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DistOpt.Core.Training;

namespace DistOpt.Core.Runs;

/// <summary>
/// The JSON of a run's files and of the HTTP API: metric rows, log lines and the summary, each written and read in this one place.
/// NaN and infinities, which JSON does not have, are written as null and read as NaN.
/// </summary>
public static class RunJson
{
    /// <summary>Names that a metric cannot have, because a row has fields of these names.</summary>
    public static readonly IReadOnlyList<string> ReservedNames =
        ["step", "epoch", "split", "learning_rate", "batch_size", "batch_reason", "noise_scale", "adascale_gain", "samples_per_second", "wall_seconds"];

    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions Indented = Compact with { Indented = true, NewLine = "\n" };

    /// <summary>One line of <c>metrics.jsonl</c>, without the line end. Fields that do not exist are absent.</summary>
    /// <exception cref="ArgumentException">A metric has a reserved name.</exception>
    public static string RowLine(MetricRow row) => Text(Compact, json => WriteRow(json, row));

    /// <summary>One line of <c>log.jsonl</c>, without the line end.</summary>
    /// <param name="line">The line.</param>
    /// <param name="run">Of a study: the trial and the repeat that wrote it, which stand first; null = it is known whose line it is.</param>
    public static string LogLineText(LogLine line, (int Trial, int Repeat)? run = null) => Text(Compact, json =>
    {
        json.WriteStartObject();
        if (run is { } trial)
        {
            json.WriteNumber("trial", trial.Trial);
            json.WriteNumber("repeat", trial.Repeat);
        }
        json.WriteNumber("seconds", Math.Round(line.Seconds, 3));
        json.WriteString("node", line.Node);
        json.WriteString("source", line.Source);
        json.WriteString("level", line.Level);
        json.WriteString("text", line.Text);
        json.WriteEndObject();
    });

    /// <summary>The content of <c>summary.json</c>: indented, with a line end.</summary>
    public static string SummaryText(RunSummary summary) => Text(Indented, json => WriteSummary(json, summary)) + "\n";

    public static void WriteRow(Utf8JsonWriter json, MetricRow row)
    {
        json.WriteStartObject();
        json.WriteNumber("step", row.Step);
        json.WriteNumber("epoch", row.Epoch);
        json.WriteString("split", Name(row.Split));
        foreach (var (name, value) in row.Metrics)
        {
            if (ReservedNames.Contains(name))
                throw new ArgumentException($"a metric cannot be called '{name}': metric rows have a field of that name; choose another name");
            if (name == MetricSums.Loss) WriteValue(json, name, value);
        }
        if (row.LearningRate is { } rate) WriteValue(json, "learning_rate", rate);
        if (row.BatchSize is { } size) json.WriteNumber("batch_size", size);
        if (row.BatchReason is { } reason) json.WriteString("batch_reason", reason);
        if (row.NoiseScale is { } scale) WriteValue(json, "noise_scale", scale);
        if (row.AdascaleGain is { } gain) WriteValue(json, "adascale_gain", gain);
        if (row.SamplesPerSecond is { } speed) WriteValue(json, "samples_per_second", Math.Round(speed, 1));
        json.WriteNumber("wall_seconds", Math.Round(row.WallSeconds, 3));
        foreach (var (name, value) in row.Metrics)
            if (name != MetricSums.Loss) WriteValue(json, name, value);
        json.WriteEndObject();
    }

    public static void WriteSummary(Utf8JsonWriter json, RunSummary summary)
    {
        json.WriteStartObject();
        WriteSummaryFields(json, summary);
        json.WriteEndObject();
    }

    /// <summary>The fields of the summary into an object that the caller has opened.</summary>
    public static void WriteSummaryFields(Utf8JsonWriter json, RunSummary summary)
    {
        json.WriteString("job", summary.Job);
        json.WriteString("status", Name(summary.Status));
        json.WriteString("stop_reason", summary.StopReason is { } reason ? Name(reason) : null);
        if (summary.Error is { } error) json.WriteString("error", error);
        json.WriteNumber("steps", summary.Steps);
        json.WriteNumber("epochs", summary.Epochs);
        json.WriteNumber("samples", summary.Samples);
        json.WritePropertyName("selected");
        if (summary.Selected is { } selected)
        {
            json.WriteStartObject();
            json.WriteNumber("step", selected.Step);
            json.WriteString("metric", selected.Metric);
            WriteValue(json, "value", selected.Value);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNullValue();
        }
        WriteMetrics(json, "train", summary.Train);
        WriteMetrics(json, "validation", summary.Validation);
        WriteMetrics(json, "test", summary.Test);
        json.WriteNumber("wall_seconds", Math.Round(summary.WallSeconds, 3));
        WriteValue(json, "samples_per_second", Math.Round(summary.SamplesPerSecond, 1));
        json.WriteNumber("workers", summary.Workers);
        json.WriteNumber("servers", summary.Servers);
        json.WriteNumber("processes", summary.Processes);
        json.WriteNumber("gradient_shards", summary.GradientShards);
        json.WriteNumber("worker_failures", summary.WorkerFailures);
        json.WriteNumber("server_failures", summary.ServerFailures);
        json.WriteNumber("coordinator_restarts", summary.CoordinatorRestarts);
        json.WriteNumber("rollbacks", summary.Rollbacks);
        json.WriteNumber("steps_computed", summary.StepsComputed);
        json.WriteString("weights_sha256", summary.WeightsSha256);
        FailureJson.Write(json, summary.Failures);
    }

    /// <exception cref="JsonException">The text is no metric row.</exception>
    public static MetricRow ParseRow(string line)
    {
        using var document = JsonDocument.Parse(line);
        var row = Object(document);
        var metrics = new List<KeyValuePair<string, double>>();
        foreach (var property in row.EnumerateObject())
            if (!ReservedNames.Contains(property.Name)) metrics.Add(new(property.Name, Number(property.Value)));
        return new MetricRow(
            Field(row, "step").GetInt64(),
            Field(row, "epoch").GetInt32(),
            ParseName<DataSplit>(Field(row, "split")),
            metrics,
            row.TryGetProperty("learning_rate", out var rate) ? Number(rate) : null,
            row.TryGetProperty("batch_size", out var size) ? size.GetInt32() : null,
            row.TryGetProperty("samples_per_second", out var speed) ? Number(speed) : null,
            Number(Field(row, "wall_seconds")))
        {
            BatchReason = row.TryGetProperty("batch_reason", out var reason) ? reason.GetString() : null,
            NoiseScale = row.TryGetProperty("noise_scale", out var scale) ? Number(scale) : null,
            AdascaleGain = row.TryGetProperty("adascale_gain", out var gain) ? Number(gain) : null,
        };
    }

    /// <exception cref="JsonException">The text is no log line.</exception>
    public static LogLine ParseLogLine(string line)
    {
        using var document = JsonDocument.Parse(line);
        var log = Object(document);
        return new LogLine(Text(log, "node"), Text(log, "source"), Text(log, "level"), Text(log, "text"), Number(Field(log, "seconds")));
    }

    /// <exception cref="JsonException">The text is no summary.</exception>
    public static RunSummary ParseSummary(string text)
    {
        using var document = JsonDocument.Parse(text);
        return ParseSummary(Object(document));
    }

    /// <exception cref="JsonException">The element is no summary.</exception>
    public static RunSummary ParseSummary(JsonElement json) => new()
    {
        Job = Text(json, "job"),
        Status = ParseName<RunStatus>(Field(json, "status")),
        StopReason = Field(json, "stop_reason") is { ValueKind: JsonValueKind.String } reason ? ParseName<StopReason>(reason) : null,
        Error = json.TryGetProperty("error", out var error) ? error.GetString() : null,
        Steps = Field(json, "steps").GetInt64(),
        Epochs = Field(json, "epochs").GetInt32(),
        Samples = Field(json, "samples").GetInt64(),
        Selected = Field(json, "selected") is { ValueKind: JsonValueKind.Object } selected
            ? new SelectedWeights(Field(selected, "step").GetInt64(), Text(selected, "metric"), Number(Field(selected, "value")))
            : null,
        Train = Metrics(json, "train"),
        Validation = Metrics(json, "validation"),
        Test = Metrics(json, "test"),
        WallSeconds = Number(Field(json, "wall_seconds")),
        SamplesPerSecond = Number(Field(json, "samples_per_second")),
        Workers = Field(json, "workers").GetInt32(),
        Servers = Field(json, "servers").GetInt32(),
        Processes = Field(json, "processes").GetInt32(),
        GradientShards = Field(json, "gradient_shards").GetInt32(),
        WorkerFailures = Field(json, "worker_failures").GetInt32(),
        ServerFailures = Field(json, "server_failures").GetInt32(),
        CoordinatorRestarts = Field(json, "coordinator_restarts").GetInt32(),
        Rollbacks = Field(json, "rollbacks").GetInt32(),
        StepsComputed = Field(json, "steps_computed").GetInt64(),
        WeightsSha256 = Field(json, "weights_sha256").GetString(),
        Failures = FailureJson.Parse(json),
    };

    /// <summary>An enum value as it stands in files: <c>MaxSteps</c> becomes <c>max_steps</c>.</summary>
    public static string Name<T>(T value) where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>The whole JSON text that <paramref name="write"/> produces, as UTF-16.</summary>
    public static string Text(bool indented, Action<Utf8JsonWriter> write) => Text(indented ? Indented : Compact, write);

    /// <summary>Writes a number, or null where JSON has none for it.</summary>
    public static void WriteValue(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value)) json.WriteNumber(name, value);
        else json.WriteNull(name);
    }

    private static void WriteMetrics(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, double> metrics)
    {
        json.WriteStartObject(name);
        foreach (var (metric, value) in metrics) WriteValue(json, metric, value);
        json.WriteEndObject();
    }

    private static string Text(JsonWriterOptions options, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, options)) write(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static Dictionary<string, double> Metrics(JsonElement json, string name) =>
        Field(json, name).EnumerateObject().ToDictionary(p => p.Name, p => Number(p.Value));

    private static JsonElement Object(JsonDocument document) => document.RootElement.ValueKind == JsonValueKind.Object
        ? document.RootElement
        : throw new JsonException($"an object was expected, but this is a {document.RootElement.ValueKind}");

    private static JsonElement Field(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value : throw new JsonException($"the field '{name}' is missing");

    private static string Text(JsonElement json, string name) =>
        Field(json, name).GetString() ?? throw new JsonException($"the field '{name}' is null");

    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.Null ? double.NaN : value.GetDouble();

    private static T ParseName<T>(JsonElement value) where T : struct, Enum
    {
        string? text = value.GetString();
        foreach (var candidate in Enum.GetValues<T>())
            if (Name(candidate) == text) return candidate;
        throw new JsonException($"'{text}' is no {typeof(T).Name}");
    }
}
