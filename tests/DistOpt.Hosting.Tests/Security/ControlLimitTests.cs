using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Control;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;

namespace DistOpt.Hosting.Tests.Security;

/// <summary>The limits of the control plane hold: connections, those that have not proved who they are, and the size of a frame.</summary>
public sealed class ControlLimitTests
{
    private readonly TestLog _log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Handshakes_above_the_limit_are_closed_at_once_and_those_within_it_in_time()
    {
        await using var node = await StartAsync(new NodeOptions { ControlHandshakes = 2 });
        var silent = new List<Socket>();
        for (int i = 0; i < 3; i++) silent.Add(await ConnectAsync(node));

        await _log.UntilAsync(() => Count("above the limit of 1024 connections or 2 handshakes") == 1);
        await _log.UntilAsync(() => Count("no handshake within 5 s") == 2);

        foreach (var socket in silent) await ClosedAsync(socket);
        Assert.False(node.Ended.IsCompleted);
    }

    [Fact]
    public async Task Connections_above_the_limit_are_closed_at_once()
    {
        await using var node = await StartAsync(new NodeOptions { ControlConnections = 1 });
        using var first = await ConnectAsync(node);
        await GreetAsync(first);
        var second = await ConnectAsync(node);

        await _log.UntilAsync(() => Count("above the limit of 1 connections") == 1);
        await ClosedAsync(second);

        // the first one is still there, and makes room
        Assert.False(first.Poll(0, SelectMode.SelectRead));
        first.Dispose();
        bool isLetIn = false;
        while (!isLetIn)
        {
            Token.ThrowIfCancellationRequested();
            using var third = await ConnectAsync(node);
            isLetIn = await IsLetInAsync(third);
        }
    }

    [Fact]
    public async Task A_frame_above_the_limit_closes_its_connection_and_is_not_waited_for()
    {
        await using var node = await StartAsync(new NodeOptions { ControlFrameBytes = 40_000 });
        var socket = await ConnectAsync(node);
        await GreetAsync(socket);
        var prefix = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(prefix, 40_001);
        await socket.SendAsync(prefix, Token);

        await _log.UntilAsync(() => Count("a frame of 40001 bytes, where 1 to 40000 are allowed") == 1);
        await ClosedAsync(socket);
    }

    private int Count(string text) => _log.Lines.Count(l => l.Text.Contains(text, StringComparison.Ordinal));

    private Task<ClusterNode> StartAsync(NodeOptions limits) => ClusterNode.StartAsync(
        limits with { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal },
        LinearParts.Of(new LinearRuntime()), new TestLoggers(_log), TimeProvider.System, Token);

    private static async Task<Socket> ConnectAsync(ClusterNode node)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, int.Parse(node.Endpoint.Split(':')[1]), Token);
        return socket;
    }

    private static async Task GreetAsync(Socket socket)
    {
        using var stream = new NetworkStream(socket, ownsSocket: false);
        await new ControlHandshake(new VersionGate(NodeBuild.Current), "127.0.0.1:1").ConnectAsync(stream, "the node", Token);
    }

    private static async Task<bool> IsLetInAsync(Socket socket)
    {
        try
        {
            await GreetAsync(socket);
            return true;
        }
        catch (IOException)
        {
            return false; // the first connection is not yet seen to be closed
        }
    }

    private static async Task ClosedAsync(Socket socket)
    {
        try
        {
            Assert.Equal(0, await socket.ReceiveAsync(new byte[1], Token));
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
        socket.Dispose();
    }
}
