using System.CommandLine;
using System.Text.Json;

namespace DistOpt;

/// <summary><c>jobs</c>: the cluster's jobs and studies.</summary>
internal static class JobsCommand
{
    private static readonly string[] s_columns = ["id", "name", "kind", "status", "step", "total_steps", "loss", "waiting_for"];

    public static Command Create(Bind bind)
    {
        var cluster = GlobalOptions.Cluster();
        var command = new Command("jobs", "Lists the jobs and studies of the cluster, in order of submission") { cluster };
        bind(command, async invocation =>
        {
            using var client = ClusterClient.Open(invocation.Parse.GetValue(cluster), invocation.Console);
            using var jobs = await client.JobsAsync(invocation.Interrupt).ConfigureAwait(false);
            invocation.Write(jobs, writer =>
            {
                foreach (string line in Table(jobs.RootElement.GetProperty("jobs"))) writer.WriteLine(line);
            });
            return ExitCode.Done;
        });
        return command;
    }

    private static IEnumerable<string> Table(JsonElement jobs)
    {
        if (jobs.GetArrayLength() == 0) return ["none"];
        string[] used = [.. s_columns.Where(c => jobs.EnumerateArray().Any(j => j.TryGetProperty(c, out _)))];
        var rows = jobs.EnumerateArray().Select(j => (IReadOnlyList<string>)[.. used.Select(c => j.TryGetProperty(c, out var v) ? v.ToString() : "-")]);
        return Format.Table([[.. used.Select(c => c.Replace('_', ' '))], .. rows]);
    }
}
