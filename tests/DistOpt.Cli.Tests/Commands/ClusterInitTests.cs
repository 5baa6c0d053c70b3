using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;
using Deployed = DistOpt.Hosting.Tests.Deployment.NodeSettings;

namespace DistOpt.Cli.Tests.Commands;

public sealed partial class ClusterInitTests
{
    private static readonly string[] Files = ["ca.pem", "distopt.service", "node.key", "node.pem", "node.yaml", "token"];

    [Fact]
    public async Task Every_machine_gets_all_its_files_and_settings_that_hold()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("cluster", "init", "--nodes", "a.example,10.1.2.3,c=10.1.2.4", "--out", cli.In("k")));

        string token = File.ReadAllText(cli.In("k/token"));
        foreach (var (name, host, roles) in new[] { ("a.example", "a.example", 3), ("10.1.2.3", "10.1.2.3", 2), ("c", "10.1.2.4", 2) })
        {
            string folder = cli.In("k/" + name);
            Assert.Equal(Files, Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
            Assert.Equal(token, File.ReadAllText(Path.Combine(folder, "token")));
            var options = Settings(folder);
            Assert.Empty(options.Validate());
            Assert.Equal((host, roles), (options.AdvertisedHost, options.Roles.Length));
            Assert.Equal(["a.example:4053", "10.1.2.3:4053", "10.1.2.4:4053"], options.Join);
            var violations = new List<SpecViolation>();
            using var tls = NodeTls.Load(options, violations);
            Assert.Empty(violations);
            Assert.Contains(host, PeerCertificates.Names(tls!.Certificate));
            string unit = File.ReadAllText(Path.Combine(folder, "distopt.service"));
            Assert.Contains("\nRestart=on-failure\n", unit);
            Assert.Contains("\nRestartPreventExitStatus=2\n", unit);
            // killed earlier, it could not hand over what it has
            var patience = TimeSpan.FromSeconds(int.Parse(StopTimeout().Match(unit).Groups[1].Value));
            Assert.True(patience >= Deployed.LongestLeave(), $"leaving may take {Deployed.LongestLeave()}");
            // one coordinator: the others stay while it is away, and wait for it
            Assert.Equal(SplitBrain.KeepOldest, options.SplitBrain);
        }
        Assert.False(File.Exists(cli.In("k/a.example/ca.key")));
        Assert.Contains("DISTOPT_CLUSTER=https://a.example:4055", cli.Out);
    }

    /// <summary>Each of the firewalls that the page names lets in what the files that it tells to make listen on, and nothing else.</summary>
    [Fact]
    public async Task The_firewall_lines_of_the_page_of_three_machines_open_the_ports_of_their_nodes()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("cluster", "init", "--nodes", "10.0.0.1,10.0.0.2,10.0.0.3", "--out", cli.In("k")));
        var nodes = Directory.GetDirectories(cli.In("k")).Select(Settings).ToList();
        Assert.Equal(3, nodes.Count);

        string[] lines = await File.ReadAllLinesAsync(RepositoryFile("cluster-config/three-machines.md"), TestContext.Current.CancellationToken);
        var rules = lines.Select(FirewallRule.Parse).OfType<FirewallRule>().ToList();

        Assert.Equal(["firewall-cmd", "nft", "ufw"], rules.Select(r => r.Tool).Order(StringComparer.Ordinal));
        foreach (var rule in rules)
        {
            Assert.All(nodes, node => Assert.Equal([node.Port, node.TensorPort, node.ApiPort], rule.Ports));
            Assert.All(nodes, node => Assert.True(rule.Source.Contains(IPAddress.Parse(node.AdvertisedHost)), $"{rule.Tool}: {rule.Source}"));
        }
    }

    [Fact]
    public async Task Keys_and_tokens_are_for_their_owner_alone()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no file modes");
            return;
        }
        using var cli = new CliRun();
        await cli.RunAsync("cluster", "init", "--nodes", "a", "--out", cli.In("k"));
        foreach (string file in (string[])["ca.key", "token", "a/node.key", "a/token"])
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(cli.In("k/" + file)));
    }

    [Fact]
    public async Task A_second_call_adds_machines_under_the_same_CA_and_touches_nothing_else()
    {
        using var cli = new CliRun();
        await cli.RunAsync("cluster", "init", "--nodes", "a,b", "--out", cli.In("k"));
        string before = File.ReadAllText(cli.In("k/a/node.pem")), ca = File.ReadAllText(cli.In("k/ca.pem"));

        Assert.Equal(0, await cli.RunAsync("cluster", "init", "--nodes", "c", "--out", cli.In("k"), "--format", "json"));

        Assert.Equal("c", Assert.Single(cli.Json().GetProperty("nodes").EnumerateArray()).GetString());
        Assert.Equal((before, ca, ca), (File.ReadAllText(cli.In("k/a/node.pem")), File.ReadAllText(cli.In("k/ca.pem")), File.ReadAllText(cli.In("k/c/ca.pem"))));
        var added = Settings(cli.In("k/c"));
        Assert.Equal(["server", "worker"], added.Roles);
        Assert.Equal(["a:4053", "b:4053", "c:4053"], added.Join);
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(cli.In("k/c/node.pem"));
        Assert.Null(PeerCertificates.Read(cli.In("k/ca.pem"), "ca", []).Problem(certificate, null, CertificateUse.Both, "c"));
        Assert.Equal(2, await cli.RunAsync("cluster", "init", "--nodes", "b,d", "--out", cli.In("k")));
        Assert.Contains("'b' has its files already", Assert.Single(cli.ErrorLines()));
        Assert.False(Directory.Exists(cli.In("k/d")));
    }

    [Fact]
    public async Task All_wrong_input_is_told_at_once_and_nothing_is_written()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("cluster", "init", "--nodes", "a,a,b c,../x", "--out", cli.In("k"), "--days", "0", "--port", "70000"));
        Assert.Equal(5, cli.ErrorLines().Length);
        Assert.False(Directory.Exists(cli.In("k")));
        cli.Write("full.txt", "");
        Assert.Equal(2, await cli.RunAsync("cluster", "init", "--nodes", "a", "--out", cli.Folder));
        Assert.Contains("is not empty", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task A_node_takes_paths_of_its_file_from_where_the_file_is_and_tells_what_is_missing()
    {
        using var cli = new CliRun();
        await cli.RunAsync("cluster", "init", "--nodes", "127.0.0.1", "--out", cli.In("k"));
        File.Delete(cli.In("k/127.0.0.1/node.pem"));
        Assert.Equal(2, await cli.RunAsync("node", "--config", cli.In("k/127.0.0.1/node.yaml"), "--port", "0", "--tensor-port", "0", "--api-port", "0"));
        Assert.Contains(cli.In("k/127.0.0.1/node.pem") + "' does not exist", Assert.Single(cli.ErrorLines()));
        File.Delete(cli.In("k/127.0.0.1/token"));
        Assert.Equal(2, await cli.RunAsync("node", "--config", cli.In("k/127.0.0.1/node.yaml")));
        Assert.Contains("token' cannot be read", Assert.Single(cli.ErrorLines()));
    }

    [Theory]
    [InlineData("DISTOPT_CA", "none.pem", "does not exist")]
    [InlineData("DISTOPT_TOKEN_FILE", "none", "cannot be read")]
    public async Task A_client_whose_files_are_missing_says_which_setting_names_them(string variable, string file, string text)
    {
        using var cli = new CliRun();
        cli.Environment["DISTOPT_CLUSTER"] = "https://127.0.0.1:1";
        cli.Environment[variable] = cli.In(file);
        Assert.Equal(2, await cli.RunAsync("nodes"));
        string line = Assert.Single(cli.ErrorLines());
        Assert.StartsWith($"error: {variable}: ", line);
        Assert.Contains(text, line);
    }

    [GeneratedRegex(@"(?m)^TimeoutStopSec=(\d+)$")]
    private static partial Regex StopTimeout();

    private static string RepositoryFile(string path)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder ?? throw new InvalidOperationException("the repository's root was not found above the tests"), path);
    }

    private static NodeOptions Settings(string folder)
    {
        string path = Path.Combine(folder, "node.yaml");
        var options = new SpecBinder(new SpecCatalogs()).Bind<NodeOptions>(File.ReadAllText(path), path);
        string In(string? name) => Path.Combine(folder, name!);
        return options with
        {
            Certificate = In(options.Certificate),
            CertificateKey = In(options.CertificateKey),
            Ca = In(options.Ca),
            Token = File.ReadAllText(In(options.TokenFile)).Trim(),
        };
    }
}
