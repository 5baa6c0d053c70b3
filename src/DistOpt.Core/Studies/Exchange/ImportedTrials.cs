using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>The file of the trials that a study was given at its beginning: <c>imported.jsonl</c>, one a line.</summary>
public static class ImportedTrials
{
    /// <summary>The text of the file.</summary>
    public static string Write(StudySpec spec, IReadOnlyList<ImportedTrial> trials)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(trials);
        var text = new StringBuilder();
        foreach (var trial in trials)
        {
            text.Append(RunJson.Text(false, json =>
            {
                json.WriteStartObject();
                json.WriteString("source", trial.Source);
                json.WriteString("state", RunJson.Name(trial.State));
                json.WriteStartObject("params");
                foreach (var (name, value) in spec.Space.Named(trial.Parameters.AsSpan()))
                {
                    json.WritePropertyName(name);
                    OptunaJson.Write(json, value);
                }
                json.WriteEndObject();
                json.WritePropertyName("values");
                OptunaJson.Write(json, trial.Values);
                if (!trial.Constraints.IsEmpty)
                {
                    json.WritePropertyName("constraints");
                    OptunaJson.Write(json, trial.Constraints);
                }
                if (trial.Last is { } last)
                {
                    json.WriteNumber("step", last.Step);
                    json.WritePropertyName("reported");
                    OptunaJson.Write(json, last.Value);
                }
                json.WriteEndObject();
            })).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>The trials of a study's directory; none where it has no such file.</summary>
    /// <exception cref="SpecException">The file is damaged.</exception>
    public static IReadOnlyList<ImportedTrial> Read(StudySpec spec, StudyDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(directory);
        return File.Exists(directory.ImportedFile) ? Parse(spec, File.ReadAllText(directory.ImportedFile), directory.ImportedFile) : [];
    }

    /// <summary>The trials of such a text.</summary>
    /// <param name="spec">The study that they are for.</param>
    /// <param name="text">A trial a line.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="SpecException">A line is none, or no trial of this space and these objectives.</exception>
    public static IReadOnlyList<ImportedTrial> Parse(StudySpec spec, string text, string name)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(text);
        var trials = new List<ImportedTrial>();
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            try
            {
                trials.Add(Read(spec, line));
            }
            catch (Exception e) when (e is FormatException or KeyNotFoundException or InvalidOperationException or SpecException)
            {
                throw new SpecException([new SpecViolation(name, $"is damaged: {e.Message}", trials.Count + 1)]);
            }
        }
        return trials;
    }

    private static ImportedTrial Read(StudySpec spec, string line)
    {
        using var document = OptunaJson.Parse(line);
        var json = document.RootElement;
        var state = json.GetProperty("state").GetString() == RunJson.Name(TrialState.Complete) ? TrialState.Complete : TrialState.Pruned;
        double[] parameters = spec.Space.Configuration(json.GetProperty("params").EnumerateObject()
            .Select(p => new KeyValuePair<string, object?>(p.Name, OptunaJson.Value(p.Value))), "params");
        Report? last = json.TryGetProperty("step", out var step) ? new Report(step.GetInt64(), OptunaJson.Number(json.GetProperty("reported"))) : null;
        var values = Numbers("values");
        int objectives = state == TrialState.Complete ? spec.Directions.Length : 0;
        if (values.Length != objectives || values.Any(double.IsNaN)) throw new FormatException($"a trial that is {RunJson.Name(state)} has {objectives} values that are numbers");
        return new ImportedTrial(state, [.. parameters], values, Numbers("constraints"), last, json.GetProperty("source").GetString()!);

        ImmutableArray<double> Numbers(string field) =>
            json.TryGetProperty(field, out var numbers) ? [.. numbers.EnumerateArray().Select(OptunaJson.Number)] : [];
    }
}
