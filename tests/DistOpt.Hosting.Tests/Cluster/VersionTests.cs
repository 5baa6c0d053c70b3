using System.Net.Sockets;
using System.Text;
using Akka.Actor;
using Akka.Cluster;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Security;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Cluster;

/// <summary>Nodes of several builds, as far as one process can hold them; real second builds are in the end-to-end tests.</summary>
public sealed class VersionTests : IDisposable
{
    private readonly TestLog _log = new();

    // a coordinator that finds the addresses of another test's nodes looks for those first
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-versions-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_job_over_nodes_one_minor_version_apart_has_the_bits_of_a_local_one()
    {
        var spec = new LinearParts().Read(LinearParts.Yaml());
        var local = await LocalJobHost.RunAsync(new JobId("local"), spec, LinearParts.Of(new LinearRuntime()), new RecordingSink(), JobStorage.None,
            TimeProvider.System);
        await using var coordinator = await Start("1.1", "coordinator,server");
        await using var older = await Start("1.0", "worker", coordinator);
        await using var newer = await Start("1.1", "worker", coordinator);
        await Offered(coordinator, 3);

        var summary = await coordinator.RunJobAsync(new JobId("job"), spec, _ => new RecordingSink(), JobStorage.None);

        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(local.WeightsSha256, summary.WeightsSha256);
        Assert.Equal(["1.0", "1.1", "1.1"], (await coordinator.NodesAsync()).Select(n => n.Version).Order());
    }

    [Theory]
    [InlineData("1.2")]
    [InlineData("2.0")]
    [InlineData("0.0")]
    public async Task A_node_too_far_away_is_refused_on_both_sides_by_both_versions_and_nobody_else_hears_of_it(string version)
    {
        await using var coordinator = await Start("1.0", "coordinator,server");
        await using var worker = await Start("1.0", "worker", coordinator);
        await Offered(coordinator, 2);

        var refused = await Assert.ThrowsAsync<JoinRefusedException>(() => Start(version, "worker", coordinator));

        Assert.Contains($"could not join {coordinator.Endpoint}: node {coordinator.Endpoint} runs protocol 1.0 (build of 1.0), this node protocol {version} "
            + $"(build of {version})", refused.Message);
        Assert.Contains("at most one minor version", refused.Message);
        await _log.UntilAsync(() => Warnings("control connection from 127.0.0.1:").Any(l =>
            l.Contains($"runs protocol {version} (build of {version}), this node protocol 1.0 (build of 1.0)")));
        Assert.Equal(2, Akka.Cluster.Cluster.Get(worker.System).State.Members.Count);
        Assert.False(coordinator.Ended.IsCompleted || worker.Ended.IsCompleted);
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 1));
        var summary = await coordinator.RunJobAsync(new JobId("after"), spec, _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);
    }

    [Fact]
    public async Task A_node_that_gets_along_with_whom_it_asks_but_not_with_all_members_is_refused()
    {
        await using var coordinator = await Start("1.1", "coordinator,server");
        await using var worker = await Start("1.0", "worker", coordinator);
        await Offered(coordinator, 2);

        var refused = await Assert.ThrowsAsync<JoinRefusedException>(() => Start("1.2", "worker", coordinator));

        Assert.Contains($"runs protocol 1.2 (build of 1.2), but {worker.Endpoint}, a member of the cluster, protocol 1.0", refused.Message);
        Assert.Equal(2, Akka.Cluster.Cluster.Get(coordinator.System).State.Members.Count);
        // it may once the last older one is gone
        await worker.DisposeAsync();
        await using var newer = await Start("1.2", "worker", coordinator);
        // what a node knows of the others, and of itself, comes with the gossip
        await _log.UntilAsync(() => Akka.Cluster.Cluster.Get(newer.System).State.Members.Where(m => m.Status == MemberStatus.Up)
            .Select(m => m.AppVersion.Version).Order().SequenceEqual(["1.1", "1.2"]));
    }

    [Fact]
    public async Task A_message_that_only_a_newer_version_knows_is_named_once_with_that_version_and_dropped()
    {
        await using var coordinator = await Start("1.0", "coordinator,server,worker");
        await using var newer = await Start("1.1", "worker", coordinator);
        await Offered(coordinator, 2);
        var sender = ClusterTlsTests.Attacker(null);
        try
        {
            var agent = sender.ActorSelection($"akka.tcp://distopt@{coordinator.Endpoint}/user/node");
            for (int i = 0; i < 3; i++)
            {
                agent.Tell(new NodeEnvelope(new JobId("j"), NodeActors.Agent, newer.Id, "news.1", [0xc0]));
                agent.Tell(new NodeEnvelope(new JobId("j"), NodeActors.Agent, newer.Id, null!, null!));
            }
            Assert.NotNull((await agent.Ask<ActorIdentity>(new Identify(1), TimeSpan.FromSeconds(30), Token)).Subject);
        }
        finally
        {
            await sender.Terminate();
        }
        await _log.UntilAsync(() => Warnings("Message 'nil'").Any());

        string line = Assert.Single(Warnings("Message 'news.1'"));
        Assert.Contains($"from [{newer.Id}] (protocol 1.1) is not known to this build (protocol {ProtocolVersion.Current}) and is dropped", line);
        Assert.Single(Warnings("Message 'nil'"));
        var spec = new LinearParts().Read(LinearParts.Yaml());
        var summary = await coordinator.RunJobAsync(new JobId("after"), spec, _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);
    }

    [Fact]
    public async Task Who_does_not_greet_is_refused_and_who_only_tries_the_port_is_not_worth_a_line()
    {
        await using var node = await Start("1.0", "coordinator");
        string host = node.Endpoint.Split(':')[0];
        int port = int.Parse(node.Endpoint.Split(':')[1]);
        using (var probe = new TcpClient())
        {
            await probe.ConnectAsync(host, port, Token);
            probe.Client.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await probe.Client.ReceiveAsync(new byte[1], Token));
        }
        Assert.Empty(Warnings("control connection from"));
        using var browser = new TcpClient();
        await browser.ConnectAsync(host, port, Token);
        await browser.GetStream().WriteAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\n\r\n"), Token);
        await _log.UntilAsync(() => Warnings("control connection from").Any());

        Assert.Contains("does not greet as a node of DistOpt does", Assert.Single(Warnings("control connection from")));
    }

    private IEnumerable<string> Warnings(string start) =>
        _log.Lines.Where(l => l.Level == LogLevel.Warning && l.Text.StartsWith(start, StringComparison.Ordinal)).Select(l => l.Text);

    private Task<ClusterNode> Start(string version, string roles, ClusterNode? join = null)
    {
        var options = new NodeOptions
        {
            Roles = [.. roles.Split(',')],
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            WorkerSlots = 1,
            DataRoot = _root,
            Join = join is null ? [] : [join.Endpoint],
            Build = new NodeBuild(ProtocolVersion.Parse(version), $"of {version}"),
        };
        return ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime()), new TestLoggers(_log), TimeProvider.System, Token);
    }

    private static async Task Offered(ClusterNode coordinator, int nodes)
    {
        while ((await coordinator.NodesAsync()).Count < nodes) await Task.Yield();
    }
}
