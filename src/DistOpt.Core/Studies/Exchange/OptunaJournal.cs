using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>
/// The log of Optuna's <c>JournalFileStorage</c> (<c>JournalFileBackend</c> from 4.0 on): one operation a line. Studies and trials have no ids in it but their
/// places. Written are times with their offset, UTC: Optuna 3 and 4 leave them so, 5 makes them local.
/// </summary>
public static class OptunaJournal
{
    /// <summary>Key of the names of objectives among a study's system attributes.</summary>
    public const string MetricNames = "study:metric_names";

    /// <summary>Key of a trial's constraints among its system attributes: a list, as Optuna up to 4 has them, and as they are written.</summary>
    public const string Constraints = "constraints";

    /// <summary>Begins the key of one constraint among them, its name after it: a number, as Optuna 5 has them.</summary>
    public const string NamedConstraint = Constraints + ":";

    /// <summary>Key of their names in the order of that list, among a study's system attributes. Only DistOpt knows it.</summary>
    public const string ConstraintNames = "distopt:constraint_names";

    private enum Operation
    {
        CreateStudy,
        DeleteStudy,
        SetStudyUserAttribute,
        SetStudySystemAttribute,
        CreateTrial,
        SetTrialParameter,
        SetTrialStateValues,
        SetTrialIntermediateValue,
        SetTrialUserAttribute,
        SetTrialSystemAttribute,
        DiscardTrials,
    }

    /// <summary>Writes a log with one study.</summary>
    public static void Write(TextWriter writer, ExchangedStudy study)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(study);
        Line(Operation.CreateStudy, json =>
        {
            json.WriteString("study_name", study.Name);
            json.WriteStartArray("directions");
            foreach (var direction in study.Directions) json.WriteNumberValue(direction switch { Direction.Minimize => 1, Direction.Maximize => 2, _ => 0 });
            json.WriteEndArray();
        });
        foreach (var (key, value) in study.Attributes) StudyAttribute(Operation.SetStudyUserAttribute, "user_attr", key, value);
        if (!study.Metrics.IsEmpty) StudyAttribute(Operation.SetStudySystemAttribute, "system_attr", MetricNames, study.Metrics);
        if (!study.Constraints.IsEmpty) StudyAttribute(Operation.SetStudySystemAttribute, "system_attr", ConstraintNames, study.Constraints);
        foreach (var trial in study.Trials) Line(Operation.CreateTrial, json => WriteTrial(json, trial));

        void StudyAttribute(Operation operation, string field, string key, object? value) => Line(operation, json =>
        {
            json.WriteNumber("study_id", 0);
            json.WriteStartObject(field);
            json.WritePropertyName(key);
            OptunaJson.Write(json, value);
            json.WriteEndObject();
        });

