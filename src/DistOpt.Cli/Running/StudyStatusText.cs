using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Studies;

namespace DistOpt;

/// <summary>A study as the HTTP API tells it, while it goes on and after its end, for people.</summary>
internal static class StudyStatusText
{
    /// <summary>Trials that run of which a line tells.</summary>
    private const int Shown = 8;

    /// <summary>Whether the API tells of a study.</summary>
    public static bool IsStudy(JsonElement job) => job.TryGetProperty("kind", out var kind) && kind.GetString() == "study";

    /// <summary>Everything there is to know.</summary>
    public static void Write(TextWriter writer, JsonElement study)
    {
        var summary = study.TryGetProperty("summary", out var end) && end.ValueKind == JsonValueKind.Object ? end : study;
        var rows = new List<IReadOnlyList<string>>();
        foreach (var (name, label) in ((string, string)[])[("id", "id"), ("name", "name"), ("status", "status"), ("stop_reason", "stop reason"), ("waiting_for", "waits for"),
            ("parallel", "trials at a time"), ("imported", "imported trials"), ("enqueued", "points to try first"), ("refused", "left out"), ("interruptions", "interruptions"), ("run", "results in")])
        {
            string? text = Text(study, name) ?? Text(summary, name);
            if (!string.IsNullOrEmpty(text) && !(name == "interruptions" && text == "0")) rows.Add([label, text]);
        }
        foreach (var (name, what) in ((string, string)[])[("space", "space"), ("next_space", "next space")])
            if ((Space(study, name) ?? Space(summary, name)) is { } space) rows.Add([what, space]);
        bool hasFailed = Text(study, "status") == "failed";
        // one that has failed does not say: it was not there any more
        if (!hasFailed || summary.TryGetProperty("trials", out _)) rows.Add(["trials", Counts(summary, study)]);
        if (Text(summary, "seconds") is { } seconds) rows.Add(["time", Format.Duration(double.Parse(seconds, CultureInfo.InvariantCulture))]);
        if (summary.TryGetProperty("best", out var best) && best.ValueKind == JsonValueKind.Object) rows.Add(["best", Trial(best)]);
        bool hasNone = Text(summary, "no_best") is not null;
        if (hasNone) rows.Add(["best", $"none: {Text(summary, "no_best")}"]);
        else if (Front(summary) is { } front) rows.Add(["front", front]);
        if (Text(summary, "expected_improvement") is { } improvement) rows.Add(["expected improvement", Short(double.Parse(improvement, CultureInfo.InvariantCulture))]);
        if (summary.TryGetProperty("test", out var test)) rows.Add(["its test", Fields(test)]);
        if (Text(summary, "test_error") is { } untested) rows.Add(["its test", $"is not known: {CommandLine.FirstLine(untested)}"]);
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        if (Text(summary, "error") is { } error) writer.WriteLine(error);
        if (hasFailed && Text(study, "id") is { } id) writer.WriteLine($"go on with it, once that is mended: distopt resume {id}");
        if (hasNone && Text(summary, "stop_reason") == "trials" && Text(study, "id") is { } ended)
            writer.WriteLine($"give it more trials, N in all: distopt set {ended} --trials N");
        foreach (string line in Format.Table(FrontRows(summary))) writer.WriteLine(line);
        foreach (string line in Format.Table(LiveRows(study))) writer.WriteLine(line);
        foreach (string line in WaitLines(study)) writer.WriteLine(line);
        foreach (string line in Format.Table(RungRows(study))) writer.WriteLine(line);
    }

    /// <summary>Where it stands, in a line.</summary>
    public static string Line(JsonElement study)
    {
        string best = study.TryGetProperty("best", out var found) && found.ValueKind == JsonValueKind.Object ? $"; best: {Trial(found)}"
            : Text(study, "no_best") is { } none ? $"; {none}"
            : Front(study) is { } front ? $"; front: {front}" : "";
        string waits = Text(study, "waiting_for") is { } wait ? $"; waits for {wait}" : "";
        return $"{Text(study, "status")}: {Counts(study, study)}{best}{waits}";
    }

