using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DistOpt.Hosting.Tests.Cluster;

public sealed class NodeServiceTests
{
    [Fact]
    public async Task A_generic_host_carries_a_node_from_start_to_stop()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging();
        var options = new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal };
        builder.Services.AddDistOptNode(options, LinearParts.Of(new LinearRuntime()), new LinearParts());
        using var host = builder.Build();

        await host.StartAsync(TestContext.Current.CancellationToken);
        var service = host.Services.GetRequiredService<NodeService>();
        using var http = new HttpClient();
        string ready = await http.GetStringAsync($"http://127.0.0.1:{service.ApiPort}/readyz", TestContext.Current.CancellationToken);
        await host.StopAsync(TestContext.Current.CancellationToken);

        Assert.StartsWith("ready: 127.0.0.1:", ready);
        Assert.Equal(NodeEnd.Stopped, await service.Node!.Ended);
    }
}
