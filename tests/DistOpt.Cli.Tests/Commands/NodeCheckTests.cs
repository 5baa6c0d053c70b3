using DistOpt.Cli.Tests.Cluster;
using DistOpt.Cli.Tests.Support;
using DistOpt.Hosting.Security;

namespace DistOpt.Cli.Tests.Commands;

public sealed class NodeCheckTests
{
    [Theory]
    [InlineData(200, "ok", 0)]
    [InlineData(503, "the node has ended", 1)]
    public async Task What_the_node_says_is_the_exit_code(int status, string text, int code)
    {
        using var node = new FakeCluster((_, _) => (status, "text/plain", text));
        using var cli = new CliRun();
        cli.Environment["DISTOPT_API_PORT"] = new Uri(node.Url).Port.ToString();

        Assert.Equal(code, await cli.RunAsync("node", "--check"));

        Assert.Equal("GET /healthz", Assert.Single(node.Requests).TrimEnd());
        Assert.Contains(text, code == 0 ? cli.Out : Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task A_node_that_is_not_there_is_not_healthy()
    {
        using var cli = new CliRun();
        int port = FakeCluster.FreePort();
        Assert.Equal(1, await cli.RunAsync("node", "--check", "--api-port", $"{port}"));
        Assert.StartsWith($"error: the node is not healthy: http://127.0.0.1:{port}/healthz", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task A_node_with_TLS_is_asked_with_the_settings_that_it_runs_with_and_believed_by_its_CA_alone()
    {
        using var cli = new CliRun();
        var now = DateTimeOffset.UtcNow;
        using (var issuer = CertificateIssuer.Create("the CA of the tests", now.AddDays(-1), now.AddDays(2)))
        using (var stranger = CertificateIssuer.Create("another CA", now.AddDays(-1), now.AddDays(2)))
        {
            var pem = issuer.Issue("node", ["127.0.0.1"], now.AddHours(-1), now.AddDays(1), true, true);
            cli.Write("node.pem", pem.Certificate);
            cli.Write("node.key", pem.Key);
            cli.Write("ca.pem", issuer.ToPem().Certificate);
            cli.Write("other.pem", stranger.ToPem().Certificate);
        }
        int port = FakeCluster.FreePort();
        string Config(string ca) => cli.Write(ca + ".yaml", $$"""
            port: 0
            tensor_port: 0
            api_port: {{port}}
            data_root: {{cli.Folder}}
            certificate: {{cli.In("node.pem")}}
            certificate_key: {{cli.In("node.key")}}
            ca: {{cli.In(ca)}}
            """);
        cli.Environment["DISTOPT_CONFIG"] = Config("ca.pem");
        using var stop = new CancellationTokenSource();
        var announced = new Announced();
        var running = DistOptApp.RunAsync(["node"], DistOptApp.Define(_ => { }), new AppConsole
        {
            In = TextReader.Null,
            Out = announced,
            Error = TextWriter.Null,
            Environment = name => cli.Environment.GetValueOrDefault(name),
        }, stop.Token);
        await Task.WhenAny(running, announced.Line);
        Assert.False(running.IsCompleted);

        Assert.Equal(0, await cli.RunAsync("node", "--check"));
        Assert.Contains("https://127.0.0.1", cli.Out);
        Assert.Equal(1, await cli.RunAsync("node", "--check", "--config", Config("other.pem")));

        await stop.CancelAsync();
        Assert.Equal(0, await running);
    }

    /// <summary>A node writes its first line when it has joined.</summary>
    private sealed class Announced : StringWriter
    {
        private readonly TaskCompletionSource _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Line => _line.Task;

        public override void WriteLine(string? value) => _line.TrySetResult();
    }
}
