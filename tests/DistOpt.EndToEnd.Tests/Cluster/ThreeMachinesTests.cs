using System.Text.Json;
using System.Text.RegularExpressions;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>The page cluster-config/three-machines.md, line by line, between three network namespaces.</summary>
public sealed partial class ThreeMachinesTests : IDisposable
{
    private const string Page = "cluster-config/three-machines.md";

    private static readonly string[] Machines = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_page_of_three_machines_holds()
    {
        if (NetworkNamespaces.Missing() is { } missing) Assert.Skip(missing);
        string page = await File.ReadAllTextAsync(Path.Combine(ProgramProcess.Root, Page), TestContext.Current.CancellationToken);
        string[] commands = [.. CodeLines().Matches(page).Select(m => m.Groups[1].Value)];
        Assert.Equal(5, commands.Length);
        string init = Assert.Single(commands, c => c.StartsWith("cluster init", StringComparison.Ordinal));
        string run = Assert.Single(commands, c => c.StartsWith("node ", StringComparison.Ordinal));
        string doctor = Assert.Single(commands, c => c.StartsWith("doctor", StringComparison.Ordinal));
        string[] use = [.. commands.Where(c => c.StartsWith("nodes", StringComparison.Ordinal) || c.StartsWith("submit", StringComparison.Ordinal))];
        var environment = Exports().Matches(page).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
        Assert.Equal(3, environment.Count);

        using var network = NetworkNamespaces.Make(Machines);
        var made = await ProgramProcess.RunAsync(ProgramProcess.Cli, _folder.Path, null, init.Split(' '));
        Assert.True(made.ExitCode == 0, made.Describe());
        var nodes = new List<ProgramProcess>();
        try
        {
            foreach (string machine in Machines.Take(2)) nodes.Add(await NodeAsync(network, machine, run));

            // the third machine is looked at before its node runs
            await using var checks = await ProgramProcess.RunThroughAsync(network.On(Machines[2]), ProgramProcess.Cli, _folder.Path, null,
                [.. Installed(doctor, Machines[2]), "--format", "json"]);
            Assert.True(checks.ExitCode == 0, checks.Describe());
            var found = checks.Json.GetProperty("checks").EnumerateArray().ToDictionary(c => c.Text("name"), c => c.Text("status"));
            foreach (string check in (string[])["name", "control port", "tensor port", "api port", "certificate", "control tls", "tensor tls", "token", "clock", "build",
                "control port back", "tensor port back", "api port back"])
                Assert.Equal("ok", found[check]);

            nodes.Add(await NodeAsync(network, Machines[2], run));
            // of every firewall that the page names
            int[][] rules = [.. FirewallPorts().Matches(page).Select(m => Ports(m.Groups[1].Value))];
            Assert.Equal(3, rules.Length);
            foreach (string machine in Machines) Assert.All(rules, ports => Assert.Equal(ports, network.ListeningPorts(machine)));

            // six workers are what three machines of two slots have together
            _folder.Write("spec.yaml", "training: { epochs: 2, workers: 6 }\n");
            foreach (string command in use)
            {
                await using var used = await ProgramProcess.RunThroughAsync(network.On(Machines[1]), ProgramProcess.Cli, _folder.Path,
                    environment, command.Split(' '));
                Assert.True(used.ExitCode == 0, used.Describe());
                if (command.StartsWith("submit", StringComparison.Ordinal)) Assert.Contains("completed (epochs)", used.Out);
            }

            await RefusedAsync(network, environment, "DISTOPT_TOKEN_FILE", "refuses the token");
            await RefusedAsync(network, environment, "DISTOPT_CA", "is not trusted");

            // a node that is stopped leaves in good order, and systemd sees no failure
            nodes[2].Terminate();
            int code = await nodes[2].WaitForExitAsync();
            Assert.True(code == 0, nodes[2].Describe());
        }
        finally
        {
            foreach (var node in Enumerable.Reverse(nodes)) await node.DisposeAsync();
        }
    }

    private async Task<ProgramProcess> NodeAsync(NetworkNamespaces network, string machine, string command)
    {
        string data = Directory.CreateDirectory(_folder.In("data-" + machine)).FullName;
        var node = ProgramProcess.StartThrough(network.On(machine), ProgramProcess.Cli, data, null,
            [.. Installed(command, machine), "--data-root", data, "--worker-slots", "2"]);
        return await node.AnnouncedAsync(machine);
    }

    private async Task RefusedAsync(NetworkNamespaces network, Dictionary<string, string> environment, string without, string text)
    {
        var less = environment.Where(e => e.Key != without).ToDictionary();
        await using var refused = await ProgramProcess.RunThroughAsync(network.On(Machines[2]), ProgramProcess.Cli, _folder.Path, less, "nodes");
        Assert.True(refused.ExitCode == 2, refused.Describe());
        Assert.Contains(text, Assert.Single(refused.ErrorLines));
    }

    /// <summary>A command as it is on a machine, with the machine's files where they were made instead of in /etc.</summary>
    private string[] Installed(string command, string machine) => [.. command.Split(' ').Select(w => w.Replace("/etc/distopt", _folder.In("cluster/" + machine)))];

    [GeneratedRegex("(?m)^distopt (.*)$")]
    private static partial Regex CodeLines();

    [GeneratedRegex(@"(DISTOPT_\w+)=(\S+)")]
    private static partial Regex Exports();

    /// <summary>Of <c>1,2,3</c>, <c>1, 2, 3</c> or <c>1-3</c>.</summary>
    private static int[] Ports(string text)
    {
        int[] ends = [.. text.Split(',', '-').Select(int.Parse)];
        return text.Contains('-') ? [.. Enumerable.Range(ends[0], ends[1] - ends[0] + 1)] : ends;
    }

    [GeneratedRegex(@"(?m)^(?:ufw|firewall-cmd|nft) .*port[ =](?:\{ )?([\d, -]*\d)")]
    private static partial Regex FirewallPorts();
}