        void Line(Operation operation, Action<Utf8JsonWriter> fields)
        {
            writer.Write(RunJson.Text(false, json =>
            {
                json.WriteStartObject();
                json.WriteNumber("op_code", (int)operation);
                json.WriteString("worker_id", "distopt");
                fields(json);
                json.WriteEndObject();
            }));
            writer.Write('\n');
        }
    }

    /// <summary>The studies of a log that were not deleted. An incomplete last line, which a writer is at, is passed over.</summary>
    /// <param name="reader">The log.</param>
    /// <param name="path">What errors call it.</param>
    /// <exception cref="SpecException">A line is no operation; one violation with its number.</exception>
    public static IReadOnlyList<ExchangedStudy> Read(TextReader reader, string path)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var log = new Log();
        string? line = reader.ReadLine();
        for (int number = 1; line is not null; number++)
        {
            string? next = reader.ReadLine();
            try
            {
                log.Apply(line);
            }
            catch (FormatException) when (next is null && number > 1)
            {
                break;
            }
            catch (Exception e) when (e is FormatException or KeyNotFoundException or InvalidOperationException or ArgumentOutOfRangeException)
            {
                throw new SpecException([new SpecViolation(path, $"is no journal of Optuna: the line {CommandText(e)}", number)]);
            }
            line = next;
        }
        return [.. log.Studies.Values.Select(s => s.Study())];
    }

    private static string CommandText(Exception e) => e is FormatException ? e.Message : $"lacks a field or has a wrong one ({e.Message.Split('\n')[0]})";

    private static void WriteTrial(Utf8JsonWriter json, ExchangedTrial trial)
    {
        json.WriteNumber("study_id", 0);
        json.WriteNumber("state", (int)trial.State);
        WriteTime("datetime_start", trial.Started);
        if (trial.Ended is not null) WriteTime("datetime_complete", trial.Ended);
        json.WritePropertyName("value");
        OptunaJson.Write(json, trial.Values is [var value] ? value : null);
        json.WritePropertyName("values");
        OptunaJson.Write(json, trial.Values.Length > 1 ? trial.Values : null);
        json.WriteStartObject("distributions");
        foreach (var parameter in trial.Parameters) json.WriteString(parameter.Name, OptunaJson.Distribution(parameter.Domain!));
        json.WriteEndObject();
        json.WriteStartObject("params");
        foreach (var parameter in trial.Parameters) json.WriteNumber(parameter.Name, parameter.Internal);
        json.WriteEndObject();
        json.WriteStartObject("user_attrs");
        foreach (var (key, attribute) in UserAttributes(trial))
        {
            json.WritePropertyName(key);
            OptunaJson.Write(json, attribute);
        }
        json.WriteEndObject();
        json.WriteStartObject("system_attrs");
        if (!trial.Constraints.IsEmpty)
        {
            json.WritePropertyName(Constraints);
            OptunaJson.Write(json, trial.Constraints);
        }
        json.WriteEndObject();
        json.WriteStartObject("intermediate_values");
        foreach (var (step, reported) in trial.Intermediate)
        {
            json.WritePropertyName(step.ToString(CultureInfo.InvariantCulture));
            OptunaJson.Write(json, reported);
        }
        json.WriteEndObject();

        void WriteTime(string field, DateTime? time) =>
            json.WriteString(field, time?.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'+00:00'", CultureInfo.InvariantCulture));
    }

    /// <summary>The user attributes that a trial has in Optuna: its own, and its seconds.</summary>
    public static IEnumerable<KeyValuePair<string, object?>> UserAttributes(ExchangedTrial trial)
    {
        ArgumentNullException.ThrowIfNull(trial);
        return trial.Seconds is { } seconds ? trial.Attributes.Where(a => a.Key != "seconds").Prepend(new("seconds", seconds)) : trial.Attributes;
    }

    /// <summary>What the operations so far add up to.</summary>
    private sealed class Log
    {
        private readonly List<OptunaTrial> _trials = [];
        private int _created;

        public SortedDictionary<int, OptunaStudy> Studies { get; } = [];

        public void Apply(string line)
        {
            using var document = OptunaJson.Parse(line);
            var json = document.RootElement;
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("op_code", out var code)) throw new FormatException("has no op_code");
            var operation = (Operation)code.GetInt32();
            switch (operation)
            {
                case Operation.CreateStudy:
                    string name = json.GetProperty("study_name").GetString()!;
                    // Optuna refuses a second one of a name, and gives it no place
                    if (Studies.Values.Any(s => s.Name == name)) break;
                    Studies.Add(_created++, new OptunaStudy(name, [.. json.GetProperty("directions").EnumerateArray().Select(d =>
                        d.GetInt32() switch { 1 => Direction.Minimize, 2 => Direction.Maximize, _ => (Direction?)null })]));
                    break;
                case Operation.DeleteStudy:
                    Studies.Remove(json.GetProperty("study_id").GetInt32());
                    break;
                case Operation.SetStudySystemAttribute:
                    if (Study(json) is { } study)
                        foreach (var attribute in json.GetProperty("system_attr").EnumerateObject()) study.SetSystemAttribute(attribute.Name, attribute.Value);
                    break;
                case Operation.CreateTrial:
                    if (Study(json) is { } owner) Create(owner, json);
                    break;
                case Operation.SetTrialParameter:
                    if (Open(json) is { } had)
                    {
                        var domain = OptunaJson.Distribution(json.GetProperty("distribution").GetString()!);
                        had.Set(json.GetProperty("param_name").GetString()!, domain, OptunaJson.Number(json.GetProperty("param_value_internal")));
                    }
                    break;
                case Operation.SetTrialStateValues:
                    if (Open(json) is { } ending)
                    {
                        ending.State = State(json);
                        if (json.GetProperty("values") is { ValueKind: JsonValueKind.Array } values)
                            ending.Values = [.. values.EnumerateArray().Select(OptunaJson.Number)];
                    }
                    break;
                case Operation.SetTrialIntermediateValue:
                    Open(json)?.Report(json.GetProperty("step").GetInt64(), OptunaJson.Number(json.GetProperty("intermediate_value")));
                    break;
                case Operation.SetTrialSystemAttribute:
                    Open(json)?.SetSystemAttributes(json.GetProperty("system_attr"));
                    break;
                case Operation.SetStudyUserAttribute:
                    if (Study(json) is { } described)
                        foreach (var attribute in json.GetProperty("user_attr").EnumerateObject()) described.SetAttribute(attribute.Name, attribute.Value);
                    break;
                case Operation.SetTrialUserAttribute or Operation.DiscardTrials:
                    break;
                default:
                    throw new FormatException($"has op_code {(int)operation}, which is not known");
            }
        }

        private static ExchangedState State(JsonElement json) => (ExchangedState)json.GetProperty("state").GetInt32();

        private OptunaStudy? Study(JsonElement json) => Studies.GetValueOrDefault(json.GetProperty("study_id").GetInt32());

        /// <summary>The trial that is meant; null where it has ended, so that nothing changes it any more.</summary>
        private OptunaTrial? Open(JsonElement json) =>
            _trials[json.GetProperty("trial_id").GetInt32()] is { State: ExchangedState.Running or ExchangedState.Waiting } trial ? trial : null;

        private void Create(OptunaStudy study, JsonElement json)
        {
            var trial = new OptunaTrial(study.Trials.Count) { State = json.TryGetProperty("state", out _) ? State(json) : ExchangedState.Running };
            study.Trials.Add(trial);
            _trials.Add(trial);
            if (json.TryGetProperty("values", out var values) && values.ValueKind == JsonValueKind.Array)
                trial.Values = [.. values.EnumerateArray().Select(OptunaJson.Number)];
            else if (json.TryGetProperty("value", out var value) && value.ValueKind != JsonValueKind.Null) trial.Values = [OptunaJson.Number(value)];
            if (json.TryGetProperty("params", out var parameters))
            {
                foreach (var parameter in parameters.EnumerateObject())
                {
                    var domain = OptunaJson.Distribution(json.GetProperty("distributions").GetProperty(parameter.Name).GetString()!);
                    trial.Set(parameter.Name, domain, OptunaJson.Number(parameter.Value));
                }
            }
            if (json.TryGetProperty("intermediate_values", out var reports))
            {
                foreach (var report in reports.EnumerateObject())
                    trial.Report(long.Parse(report.Name, CultureInfo.InvariantCulture), OptunaJson.Number(report.Value));
            }
            if (json.TryGetProperty("system_attrs", out var attributes)) trial.SetSystemAttributes(attributes);
        }
    }
}

