using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary><c>watch ID</c>: follows a job or study to its end.</summary>
internal static class WatchCommand
{
    public static Command Create(Bind bind)
    {
        var id = new Argument<string>("id") { Description = "Id of a job or study on the cluster, or the folder of a study that is run here" };
        var cluster = GlobalOptions.Cluster();
        var command = new Command("watch", "Follows a job or study to its end; leaving it with Ctrl-C leaves it alone") { id, cluster };
        bind(command, async invocation =>
        {
            string name = invocation.Parse.GetRequiredValue(id);
            if (StudyPlace.RunHere(name, invocation.Parse.GetValue(cluster), invocation.Console, "id") is { } study)
                return await StudyWatch.FollowAsync(invocation, study).ConfigureAwait(false);
            using var client = ClusterClient.Open(invocation.Parse.GetValue(cluster), invocation.Console);
            return await FollowAsync(invocation, client, name, []).ConfigureAwait(false);
        });
        return command;
    }

    /// <summary>Shows the rows of a job as they come, then how it ended.</summary>
    /// <returns>0, or 1 where the job failed or a requirement is not met.</returns>
    public static async Task<int> FollowAsync(CommandInvocation invocation, ClusterClient client, string id, IReadOnlyList<Requirement> requirements)
    {
        using (var first = await client.JobAsync(id, invocation.Interrupt).ConfigureAwait(false))
            if (StudyStatusText.IsStudy(first.RootElement)) return await StudyWatch.FollowAsync(invocation, client, id, requirements).ConfigureAwait(false);
        var display = new RunDisplay(invocation.Out);
        var changes = new JobChanges(invocation.Out);
        await foreach (var row in client.RowsAsync(id, follow: true, invocation.Interrupt, changes.Show).ConfigureAwait(false)) display.Row(row);
        using var job = await client.JobAsync(id, invocation.Interrupt).ConfigureAwait(false);
        invocation.Write(job, writer => ShowCommand.WriteJob(writer, job.RootElement));
        string? status = job.RootElement.GetProperty("status").GetString();
        if (job.RootElement.TryGetProperty("summary", out var summary) && summary.ValueKind == JsonValueKind.Object)
            return status == "completed" && Requirement.Met(requirements, RunJson.ParseSummary(summary), invocation.Console.Error) ? ExitCode.Done : ExitCode.Failed;
        return status == "completed" ? ExitCode.Done : ExitCode.Failed;
    }
}

/// <summary><c>logs ID-or-RUN</c>: what user code and the job wrote, on any node.</summary>
internal static class LogsCommand
{
    public static Command Create(Bind bind)
    {
        var run = new Argument<string>("run") { Description = "Id of a job on the cluster, or a run directory here" };
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the job ends" };
        var cluster = GlobalOptions.Cluster();
        var command = new Command("logs", "Shows what user code and the job wrote, on any node") { run, follow, cluster };
        bind(command, async invocation =>
        {
            string name = invocation.Parse.GetRequiredValue(run);
            string? url = invocation.Parse.GetValue(cluster);
            var lines = new List<LogLine>();
            if (url is null && (Directory.Exists(name) || invocation.Console.Environment(ClusterClient.UrlVariable) is null))
            {
                foreach (var line in RunDirectoryReader.Open(name, invocation.Console.RunsRoot).Logs()) Add(line);
            }
            else
            {
                using var client = ClusterClient.Open(url, invocation.Console);
                await foreach (var line in client.LogsAsync(name, invocation.Parse.GetValue(follow), invocation.Interrupt).ConfigureAwait(false)) Add(line);
            }
            if (invocation.Json) invocation.Console.Out.WriteLine("[" + string.Join(",\n", lines.Select(RunJson.LogLineText)) + "]");
            return ExitCode.Done;

            void Add(LogLine line)
            {
                if (invocation.Json) lines.Add(line);
                else invocation.Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{line.Seconds,9:0.000} {line.Node} {line.Source} {line.Level}: {line.Text}"));
            }
        });
        return command;
    }
}

/// <summary><c>nodes</c>: the cluster's nodes.</summary>
internal static class NodesCommand
{
    public static Command Create(Bind bind)
    {
        var cluster = GlobalOptions.Cluster();
        var command = new Command("nodes", "Lists the nodes of the cluster") { cluster };
        bind(command, async invocation =>
        {
            using var client = ClusterClient.Open(invocation.Parse.GetValue(cluster), invocation.Console);
            using var nodes = await client.NodesAsync(invocation.Interrupt).ConfigureAwait(false);
            invocation.Write(nodes, writer =>
            {
                foreach (string line in JsonTable(nodes.RootElement)) writer.WriteLine(line);
            });
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>An array of objects (or an object that holds one) as a table with the field names as its head.</summary>
    internal static IEnumerable<string> JsonTable(JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.Object)
            json = json.EnumerateObject().Select(p => p.Value).FirstOrDefault(v => v.ValueKind == JsonValueKind.Array);
        if (json.ValueKind != JsonValueKind.Array || json.GetArrayLength() == 0) return ["none"];
        string[] names = [.. json.EnumerateArray().SelectMany(o => o.EnumerateObject().Select(p => p.Name)).Distinct()];
        var rows = json.EnumerateArray().Select(o => (IReadOnlyList<string>)[.. names.Select(n => o.TryGetProperty(n, out var v) ? Cell(v) : "-")]);
        return Format.Table([[.. names.Select(n => n.Replace('_', ' '))], .. rows]);
    }

    private static string Cell(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => "-",
        JsonValueKind.Array => string.Join(",", value.EnumerateArray().Select(Cell)),
        _ => value.ToString(),
    };
}
