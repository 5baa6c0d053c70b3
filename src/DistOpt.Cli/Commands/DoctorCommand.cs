using System.CommandLine;
using System.Text.Json;
using DistOpt.Core.Runs;

namespace DistOpt;

/// <summary><c>doctor</c>: what DistOpt needs of this machine, each line ok or with the remedy.</summary>
internal static class DoctorCommand
{
    /// <summary>Settings of the node that is to run here which may stand in the environment.</summary>
    private static readonly string[] s_ofNode = ["bind", "advertise", "port", "tensor_port", "api_port", "certificate", "certificate_key", "ca", "token_file"];

    public static Command Create(Bind bind)
    {
        var cluster = GlobalOptions.Cluster();
        var join = new Option<string>("--join") { Description = "Check this machine against this node of a cluster: names, ports in both directions, certificates, clock, build", HelpName = "host:port" };
        var config = new Option<string>("--config") { Description = "With --join: the node.yaml that a node of this machine runs with", HelpName = "file" };
        var tensorPort = new Option<int?>("--tensor-port") { Description = "Its tensor port; default: the control port + 1", HelpName = "port" };
        var apiPort = new Option<int?>("--api-port") { Description = "Its API port; default: the control port + 2", HelpName = "port" };
        var command = new Command("doctor", "Checks runtime, libtorch, CPU, threads, memory, data folder and cluster") { cluster, join, config, tensorPort, apiPort };
        bind(command, async invocation =>
        {
            var environment = invocation.Console.Environment;
            var checks = MachineChecks.All(environment).ToList();
            string? url = invocation.Parse.GetValue(cluster) ?? environment(ClusterClient.UrlVariable);
            string? node = invocation.Parse.GetValue(join);
            if (!string.IsNullOrWhiteSpace(url))
            {
                using var client = ClusterClient.OpenOnce(url, environment);
                checks.Add(await ClusterChecks.ApiAsync(client, url, invocation.Interrupt).ConfigureAwait(false));
                var uri = new Uri(url);
                node ??= $"{uri.Host}:{uri.Port - 2}";
            }
            if (node is not null)
            {
                var (host, control) = ClusterChecks.ParseEndpoint("--join", node);
                int tensor = invocation.Parse.GetValue(tensorPort) ?? control + 1, api = invocation.Parse.GetValue(apiPort) ?? control + 2;
                var own = NodeSettings.Read(invocation, invocation.Parse.GetValue(config), s_ofNode.Select(f => (f, default(string), false)));
                bool joins = invocation.Parse.GetValue(join) is not null;
                var name = joins ? await JoinChecks.NameAsync(host, invocation.Interrupt).ConfigureAwait(false) : null;
                if (name is not null) checks.Add(name);
                // a host whose name is not known has no ports
                var ports = name?.Status == DoctorStatus.Failed ? []
                    : await ClusterChecks.PortsAsync(host, control, tensor, api, invocation.Interrupt).ConfigureAwait(false);
                checks.AddRange(ports);
                // without an API that answers there is nobody to ask
                if (joins && ports.Count > 0 && ports.All(p => p.Status == DoctorStatus.Ok))
                    checks.AddRange(await new JoinChecks(own, host, invocation.Console).AllAsync(control, tensor, api,
                        invocation.Interrupt).ConfigureAwait(false));
            }
            bool passed = checks.All(c => c.Status != DoctorStatus.Failed);
            invocation.Write(json => WriteJson(json, checks, passed), writer => WriteText(writer, checks, passed, url is null && node is null));
            return passed ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    private static void WriteText(TextWriter writer, List<DoctorCheck> checks, bool passed, bool withoutCluster)
    {
        foreach (string line in Format.Table([.. checks.Select(c => (IReadOnlyList<string>)[Word(c.Status), c.Name, c.Text])])) writer.WriteLine(line);
        foreach (var check in checks.Where(c => c.Remedy is not null)) writer.WriteLine($"{check.Name}: {check.Remedy}");
        if (withoutCluster) writer.WriteLine($"(no cluster checked: set {ClusterClient.UrlVariable} or give --join host:port)");
        writer.WriteLine(passed ? "ready" : "not ready");
    }

    private static void WriteJson(Utf8JsonWriter json, List<DoctorCheck> checks, bool passed)
    {
        json.WriteStartObject();
        json.WriteBoolean("ready", passed);
        json.WriteStartArray("checks");
        foreach (var check in checks)
        {
            json.WriteStartObject();
            json.WriteString("name", check.Name);
            json.WriteString("status", RunJson.Name(check.Status));
            json.WriteString("text", check.Text);
            if (check.Remedy is not null) json.WriteString("remedy", check.Remedy);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Word(DoctorStatus status) => status switch
    {
        DoctorStatus.Ok => "ok",
        DoctorStatus.Warning => "warn",
        _ => "FAIL",
    };
}
