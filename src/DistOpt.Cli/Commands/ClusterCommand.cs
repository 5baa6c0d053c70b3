using System.CommandLine;
using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary><c>cluster init</c>: everything that the machines of a new cluster need.</summary>
internal static class ClusterCommand
{
    public static Command Create(Bind bind)
    {
        var nodes = new Option<string>("--nodes")
        {
            Description = "The machines: names or addresses under which they reach each other, or NAME=ADDRESS; the first one coordinates",
            HelpName = "a,b,c",
            Required = true,
        };
        var output = new Option<string>("--out") { Description = "Folder for the files; one that holds a CA of an earlier call gets further nodes", HelpName = "folder", Required = true };
        var days = new Option<int>("--days") { Description = "Days for which the certificates are good; default: 825", HelpName = "n", DefaultValueFactory = _ => 825 };
        var port = new Option<int>("--port") { Description = $"Control port; tensors and API take the two that follow; default: {ClusterChecks.ControlPort}", HelpName = "n", DefaultValueFactory = _ => ClusterChecks.ControlPort };
        var init = new Command("init", "Writes a CA, and for each machine certificate, settings, token and systemd unit") { nodes, output, days, port };
        bind(init, invocation =>
        {
            var parse = invocation.Parse;
            var violations = new ViolationCollector();
            var machines = violations.Try(() => ClusterMachine.ParseAll(parse.GetValue(nodes)!));
            if (parse.GetValue(days) is < 1 or > 3650) violations.Add("--days", string.Create(CultureInfo.InvariantCulture, $"is {parse.GetValue(days)}, but must be from 1 to 3650"));
            if (parse.GetValue(port) is < 1 or > 65533) violations.Add("--port", string.Create(CultureInfo.InvariantCulture, $"is {parse.GetValue(port)}, but must be from 1 to 65533"));
            violations.ThrowIfAny();
            var files = new ClusterFiles(parse.GetValue(output)!, parse.GetValue(port), parse.GetValue(days), invocation.Console.Time);
            var written = files.Write(machines!);
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("folder", files.Folder);
                    json.WriteStartArray("nodes");
                    foreach (var machine in written) json.WriteStringValue(machine.Name);
                    json.WriteEndArray();
                    json.WriteEndObject();
                },
                writer =>
                {
                    foreach (var machine in written) writer.WriteLine($"{Path.Combine(files.Folder, machine.Name)}: copy it to {machine.Name} as /etc/distopt");
                    writer.WriteLine($"{files.KeyFile} signs further nodes: keep it off the nodes, in a safe place");
                    writer.WriteLine($"to use the cluster: {ClusterClient.UrlVariable}={files.Url} {ClusterClient.CaVariable}={files.CaFile} {TokenFile.Variable}={files.TokenPath}");
                });
            return Task.FromResult(ExitCode.Done);
        });
        return new Command("cluster", "Prepares a cluster of several machines") { init };
    }
}

/// <summary>A machine of a cluster.</summary>
/// <param name="Name">For people, and the folder's name.</param>
/// <param name="Host">Name or address under which the others reach it.</param>
internal sealed record ClusterMachine(string Name, string Host)
{
    /// <exception cref="SpecException">All entries that are no machine.</exception>
    public static IReadOnlyList<ClusterMachine> ParseAll(string text)
    {
        var violations = new ViolationCollector();
        var machines = new List<ClusterMachine>();
        foreach (string entry in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = entry.Split('=', 2);
            var machine = new ClusterMachine(parts[0], parts[^1]);
            bool isName = Uri.CheckHostName(machine.Name) is UriHostNameType.Dns or UriHostNameType.IPv4;
            bool isHost = Uri.CheckHostName(machine.Host) is UriHostNameType.Dns or UriHostNameType.IPv4;
            if (!isName || !isHost) violations.Add("--nodes", $"'{entry}' is no machine; write a host name, an IPv4 address, or NAME=ADDRESS");
            else if (machines.Any(m => m.Name == machine.Name || m.Host == machine.Host)) violations.Add("--nodes", $"'{entry}' is there twice");
            else machines.Add(machine);
        }
        if (machines.Count == 0 && text.Trim().Length == 0) violations.Add("--nodes", "names no machine; write host names or addresses, such as 10.0.0.1,10.0.0.2,10.0.0.3");
        violations.ThrowIfAny();
        return machines;
    }
}