    /// <summary>A line of <c>trials.jsonl</c>.</summary>
    public static string Ended(JsonElement trial)
    {
        string infeasible = (Array(trial, "constraints") ?? []).Any(c => !(StudyJson.Number(c) <= 0)) ? "  infeasible" : "";
        string result = Values(trial) is { Length: > 0 } values ? values + infeasible
            : trial.TryGetProperty("intermediate", out var reports) && reports.GetArrayLength() > 0
                ? $"{reports[reports.GetArrayLength() - 1][1]} at {reports[reports.GetArrayLength() - 1][0]}" : Text(trial, "cause") ?? "";
        string error = Text(trial, "error") is { } text ? Environment.NewLine + "           " + CommandLine.FirstLine(text) : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"trial {trial.GetProperty("number").GetInt32(),4} {Text(trial, "state"),-9} {result}  {Fields(trial.GetProperty("params"))}{error}");
    }

    /// <summary>Of several objectives: how many trials no other one is better than in everything, and what they dominate; null where there is one.</summary>
    private static string? Front(JsonElement study) => Array(study, "front") is not { } front ? null
        : front.Count == 0 ? "no trial yet"
        : Format.Plural(front.Count, "trial") + (study.TryGetProperty("hypervolume", out var volume) ? $", hypervolume {Number(volume)}" : "");

    /// <summary>A row for each trial of the front, below a head; nothing with one objective, or while no trial is complete and feasible.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> FrontRows(JsonElement study)
    {
        if (Array(study, "front") is not { Count: > 0 } front || Array(study, "objectives") is not { } objectives) return [];
        var rows = new List<IReadOnlyList<string>> { (string[])["trial", .. objectives.Select(o => Text(o, "metric") ?? "-"), "parameters"] };
        foreach (var trial in front.Take(Shown))
        {
            var values = Array(trial, "values") ?? [];
            rows.Add([Text(trial, "number")!, .. values.Select(Number), Fields(trial.GetProperty("params"))]);
        }
        if (front.Count > Shown) rows.Add([$"and {front.Count - Shown} more"]);
        return rows;
    }

    /// <summary>A line for each trial whose attempt waits: for room, say.</summary>
    public static IReadOnlyList<string> WaitLines(JsonElement study)
    {
        var waiting = (Array(study, "live") ?? []).Where(t => Text(t, "waiting_for") is not null).ToList();
        var lines = waiting.Take(Shown).Select(t => $"trial {Text(t, "number")} waits for {Text(t, "waiting_for")}").ToList();
        if (waiting.Count > Shown) lines.Add($"and {waiting.Count - Shown} trials more wait");
        return lines;
    }

    /// <summary>A row for each trial that runs or waits for a slot, below a head; nothing where there is none.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> LiveRows(JsonElement study)
    {
        if (Array(study, "live") is not { Count: > 0 } live) return [];
        bool hasNodes = live.Any(t => Text(t, "node") is not null);
        string head = Text(study, "resource") ?? "at";
        var rows = new List<IReadOnlyList<string>>
        {
            (string[])["trial", "state", "attempt", head, "value", "until", "time", .. hasNodes ? (string[])["node"] : [], "parameters"],
        };
        foreach (var trial in live)
        {
            rows.Add([Text(trial, "number")!, Text(trial, "waiting_for") is null ? Text(trial, "state")! : "waits", Text(trial, "attempt")!, Reached(study, trial) ?? "-", Number(trial, "value"), Text(trial, "until") ?? "-",
                Format.Duration(trial.GetProperty("seconds").GetDouble()), .. hasNodes ? (string[])[Text(trial, "node") ?? "-"] : [], Fields(trial.GetProperty("params"))]);
        }
        return rows;
    }

    /// <summary>A row for each rung, below a head; nothing where the trial scheduler has none.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> RungRows(JsonElement study) => Array(study, "rungs") is not { Count: > 0 } rungs ? []
        :
        [
            (string[])["bracket", "rung", "at", "reached", "sent on"],
            .. rungs.Select(rung => (string[])[Text(rung, "bracket")!, Text(rung, "rung")!, Text(rung, "resource")!, Text(rung, "entered")!, Text(rung, "promoted")!]),
        ];

    /// <summary>How far the trials have come that run, in a line; empty where none has reported.</summary>
    public static string Progress(JsonElement study)
    {
        var parts = (Array(study, "live") ?? []).Where(t => Text(t, "state") == "running" && Text(t, "at") is not null)
            .Select(t => $"trial {Text(t, "number")} at {Reached(study, t)}: {Number(t, "value")}{(Text(t, "node") is { } node ? $" on {node}" : "")}").ToList();
        return parts.Count == 0 ? "" : $"running: {string.Join(", ", parts.Take(Shown))}{(parts.Count > Shown ? $", and {parts.Count - Shown} more" : "")}";
    }

    /// <summary>How many trials have come to each rung, in a line; empty where there are none.</summary>
    public static string Rungs(JsonElement study)
    {
        var rungs = (Array(study, "rungs") ?? []).GroupBy(r => Text(r, "bracket"))
            .Select(b => $"bracket {b.Key}: {string.Join(", ", b.Select(r => $"{Text(r, "entered")} at {Text(r, "resource")} ({Text(r, "promoted")} sent on)"))}").ToList();
        return rungs.Count == 0 ? "" : $"rungs: {string.Join("; ", rungs)}";
    }

    private static string? Reached(JsonElement study, JsonElement trial) => Text(trial, "at") is not { } at ? null
        : Text(study, "trial_length") is { } length ? $"{at}/{length}" : at;

    private static List<JsonElement>? Array(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : null;

    private static string? Space(JsonElement json, string name) => Text(json, name + "_from_trial") is not { } from ? null
        : Text(json, name + "_version") is { } version ? $"version {version} from trial {from}" : $"from trial {from}";

    private static string Counts(JsonElement summary, JsonElement study)
    {
        if (!summary.TryGetProperty("trials", out var trials)) return "none yet";
        var parts = trials.EnumerateObject().Where(p => p.Value.GetInt32() > 0).Select(p => $"{p.Value} {p.Name}").ToList();
        string most = Text(study, "trials_max") is { } all ? $" of {all}" : "";
        return parts.Count == 0 ? $"none yet{most}" : string.Join(", ", parts) + most;
    }

    private static string Trial(JsonElement trial) => $"trial {Text(trial, "number")}, {Values(trial)}  {Fields(trial.GetProperty("params"))}";

    private static string Values(JsonElement trial) => trial.TryGetProperty("value", out var value) && value.ValueKind != JsonValueKind.Null ? Number(value)
        : trial.TryGetProperty("values", out var values) ? string.Join("  ", values.EnumerateArray().Select(Number)) : "";

    private static string Number(JsonElement trial, string name) => trial.TryGetProperty(name, out var value) ? Number(value) : "-";

    private static string Number(JsonElement value) => value.ValueKind == JsonValueKind.Null ? "-" : Format.Metric(StudyJson.Number(value));

    /// <summary>Four significant digits say enough to a person.</summary>
    private static string Fields(JsonElement values) => string.Join(" ", values.EnumerateObject().Select(p => $"{p.Name}={Short(p.Value)}"));

    private static string Short(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    private static string Short(JsonElement value) => value.ValueKind == JsonValueKind.Number && !value.TryGetInt64(out _)
        ? Short(value.GetDouble()) : value.ValueKind == JsonValueKind.Null ? "null" : value.ToString();

    private static string? Text(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null;
}
