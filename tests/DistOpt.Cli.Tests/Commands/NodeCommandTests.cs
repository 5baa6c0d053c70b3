using System.Net;
using System.Net.Sockets;
using DistOpt.Cli.Tests.Cluster;
using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Commands;

public sealed class NodeCommandTests
{
    [Fact]
    public async Task All_wrong_settings_are_told_at_once()
    {
        using var cli = new CliRun();
        cli.Environment["DISTOPT_TENSOR_PORT"] = "70000";
        Assert.Equal(2, await cli.RunAsync("node", "--port", "many", "--worker-slots", "0"));
        string[] lines = cli.ErrorLines();
        Assert.Contains(lines, l => l.Contains("port") && l.Contains("many"));
        Assert.Contains(lines, l => l.Contains("tensor_port") && l.Contains("70000"));
        Assert.Contains(lines, l => l.Contains("worker_slots") && l.Contains('0'));
        Assert.Equal(3, lines.Length);
    }

    [Fact]
    public async Task A_port_in_use_is_bad_input()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("node", "--port", $"{port}", "--tensor-port", "0", "--api-port", "0"));
        Assert.Contains($"{port} is in use", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task A_node_that_cannot_join_exits_with_4()
    {
        using var cli = new CliRun();
        int code = await cli.RunAsync("node", "--roles", "worker", "--join", $"127.0.0.1:{FakeCluster.FreePort()}", "--port", "0", "--tensor-port", "0", "--api-port", "0", "--join-timeout", "1");
        Assert.Equal(4, code);
        Assert.Contains(cli.ErrorLines(), l => l.StartsWith("error: could not join 127.0.0.1:", StringComparison.Ordinal));
    }
}
