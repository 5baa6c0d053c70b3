using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>A <c>--require</c> condition on the final metrics, such as <c>test.accuracy>=0.95</c>.</summary>
internal sealed partial record Requirement(string Text, string Split, string Metric, string Operator, double Bound)
{
    /// <exception cref="SpecException">One violation for each text that is no condition.</exception>
    public static IReadOnlyList<Requirement> ParseAll(IEnumerable<string> texts)
    {
        var violations = new List<SpecViolation>();
        var requirements = new List<Requirement>();
        foreach (string text in texts)
        {
            if (Parse(text) is { } requirement) requirements.Add(requirement);
            else violations.Add(new SpecViolation("--require", $"'{text}' is no condition; write SPLIT.METRIC, one of >= <= > < and a number, such as 'test.accuracy>=0.95' (splits: train, validation, test)"));
        }
        return violations.Count == 0 ? requirements : throw new SpecException(violations);
    }

    /// <summary>Whether all are met; writes one line for each that is not.</summary>
    public static bool Met(IReadOnlyList<Requirement> requirements, RunSummary summary, TextWriter error)
    {
        string[] missed = [.. requirements.Select(r => r.Check(summary)).OfType<string>()];
        foreach (string line in missed) error.WriteLine("error: " + line);
        return missed.Length == 0;
    }

    /// <summary>Whether all are met by metrics as <c>split.name</c>; writes one line for each that is not.</summary>
    public static bool Met(IReadOnlyList<Requirement> requirements, IReadOnlyDictionary<string, double> metrics, TextWriter error)
    {
        string[] missed = [.. requirements.Select(r => r.Check(metrics.Where(m => m.Key.StartsWith(r.Split + ".", StringComparison.Ordinal))
            .ToDictionary(m => m.Key[(r.Split.Length + 1)..], m => m.Value))).OfType<string>()];
        foreach (string line in missed) error.WriteLine("error: " + line);
        return missed.Length == 0;
    }

    /// <summary>Whether all are met by the best trial of a study: its objectives, and its metrics on the test part.</summary>
    /// <param name="summary">The study's, as <c>summary.json</c> has it.</param>
    public static bool MetByStudy(IReadOnlyList<Requirement> requirements, JsonElement summary, TextWriter error)
    {
        var metrics = new Dictionary<string, double>();
        if (summary.TryGetProperty("best", out var best) && best.ValueKind == JsonValueKind.Object)
        {
            var objectives = summary.GetProperty("objectives");
            for (int i = 0; i < objectives.GetArrayLength(); i++)
                Add(objectives[i].GetProperty("metric").GetString()!, best.TryGetProperty("values", out var values) ? values[i] : best.GetProperty("value"));
        }
        if (summary.TryGetProperty("test", out var test))
            foreach (var metric in test.EnumerateObject()) Add($"{RunJson.Name(DataSplit.Test)}.{metric.Name}", metric.Value);
        return Met(requirements, metrics, error);

        void Add(string name, JsonElement value)
        {
            if (value.ValueKind != JsonValueKind.Null) metrics[name] = StudyJson.Number(value);
        }
    }

    /// <summary>Null if it is met, else one line that says what it is instead.</summary>
    public string? Check(RunSummary summary) => Check(Split switch
    {
        "train" => summary.Train,
        "validation" => summary.Validation,
        _ => summary.Test,
    });

    /// <inheritdoc cref="Check(RunSummary)"/>
    public string? Check(IReadOnlyDictionary<string, double> metrics)
    {
        if (!metrics.TryGetValue(Metric, out double value))
        {
            return metrics.Count == 0
                ? $"required {Text}, but the run has no {Split} metrics"
                : $"required {Text}, but {Split} has no metric '{Metric}' (it has: {string.Join(", ", metrics.Keys)})";
        }
        bool met = Operator switch
        {
            ">=" => value >= Bound,
            "<=" => value <= Bound,
            ">" => value > Bound,
            _ => value < Bound,
        };
        return met ? null : string.Create(CultureInfo.InvariantCulture, $"required {Text}, but {Split}.{Metric} is {value:0.######}");
    }

    private static Requirement? Parse(string text)
    {
        var match = Pattern().Match(text);
        return match.Success && double.TryParse(match.Groups["bound"].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double bound)
            && double.IsFinite(bound)
            ? new Requirement(text, match.Groups["split"].Value, match.Groups["metric"].Value, match.Groups["op"].Value, bound)
            : null;
    }

    [GeneratedRegex(@"^\s*(?<split>train|validation|test)\.(?<metric>[A-Za-z_][A-Za-z0-9_.\-/]*)\s*(?<op>>=|<=|>|<)\s*(?<bound>\S+)\s*$")]
    private static partial Regex Pattern();
}
