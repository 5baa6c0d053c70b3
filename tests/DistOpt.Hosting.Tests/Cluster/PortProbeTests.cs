using System.Net;
using System.Net.Sockets;
using DistOpt.Hosting.Cluster;

namespace DistOpt.Hosting.Tests.Cluster;

public sealed class PortProbeTests
{
    private static readonly CancellationToken Stop = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Somebody_who_listens_accepts_and_a_port_that_was_left_refuses()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Assert.Equal(PortAnswer.Accepted, await PortProbe.AskAsync("127.0.0.1", port, TimeProvider.System, Stop));
        listener.Stop();
        Assert.Equal(PortAnswer.Refused, await PortProbe.AskAsync("127.0.0.1", port, TimeProvider.System, Stop));
    }

    [Fact]
    public async Task A_name_that_nobody_has_is_silent()
    {
        Assert.Equal(PortAnswer.Silent, await PortProbe.AskAsync("no-such-host.invalid", 4053, TimeProvider.System, Stop));
    }

    [Fact]
    public async Task Whoever_asks_may_give_up()
    {
        using var gaveUp = new CancellationTokenSource();
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PortProbe.AskAsync("127.0.0.1", 1, TimeProvider.System, gaveUp.Token));
    }
}