/// <summary>A study of Optuna while it is read.</summary>
/// <param name="name">Its name.</param>
/// <param name="directions">One for each objective; null = not set.</param>
public sealed class OptunaStudy(string name, ImmutableArray<Direction?> directions)
{
    private readonly SortedDictionary<string, object?> _attributes = new(StringComparer.Ordinal);
    private ImmutableArray<string> _metrics = [], _constraints = [];

    public string Name => name;

    public List<OptunaTrial> Trials { get; } = [];

    /// <summary>One of its user attributes, from its JSON.</summary>
    public void SetAttribute(string key, JsonElement json) => _attributes[key] = OptunaJson.Value(json.Clone());

    /// <summary>One of its system attributes, from its JSON: those that are names are read.</summary>
    public void SetSystemAttribute(string key, JsonElement json)
    {
        if (key == OptunaJournal.MetricNames) _metrics = Texts(json);
        else if (key == OptunaJournal.ConstraintNames) _constraints = Texts(json);
    }

    public ExchangedStudy Study() => new()
    {
        Name = name,
        Directions = directions,
        Metrics = _metrics,
        Constraints = Trials.Exists(t => t.ConstraintNames.Count > 0) ? NamesOfTrials() : _constraints,
        Attributes = [.. _attributes],
        Trials = [.. Trials.Select(t => t.Trial())],
    };

