using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using DistOpt.Cli.Tests.Cluster;
using DistOpt.Cli.Tests.Support;
using DistOpt.Hosting;
using DistOpt.Protocol;

namespace DistOpt.Cli.Tests.Commands;

public sealed class ShowAndDoctorTests
{
    [Fact]
    public async Task Show_finds_a_run_by_the_end_of_its_id_and_gives_its_summary()
    {
        using var cli = new CliRun();
        await cli.RunAsync("train");
        string id = cli.RunFolder[^4..];
        Assert.Equal(0, await cli.RunAsync("show", id));
        Assert.Contains("completed (epochs) after 20 steps", cli.Out);
        Assert.Contains("2 workers, 1 server, 1 process, 2 gradient shards; weights 00ff", cli.Out);
        Assert.Equal(0, await cli.RunAsync("show", id, "--format", "json"));
        Assert.Equal("00ff", cli.Json().GetProperty("weights_sha256").GetString());
    }

    [Fact]
    public async Task Show_of_a_run_without_summary_gives_the_last_row()
    {
        using var cli = new CliRun();
        await cli.RunAsync("train");
        File.Delete(Path.Combine(cli.RunFolder, "summary.json"));
        Assert.Equal(0, await cli.RunAsync("show", cli.RunFolder));
        Assert.Contains("unfinished", cli.Out);
        Assert.Contains("step 20, epoch 2: validation loss 0.4000  accuracy 0.9000", cli.Out);
    }

