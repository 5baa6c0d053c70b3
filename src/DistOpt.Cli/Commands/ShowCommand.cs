using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Training;
using DistOpt.Hosting.Studies;

namespace DistOpt;

/// <summary><c>show RUN-or-ID</c>: a run directory here, or a job on the cluster.</summary>
internal static class ShowCommand
{
    public static Command Create(Bind bind)
    {
        var run = new Argument<string>("run") { Description = "A run or study directory, the id of one below runs/ or studies/, the journal of a study over a function (FILE.db), or the id of a job or study on the cluster" };
        var cluster = GlobalOptions.Cluster();
        var trial = new Option<int?>("--trial") { Description = "Of a study: this trial, with all that is known of it", HelpName = "n" };
        var top = new Option<int?>("--top") { Description = "Of a study: so many of its complete trials, the best ones first; with several objectives front by front, those that miss a constraint last", HelpName = "n" };
        var command = new Command("show", "Shows how a run or study stands: status, metrics, where its results are") { run, trial, top, cluster };
        bind(command, async invocation =>
        {
            string name = invocation.Parse.GetRequiredValue(run);
            string? url = invocation.Parse.GetValue(cluster);
            if (invocation.Parse.GetValue(trial) is not null || invocation.Parse.GetValue(top) is not null)
                return await ShowTrials.RunAsync(invocation, name, url, invocation.Parse.GetValue(trial), invocation.Parse.GetValue(top)).ConfigureAwait(false);
            bool isRun = url is null && RunDirectoryReader.IsRun(name, invocation.Console.RunsRoot);
            if (!isRun && StudyPlace.IsOfCluster(name, url, invocation.Console)) await ShowJobAsync(invocation, name, url).ConfigureAwait(false);
            else if (!isRun && StudySource.IsJournal(name))
            {
                using var study = StudyFolderStatus.OfFunction(name);
                invocation.Write(study, writer => StudyStatusText.Write(writer, study.RootElement));
            }
            else if (!isRun && StudyPlace.FindHere(name, invocation.Console) is { } folder) await ShowStudyAsync(invocation, folder).ConfigureAwait(false);
            else ShowRun(invocation, RunDirectoryReader.Open(name, invocation.Console.RunsRoot));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>A job as the API tells it: every field that is no object, then its failures and its summary.</summary>
    internal static void WriteJob(TextWriter writer, JsonElement job)
    {
        var rows = new List<IReadOnlyList<string>>();
        foreach (var property in job.EnumerateObject())
        {
            string? text = property.Value.ValueKind switch
            {
                JsonValueKind.Object or JsonValueKind.Null => null,
                JsonValueKind.Array when property.NameEquals(FailureJson.Field) => null,
                JsonValueKind.Array => string.Join(", ", property.Value.EnumerateArray().Select(Cell)),
                _ => property.Value.ToString(),
            };
            if (!string.IsNullOrEmpty(text)) rows.Add([property.Name.Replace('_', ' '), text]);
        }
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        FailureText.Write(writer, FailureJson.Parse(job));
        if (!job.TryGetProperty("summary", out var json) || json.ValueKind != JsonValueKind.Object) return;
        var summary = RunJson.ParseSummary(json);
        SummaryText.Write(writer, summary, null);
        FailureText.Write(writer, summary.Failures);
        if (summary.Error is { } error) writer.WriteLine(error);
    }

    private static string Cell(JsonElement value) => value.ValueKind != JsonValueKind.Object ? value.ToString()
        : string.Join(' ', value.EnumerateObject().Select(p => $"{p.Name} {(p.Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? p.Value.GetRawText() : p.Value.ToString())}"));

    private static async Task ShowJobAsync(CommandInvocation invocation, string id, string? cluster)
    {
        using var client = ClusterClient.Open(cluster, invocation.Console);
        using var job = await client.JobAsync(id, invocation.Interrupt).ConfigureAwait(false);
        invocation.Write(job, writer =>
        {
            if (StudyStatusText.IsStudy(job.RootElement)) StudyStatusText.Write(writer, job.RootElement);
            else WriteJob(writer, job.RootElement);
        });
    }

    /// <summary>A study of this machine: from the process that runs it, or from what it has left.</summary>
    internal static async Task ShowStudyAsync(CommandInvocation invocation, StudyDirectory study)
    {
        using var status = await StudyControlClient.FindAsync(study, invocation.Interrupt).ConfigureAwait(false);
        if (status is not null)
        {
            invocation.Write(status, writer => StudyStatusText.Write(writer, status.RootElement));
            return;
        }
        using var left = StudyFolderStatus.Read(study, invocation.App, out string? note);
        invocation.Write(left, writer =>
        {
            StudyStatusText.Write(writer, left.RootElement);
            if (note is not null) writer.WriteLine(note);
        });
    }

    private static void ShowRun(CommandInvocation invocation, RunDirectoryReader reader)
    {
        var summary = reader.Summary();
        MetricRow[] rows = [.. reader.Rows()];
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("run", reader.Directory.Path);
                if (summary is not null) RunJson.WriteSummaryFields(json, summary);
                else json.WriteString("status", "unfinished");
                if (summary is null && rows.Length > 0)
                {
                    json.WritePropertyName("last_row");
                    RunJson.WriteRow(json, rows[^1]);
                }
                json.WriteEndObject();
            },
            writer =>
            {
                if (summary is not null)
                {
                    writer.WriteLine(summary.Job);
                    SummaryText.Write(writer, summary, reader.Directory.Path);
                    FailureText.Write(writer, summary.Failures);
                    if (summary.Error is { } error) writer.WriteLine(error);
                    writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{Format.Plural(summary.Workers, "worker")}, {Format.Plural(summary.Servers, "server")}, {Format.Plural(summary.Processes, "process", "processes")}, {Format.Plural(summary.GradientShards, "gradient shard")}; weights {summary.WeightsSha256}"));
                    return;
                }
                writer.WriteLine($"{reader.Directory.Path}: unfinished (it still runs, or its process died)");
                if (rows.Length > 0) writer.WriteLine($"step {rows[^1].Step}, epoch {rows[^1].Epoch}: {RunJson.Name(rows[^1].Split)} {Format.Metrics(rows[^1].Metrics)}");
            });
    }
}