    /// <summary>The names that trials have for their constraints; empty where some have none or others.</summary>
    private ImmutableArray<string> NamesOfTrials()
    {
        var constrained = Trials.Where(t => t.HasConstraints).Select(t => t.ConstraintNames).ToList();
        return constrained.Count > 0 && constrained.TrueForAll(n => n.SequenceEqual(constrained[0])) ? [.. constrained[0]] : [];
    }

    /// <summary>A list of texts; empty where it is something else.</summary>
    private static ImmutableArray<string> Texts(JsonElement json) => json.ValueKind != JsonValueKind.Array ? []
        : [.. json.EnumerateArray().Where(t => t.ValueKind == JsonValueKind.String).Select(t => t.GetString()!)];
}

/// <summary>A trial of Optuna while it is read.</summary>
/// <param name="number">From 0.</param>
public sealed class OptunaTrial(int number)
{
    private readonly SortedDictionary<string, ExchangedParameter> _parameters = new(StringComparer.Ordinal);
    private readonly SortedDictionary<long, double> _reports = [];
    private readonly SortedDictionary<string, double> _namedConstraints = new(StringComparer.Ordinal);
    private ImmutableArray<double> _constraints = [];

    public ExchangedState State { get; set; }

    public ImmutableArray<double> Values { get; set; } = [];

    /// <summary>Whether it has any.</summary>
    public bool HasConstraints => _namedConstraints.Count > 0 || !_constraints.IsEmpty;

    /// <summary>What it calls them itself; empty where they are a list.</summary>
    public IReadOnlyCollection<string> ConstraintNames => _namedConstraints.Keys;

    public void Set(string name, Domain domain, double value) => _parameters[name] = ExchangedParameter.Of(name, domain, value);

    public void Report(long step, double value) => _reports[step] = value;

    /// <summary>From an object of them, of which constraints are read.</summary>
    public void SetSystemAttributes(JsonElement json)
    {
        foreach (var attribute in json.EnumerateObject()) SetSystemAttribute(attribute.Name, attribute.Value);
    }

    /// <summary>
    /// Constraints from their JSON: a list (null and what is none are no constraints), or one by its name (what is no number is none). Any other attribute
    /// changes nothing. Where there are named ones they are the trial's, in the order of their names.
    /// </summary>
    public void SetSystemAttribute(string key, JsonElement json)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key == OptunaJournal.Constraints) _constraints = json.ValueKind == JsonValueKind.Array ? [.. json.EnumerateArray().Select(OptunaJson.Number)] : [];
        else if (key.StartsWith(OptunaJournal.NamedConstraint, StringComparison.Ordinal))
        {
            string name = key[OptunaJournal.NamedConstraint.Length..];
            if (OptunaJson.Value(json) is long or double) _namedConstraints[name] = OptunaJson.Number(json);
            else _namedConstraints.Remove(name);
        }
    }

    public ExchangedTrial Trial() => new()
    {
        Number = number,
        State = State,
        Parameters = [.. _parameters.Values],
        Values = Values,
        Intermediate = [.. _reports.Select(r => new Report(r.Key, r.Value))],
        Constraints = _namedConstraints.Count > 0 ? [.. _namedConstraints.Values] : _constraints,
    };
}