    [Fact]
    public async Task Show_of_an_unknown_run_is_bad_input()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("show", "nothing"));
        Assert.Contains("run 'nothing' does not exist", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task Doctor_finds_this_machine_ready()
    {
        using var cli = new CliRun();
        cli.Environment["DISTOPT_DATA"] = cli.In("data");
        int code = await cli.RunAsync("doctor");
        Assert.True(code == 0, cli.Out + cli.Error);
        foreach (string name in (string[])["runtime", "system", "libstdc++", "libtorch", "cpu", "bf16", "threads", "memory", "gpus", "data"])
            Assert.Contains($"  {name} ", cli.Out);
        Assert.EndsWith("ready\n", cli.Out);
    }

    [Fact]
    public async Task Doctor_names_each_port_that_does_not_answer_with_the_remedy()
    {
        using var open = new TcpListener(IPAddress.Loopback, 0);
        open.Start();
        int port = ((IPEndPoint)open.LocalEndpoint).Port;
        using var cli = new CliRun();
        Assert.Equal(1, await cli.RunAsync("doctor", "--join", $"127.0.0.1:{port}", "--tensor-port", $"{FakeCluster.FreePort()}", "--api-port", $"{FakeCluster.FreePort()}", "--format", "json"));
        var checks = cli.Json().GetProperty("checks").EnumerateArray().ToDictionary(c => c.GetProperty("name").GetString()!, c => c);
        Assert.Equal("ok", checks["control port"].GetProperty("status").GetString());
        Assert.Equal("failed", checks["tensor port"].GetProperty("status").GetString());
        Assert.Contains("firewall", checks["api port"].GetProperty("remedy").GetString());
    }

    [Theory]
    [InlineData("nohost:99999")]
    [InlineData(":4053")]
    public async Task Doctor_refuses_an_address_that_is_none(string join)
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("doctor", "--join", join));
        Assert.Contains("HOST:PORT", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task Doctor_that_is_to_join_names_what_of_a_certificate_or_token_is_wrong()
    {
        using var cli = new CliRun();
        await cli.RunAsync("cluster", "init", "--nodes", "127.0.0.1", "--out", cli.In("k"));
        await cli.RunAsync("cluster", "init", "--nodes", "127.0.0.1", "--out", cli.In("other"));
        string config = cli.In("k/127.0.0.1/node.yaml");
        string[] ports = [.. Enumerable.Range(0, 3).Select(_ => $"{FakeCluster.FreePort()}")];
        using var stop = new CancellationTokenSource();
        using var node = new CliRun { Interrupt = stop.Token };
        node.Environment["DISTOPT_JOIN"] = $"127.0.0.1:{ports[0]}";
        var running = node.RunAsync("node", "--config", config, "--port", ports[0], "--tensor-port", ports[1], "--api-port", ports[2], "--data-root", node.Folder);
        string[] join = ["doctor", "--join", $"127.0.0.1:{ports[0]}", "--tensor-port", ports[1], "--api-port", ports[2], "--format", "json", "--config"];
        (cli.Environment["DISTOPT_PORT"], cli.Environment["DISTOPT_TENSOR_PORT"], cli.Environment["DISTOPT_API_PORT"]) = (ports[0], ports[1], ports[2]);
        Dictionary<string, (string Status, string Text)> checks;
        do checks = await Checks(config);
        while (checks["api port"].Status != "ok" && !running.IsCompleted);

        foreach (string check in (string[])["name", "certificate", "control tls", "tensor tls", "token", "clock", "build", "control port back", "tensor port back", "api port back"])
            Assert.True(checks[check].Status == "ok", $"{check}: {checks[check].Text}");

        checks = await Checks(cli.In("other/127.0.0.1/node.yaml"));
        Assert.Contains("not signed by this cluster's CA", checks["control tls"].Text);
        Assert.Contains("not signed by this cluster's CA", checks["tensor tls"].Text);
        Assert.Contains("not signed by this cluster's CA", checks["token"].Text);

        cli.Environment["DISTOPT_TOKEN"] = "a token that is wrong";
        checks = await Checks(config);
        Assert.Equal("failed", checks["token"].Status);
        Assert.Contains("refuses the token", checks["token"].Text);
        await stop.CancelAsync();
        Assert.Equal(0, await running);

        async Task<Dictionary<string, (string Status, string Text)>> Checks(string file)
        {
            await cli.RunAsync([.. join, file]);
            return cli.Json().GetProperty("checks").EnumerateArray()
                .ToDictionary(c => c.GetProperty("name").GetString()!, c => (c.GetProperty("status").GetString()!, c.GetProperty("text").GetString()!));
        }
    }

    [Fact]
    public async Task Doctor_that_is_to_join_says_that_a_name_is_not_known()
    {
        using var cli = new CliRun();
        Assert.Equal(1, await cli.RunAsync("doctor", "--join", "no-such-node.invalid:4053", "--format", "json"));
        var name = Check(cli, "name");
        Assert.Equal("failed", name.GetProperty("status").GetString());
        Assert.StartsWith("no-such-node.invalid is not known here", name.GetProperty("text").GetString());
        Assert.Contains("/etc/hosts", name.GetProperty("remedy").GetString());
    }

    [Theory]
    [InlineData(0, "ok", "the same on both")]
    [InlineData(20, "warning", "the other one is +")]
    [InlineData(-20, "warning", "the other one is -")]
    [InlineData(100, "failed", "the other one is +")]
    [InlineData(-100, "failed", "the other one is -")]
    public async Task Doctor_that_is_to_join_says_how_far_the_clock_there_is_off(int seconds, string status, string text)
    {
        using var cluster = Node(seconds, _ => """{"reached":true}""");
        using var cli = new CliRun();
        await JoinAsync(cli, cluster);
        var clock = Check(cli, "clock");
        Assert.Equal(status, clock.GetProperty("status").GetString());
        Assert.StartsWith(text, clock.GetProperty("text").GetString());
    }

    [Fact]
    public async Task Doctor_that_is_to_join_names_the_port_that_is_closed_for_the_other_node()
    {
        using var cli = new CliRun();
        string[] own = [.. Enumerable.Range(0, 3).Select(_ => $"{FakeCluster.FreePort()}")];
        (cli.Environment["DISTOPT_PORT"], cli.Environment["DISTOPT_TENSOR_PORT"], cli.Environment["DISTOPT_API_PORT"]) = (own[0], own[1], own[2]);
        using var cluster = Node(0, url => url.EndsWith($"port={own[1]}", StringComparison.Ordinal)
            ? """{"reached":false,"error":"Connection refused"}""" : """{"reached":true}""");

        Assert.Equal(1, await JoinAsync(cli, cluster));

        Assert.Equal(["ok", "failed", "ok"], ((string[])["control port back", "tensor port back", "api port back"]).Select(c => Check(cli, c).GetProperty("status").GetString()));
        var tensor = Check(cli, "tensor port back");
        Assert.Matches($"^127.0.0.1 does not reach .*:{own[1]}: Connection refused$", tensor.GetProperty("text").GetString());
        Assert.Contains("firewall", tensor.GetProperty("remedy").GetString());
    }

    /// <summary>A node whose clock is off, and which tells what it reaches.</summary>
    private static FakeCluster Node(int secondsOff, Func<string, string> reach) => new((request, _) =>
        (200, "application/json", request.RawUrl!.Contains("/reach", StringComparison.Ordinal) ? reach(request.RawUrl) : $$"""
            {"protocol":"{{ProtocolVersion.Current}}","build":"{{BuildIdentity.Current}}","time":"{{DateTimeOffset.UtcNow.AddSeconds(secondsOff):O}}"}
            """));

    private static Task<int> JoinAsync(CliRun cli, FakeCluster cluster)
    {
        string port = $"{new Uri(cluster.Url).Port}";
        return cli.RunAsync("doctor", "--join", $"127.0.0.1:{port}", "--tensor-port", port, "--api-port", port, "--format", "json");
    }

    private static JsonElement Check(CliRun cli, string name) =>
        cli.Json().GetProperty("checks").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name);

    [Theory]
    [InlineData(0, 1, "Warning", "they work together")]
    [InlineData(0, 2, "Failed", "a join is refused")]
    [InlineData(1, 0, "Failed", "a join is refused")]
    public void Doctor_judges_another_build_as_a_join_would(int majors, int minors, string status, string what)
    {
        var own = ProtocolVersion.Current;
        var other = new ProtocolVersion(own.Major + majors, own.Minor + minors);
        using var node = JsonDocument.Parse($$"""{"build": "0.2.0 abc", "protocol": "{{other}}"}""");

        var check = JoinChecks.Build(node.RootElement);

        Assert.Equal((status, "build"), (check.Status.ToString(), check.Name));
        Assert.Contains($"protocol {own} here, 0.2.0 abc, protocol {other} there: {what}", check.Text);
    }
}
