using System.CommandLine;
using System.Text.Json;
using DistOpt.Core.Runs;

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
