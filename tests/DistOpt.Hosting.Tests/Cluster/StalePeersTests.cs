using System.Net;
using System.Net.Sockets;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Cluster;

/// <summary>The addresses of its peers that a coordinator has kept belong to something else by now. Without TLS nothing else would keep it out.</summary>
public sealed class StalePeersTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("distopt-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public async Task A_service_that_is_no_node_holds_up_nothing()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        Remembers($"127.0.0.1:{((IPEndPoint)other.LocalEndpoint).Port}");

        await using var node = await StartAsync(_root);

        while ((await node.NodesAsync()).Count < 1) await Task.Yield();
    }

    [Fact]
    public async Task Another_cluster_is_left_and_the_next_start_begins_ones_own()
    {
        var elsewhere = Directory.CreateTempSubdirectory("distopt-");
        try
        {
            await using var foreign = await StartAsync(elsewhere);
            Remembers(foreign.Endpoint);

            var error = await Assert.ThrowsAsync<SpecException>(() => StartAsync(_root));

            Assert.Contains(foreign.Endpoint, error.Message);
            Assert.Contains($"'{Peers}', which is deleted now", error.Message);
            Assert.False(File.Exists(Peers));
            await using var node = await StartAsync(_root);
            while ((await node.NodesAsync()).Count < 1) await Task.Yield();
            Assert.False(foreign.Ended.IsCompleted);
            await Eventually.Until(() => Akka.Cluster.Cluster.Get(foreign.System).State.Members.Count == 1);
        }
        finally
        {
            elsewhere.Delete(recursive: true);
        }
    }

    private string Peers => Path.Combine(_root.FullName, "coordinator", "peers");

    private void Remembers(string endpoint)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Peers)!);
        File.WriteAllText(Peers, endpoint + "\n");
    }

    private static Task<ClusterNode> StartAsync(DirectoryInfo root) => ClusterNode.StartAsync(
        new NodeOptions { Roles = [NodeOptions.Coordinator], Port = 0, TensorPort = 0, ApiPort = 0, DataRoot = root.FullName },
        LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
}
