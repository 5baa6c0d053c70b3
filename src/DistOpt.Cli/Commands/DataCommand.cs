using System.CommandLine;
using DistOpt.Cli.Data;
using DistOpt.Core.Datasets;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary><c>data list</c> and <c>data get NAME</c>.</summary>
internal static class DataCommand
{
    public static Command Create(Bind bind) => new("data", "Lists and downloads data sets") { CreateList(bind), CreateGet(bind) };

    private static Command CreateList(Bind bind)
    {
        var command = new Command("list", "Lists the data sets and whether they are on this machine");
        bind(command, invocation =>
        {
            var statuses = DatasetStatus.List(invocation.App.Catalog.Datasets, Hosts.Data(invocation.Console.Environment));
            invocation.Write(
                json =>
                {
                    json.WriteStartArray();
                    foreach (var status in statuses)
                    {
                        json.WriteStartObject();
                        json.WriteString("name", status.Name);
                        json.WriteString("presence", RunJson.Name(status.Presence));
                        json.WriteString("summary", status.Summary);
                        if (status.Folder is { } folder) json.WriteString("folder", folder);
                        if (status.Bytes is { } bytes) json.WriteNumber("bytes", bytes);
                        if (status.Licence is { } licence) json.WriteString("licence", licence);
                        json.WriteEndObject();
                    }
                    json.WriteEndArray();
                },
                writer =>
                {
                    foreach (string line in Format.Table([.. statuses.Select(Row)])) writer.WriteLine(line);
                });
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static Command CreateGet(Bind bind)
    {
        var name = new Argument<string>("name") { Description = "Name of the data set" };
        var command = new Command("get", "Downloads a data set into the data folder, checked by SHA-256") { name };
        bind(command, async invocation =>
        {
            string wanted = invocation.Parse.GetRequiredValue(name);
            var dataset = DownloadableDataset.All.FirstOrDefault(d => d.Name == wanted) ?? throw new SpecException("", Unknown(invocation, wanted));
            using var fetcher = new HttpDataFetcher();
            var downloader = new DataDownloader(Hosts.Data(invocation.Console.Environment), fetcher, new NpmPackageRunner());
            InstalledDataset installed;
            try
            {
                installed = await downloader.InstallAsync(dataset, new Lines(invocation.Console.Error), invocation.Interrupt).ConfigureAwait(false);
            }
            catch (DataUnavailableException e)
            {
                throw new CommandException(ExitCode.Failed, e.Message);
            }
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("name", dataset.Name);
                    json.WriteString("folder", installed.Folder);
                    json.WriteBoolean("already_present", installed.AlreadyPresent);
                    json.WriteString("source", installed.Source);
                    json.WriteEndObject();
                },
                writer => writer.WriteLine(installed.AlreadyPresent ? $"{dataset.Name} is there already: {installed.Folder}"
                    : $"{dataset.Name} from {installed.Source} into {installed.Folder} (licence {dataset.Licence})"));
            return ExitCode.Done;
        });
        return command;
    }

    private static string Unknown(CommandInvocation invocation, string name)
    {
        string available = string.Join(", ", DownloadableDataset.All.Select(d => d.Name));
        return invocation.App.Catalog.Datasets.TryGet(name, out _)
            ? $"data set '{name}' needs no download; to download there is: {available}"
            : $"data set '{name}' is not known. To download: {available}";
    }

    private static IReadOnlyList<string> Row(DatasetStatus status) =>
    [
        status.Name,
        status.Presence switch
        {
            DatasetPresence.BuiltIn => "built in",
            DatasetPresence.Present => "present",
            DatasetPresence.Absent => "data get " + status.Name,
            _ => "own files",
        },
        status.Bytes is { } bytes ? Format.Bytes(bytes) : "",
        status.Summary,
    ];

    private sealed class Lines(TextWriter writer) : IProgress<string>
    {
        public void Report(string value) => writer.WriteLine(value);
    }
}
