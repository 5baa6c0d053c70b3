using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt;

/// <summary><c>show STUDY --trial N</c> and <c>show STUDY --top N</c>: trials of a study of any place.</summary>
internal static class ShowTrials
{
    /// <summary>Reports that are shown, the last ones.</summary>
    private const int ReportsShown = 12;

    private const int TopMax = 100_000;

    public static async Task<int> RunAsync(CommandInvocation invocation, string study, string? cluster, int? trial, int? top)
    {
        var violations = new ViolationCollector();
        if (trial is not null && top is not null) violations.Add("--top", "is given beside --trial: leave one away");
        if (trial is < 0) violations.Add("--trial", $"is {trial}, but must be at least 0");
        if (top is < 1 or > TopMax) violations.Add("--top", $"is {top}, but must be between 1 and {TopMax}");
        violations.ThrowIfAny();
        using var source = await StudySource.OpenAsync(invocation, study, cluster).ConfigureAwait(false);
        var reading = source.Read(invocation);
        if (trial is { } number) ShowOne(invocation, reading, number);
        else ShowBest(invocation, reading, top!.Value);
        if (source.NoteOf(reading) is { } note && top is not null) invocation.Console.Error.WriteLine($"note: {note}");
        return ExitCode.Done;
    }

    private static void ShowOne(CommandInvocation invocation, StudyReading study, int number)
    {
        if (study.All.FirstOrDefault(t => t.Number == number) is not { } trial)
        {
            throw new SpecException("--trial", study.All is [] ? $"is {number}, but no trial of '{study.Outline.Name}' is known"
                : $"is {number}, of which nothing is known; trials of '{study.Outline.Name}' have numbers up to {study.All.Max(t => t.Number)}");
        }
        var attributes = study.Attributes.OfTrial(number);
        invocation.Write(json => StudyJson.WriteTrial(json, trial, study.Outline, null, attributes), writer =>
        {
            foreach (string line in Format.Table([.. Rows(study, trial, attributes)])) writer.WriteLine(line);
            if (trial.Error is { } error) writer.WriteLine(error);
        });
    }

    private static IEnumerable<IReadOnlyList<string>> Rows(
        StudyReading reading, TrialRecord trial, IReadOnlyCollection<KeyValuePair<string, object?>> attributes)
    {
        var study = reading.Outline;
        yield return ["trial", $"{trial.Number} of {study.Name}"];
        string infeasible = trial is { State: TrialState.Complete, IsFeasible: false } ? ", infeasible" : "";
        yield return ["state", trial.HasEnded ? $"{RunJson.Name(trial.State)} ({RunJson.Name(trial.Cause)}){infeasible}" : RunJson.Name(trial.State)];
        for (int i = 0; i < trial.Values.Length; i++) yield return [study.Objectives[i].Metric, Text(trial.Values[i])];
        if (!trial.Runs.IsEmpty)
            yield return ["runs", string.Join(", ", trial.Runs.Select(r => r.Length == 1 ? Text(r[0]) : $"({string.Join(", ", r.Select(Text))})"))];
        for (int i = 0; i < trial.Constraints.Length; i++)
        {
            double miss = trial.Constraints[i];
            yield return ["constraint", $"{study.ConstraintName(i)}: {(miss <= 0 ? $"kept, with {Text(0 - miss)} to spare" : $"missed by {Text(miss)}")}"];
        }
        for (int i = 0; i < trial.Parameters.Length; i++)
            if (!double.IsNaN(trial.Parameters[i])) yield return [study.Space.Parameters[i].Name, study.Show(i, trial.Parameters[i])];
        if (trial.SpaceVersion > 0) yield return ["space", $"version {trial.SpaceVersion}"];
        if (reading.Brackets.Length > 1) yield return ["bracket", trial.Bracket.ToString(CultureInfo.InvariantCulture)];
        if (trial.Started is { } started) yield return ["started", Text(started)];
        if (trial.Ended is { } ended) yield return ["ended", Text(ended)];
        yield return ["computed", Format.Duration(trial.Seconds)];
        yield return ["attempts", trial.Attempts.ToString(CultureInfo.InvariantCulture)];
        foreach (string lost in trial.Losses) yield return ["lost", CommandLine.FirstLine(lost)];
        if (!trial.Code.IsEmpty) yield return ["code", $"version {string.Join(", ", trial.Code)}"];
        foreach (var exploit in trial.Exploits)
            yield return ["copied", $"trial {exploit.Donor} at {study.Unit} {exploit.Step}, with {exploit.Show(study)}"];
        if (!trial.Reports.IsEmpty)
        {
            string reports = string.Join(", ", trial.Reports.TakeLast(ReportsShown).Select(r => $"{Text(r.Value)} at {r.Step}"));
            yield return ["reports", trial.Reports.Length > ReportsShown ? $"... {reports}" : reports];
        }
        foreach (var (name, value) in attributes) yield return [name, OptunaJson.Text(value)];
    }

    /// <summary>With several objectives front by front; trials that miss constraints come last.</summary>
    private static void ShowBest(CommandInvocation invocation, StudyReading study, int most)
    {
        var outline = study.Outline;
        var ranked = study.Ranked(most);
        TrialRecord[] shown = [.. ranked.Select(r => r.Trial)];
        bool hasFronts = outline.Objectives.Length > 1, hasInfeasible = ranked.Any(r => r.Front is null);
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("trials");
                foreach (var trial in shown) StudyJson.WriteTrial(json, trial, outline, null, study.Attributes.OfTrial(trial.Number));
                json.WriteEndArray();
                json.WriteEndObject();
            },
            writer =>
            {
                if (shown.Length == 0) writer.WriteLine($"no trial of '{outline.Name}' is complete");
                // of all parameters of the space, those that one of them has
                int[] used = [.. Enumerable.Range(0, outline.Space.Count).Where(i => shown.Any(t => !double.IsNaN(t.Parameters[i])))];
                string[] head =
                [
                    .. Standing("trial", "front", "constraints"),
                    .. outline.Objectives.Select(o => o.Metric), .. used.Select(i => outline.Space.Parameters[i].Name),
                ];
                var rows = new List<IReadOnlyList<string>> { head };
                foreach (var (trial, front) in ranked)
                {
                    string[] standing = Standing(trial.Number.ToString(CultureInfo.InvariantCulture), front?.ToString(CultureInfo.InvariantCulture) ?? "-",
                        front is null ? "missed" : "kept");
                    rows.Add([.. standing, .. trial.Values.Select(Text),
                        .. used.Select(i => double.IsNaN(trial.Parameters[i]) ? "-" : outline.Show(i, trial.Parameters[i]))]);
                }
                if (shown.Length > 0)
                    foreach (string line in Format.Table(rows)) writer.WriteLine(line);
            });

        // only what tells one trial from another
        string[] Standing(string number, string front, string constraints) =>
            [number, .. hasFronts ? (string[])[front] : [], .. hasInfeasible ? (string[])[constraints] : []];
    }

    /// <summary>For people: JSON has all digits.</summary>
    private static string Text(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    private static string Text(DateTime utc) => utc.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
