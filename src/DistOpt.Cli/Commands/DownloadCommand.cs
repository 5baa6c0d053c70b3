using System.CommandLine;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary><c>download ID</c>: the directory of a job or study on the cluster.</summary>
internal static class DownloadCommand
{
    private const string BestFolder = "best/";

    /// <summary>Missing files that are named.</summary>
    private const int NamesMax = 20;

    public static Command Create(Bind bind)
    {
        var id = new Argument<string>("id") { Description = "Id of the job or study" };
        var best = new Option<bool>("--best") { Description = "Only the selected weights and what a prediction needs beside them" };
        var output = new Option<string>("--out") { Description = "Folder to write to (default: runs/<id>, studies/<id>)", HelpName = "dir" };
        var cluster = GlobalOptions.Cluster();
        var command = new Command("download", "Copies the directory of a job or study from the cluster: weights, metrics, logs, spec; checkpoints stay there")
        {
            id, best, output, cluster,
        };
        bind(command, async invocation =>
        {
            string job = invocation.Parse.GetRequiredValue(id);
            using var client = ClusterClient.Open(invocation.Parse.GetValue(cluster), invocation.Console);
            bool isStudy, hasEnded;
            // before its files are listed: of one that has ended by then none goes away
            using (var found = await client.JobAsync(job, invocation.Interrupt).ConfigureAwait(false))
            {
                isStudy = StudyStatusText.IsStudy(found.RootElement);
                hasEnded = found.RootElement.TryGetProperty("status", out var status) && ClusterClient.IsEnd(status.GetString());
            }
            string folder = invocation.Parse.GetValue(output) ?? Path.Combine(isStudy ? invocation.Console.StudiesRoot : invocation.Console.RunsRoot, job);
            if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
                throw new SpecException("--out", $"'{folder}' is not empty: give another folder");
            bool onlyBest = invocation.Parse.GetValue(best);
            // the run of a study's best trial is a folder of it
            string prefix = isStudy && onlyBest ? BestFolder : "";
            var files = (await client.FilesAsync(job, invocation.Interrupt).ConfigureAwait(false))
                .Where(f => !onlyBest || (f.Path.StartsWith(prefix, StringComparison.Ordinal) && RunFileList.IsOfBest(f.Path[prefix.Length..]))).ToList();
            if (files.Count == 0 || (onlyBest && files.All(f => f.Path != prefix + RunFileList.Model)))
                throw new SpecException("id", $"job '{job}' has no {(onlyBest ? "selected weights" : "files")} yet: watch it to its end first");
            var gone = new List<RunFile>();
            foreach (var file in files)
                if (!await FetchAsync(client, job, file, prefix, folder, invocation.Interrupt).ConfigureAwait(false)) gone.Add(file);
            if (gone.Count > 0 && hasEnded) throw Missing(job, folder, gone, files.Count);
            files = [.. files.Except(gone)];
            if (gone.Count > 0)
                invocation.Console.Error.WriteLine($"note: {Format.Plural(gone.Count, "file")} went away meanwhile, such as {gone[0].Path}: '{job}' goes on, and trials begin anew");
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("run", folder);
                    json.WriteNumber("files", files.Count);
                    json.WriteNumber("bytes", files.Sum(f => f.Bytes));
                    json.WriteEndObject();
                },
                writer => writer.WriteLine($"{folder}: {Format.Plural(files.Count, "file")}, {Format.Count(files.Sum(f => f.Bytes))} bytes"));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>What has ended does not change: something is wrong there.</summary>
    private static CommandException Missing(string job, string folder, List<RunFile> missing, int all)
    {
        string names = string.Join(", ", missing.Take(NamesMax).Select(f => f.Path)) + (missing.Count > NamesMax ? $" and {Format.Count(missing.Count - NamesMax)} more" : "");
        return new CommandException(ExitCode.Failed, $"{Format.Count(missing.Count)} of {Format.Plural(all, "file")} of '{job}', which has ended, are not to be had, although the cluster "
            + $"lists them: {names}; '{folder}' has the others; look for them on the node that holds the coordinator, and download into another folder");
    }

    /// <summary>Under a temporary name until it is whole: what is there under its own name can be used.</summary>
    /// <returns>Whether it is there: a live study's files may be replaced meanwhile.</returns>
    internal static async Task<bool> FetchAsync(ClusterClient client, string job, RunFile file, string prefix, string folder, CancellationToken ct)
    {
        // a name from another machine: it may not lead out of the folder
        if (file.Path.Split('/').Any(part => Path.GetFileName(part) != part || part is "" or "." or ".."))
            throw new SpecException("id", $"the cluster names a file '{file.Path}', which is no file name");
        string path = Path.Combine(folder, file.Path[prefix.Length..]), partial = path + ".part";
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        bool isThere;
        await using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write))
            isThere = await client.FileAsync(job, file.Path, stream, ct).ConfigureAwait(false);
        if (isThere) File.Move(partial, path, overwrite: true);
        else File.Delete(partial);
        return isThere;
    }
}
