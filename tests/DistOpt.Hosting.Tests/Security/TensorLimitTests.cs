using System.Net;
using System.Net.Sockets;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tensors;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Security;

/// <summary>The limits of a node's settings hold at its tensor channel: connections, handshakes, the size of a frame, the window, and the queue.</summary>
public sealed class TensorLimitTests
{
    private static readonly TensorAddress Server = new(1, TensorTarget.Server, 0);

    private readonly TestLog _log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Connections_above_the_limit_are_closed_at_once()
    {
        await using var node = await StartAsync(new NodeOptions { TensorConnections = 1 });
        using var first = await ConnectAsync(node, "first");
        await ReadyAsync(first);
        using var second = await ConnectAsync(node, "second");

        await RejectedAsync(TensorRejection.TooManyConnections, "above the limit of 1 connections");
        Assert.Equal(0, await second.ReadSomeAsync(new byte[100]));
        // the first one is as it was
        await ReceivedAsync(node, first);
    }

    /// <summary>A node whose connection broke, unseen from here, is not shut out by what is left of it.</summary>
    [Fact]
    public async Task A_connection_that_takes_the_place_of_its_nodes_earlier_one_needs_no_room()
    {
        await using var channel = TcpPair.Start("node", TcpPair.Options with { MaximumConnections = 1 }, _log);
        using var first = await RawPeer.ConnectAsync(channel, "peer");
        Assert.Equal(ControlKind.Ready, (await first.NextAsync())!.Value.Kind);

        using var again = await RawPeer.ConnectAsync(channel, "peer");

        Assert.Equal(ControlKind.Ready, (await again.NextAsync())!.Value.Kind);
        await first.ClosedAsync();
        Assert.Equal(0, channel.Statistics.RejectedTotal);
    }

    [Fact]
    public async Task Handshakes_above_the_limit_are_closed_at_once()
    {
        await using var node = await StartAsync(new NodeOptions { TensorHandshakes = 2 });
        var silent = new List<Socket>();
        for (int i = 0; i < 3; i++) silent.Add(await SocketAsync(node));

        await RejectedAsync(TensorRejection.TooManyConnections, "above the limit of 2 handshakes");
        await ClosedAsync(silent[2]);
        silent.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task A_frame_above_the_limit_closes_its_connection()
    {
        await using var node = await StartAsync(new NodeOptions { TensorFrameBytes = 4096 });
        using var listening = node.TensorChannel.Listen(Server, new RecordingReceiver());
        using (var peer = await ConnectAsync(node, "modest")) await ReceivedAsync(node, peer, length: 1024);
        using var greedy = await ConnectAsync(node, "greedy");
        await greedy.WriteAsync(RawPeer.Frame(Server, 1, 1025));

        await RejectedAsync(TensorRejection.Oversized, "");
        // nor is one sent
        Assert.Throws<ArgumentException>(() => node.TensorChannel.Send(Away, Header(1025), null, new TensorLease(new float[1025])));
    }

    [Fact]
    public async Task The_window_is_what_a_sender_is_told()
    {
        await using var node = await StartAsync(new NodeOptions { TensorWindowBytes = 70_000 });
        using var peer = await ConnectAsync(node, "peer");

        Assert.Equal(70_000, (await ReadyAsync(peer)).Bytes);
    }

    [Fact]
    public async Task Frames_above_the_queue_of_a_node_that_is_not_reached_are_refused()
    {
        await using var node = await StartAsync(new NodeOptions { TensorQueue = 16 });
        var leases = new LeaseCount();
        for (int i = 0; i < 16; i++) Send();

        var error = Assert.Throws<InvalidOperationException>(Send);

        Assert.Contains("16 frames wait for node 'nobody'", error.Message);
        await leases.AllDisposedAsync(1, Token);

        void Send() => node.TensorChannel.Send(Away, Header(10), null, leases.New(new float[10]));
    }

    // nothing listens there
    private static TensorPeer Away => new(new NodeId("nobody"), "127.0.0.1", 1);

    private static TensorHeader Header(int length) => new(TensorKind.Push, Server, 1, 1, default, new KeyRange(0, length));

    private Task RejectedAsync(TensorRejection reason, string why) => _log.UntilAsync(() =>
        _log.Lines.Any(l => l.Text.Contains($"closed, {reason}: ") && l.Text.Contains(why, StringComparison.Ordinal)));

    private static async Task ReceivedAsync(ClusterNode node, TensorConnection peer, int length = 10)
    {
        var address = Server with { Index = 1 };
        var receiver = new RecordingReceiver();
        using var listening = node.TensorChannel.Listen(address, receiver);
        await peer.WriteAsync(RawPeer.Frame(address, 1, length));
        (await receiver.NextAsync(Token)).Payload.Dispose();
    }

    private static async Task<ControlRecord> ReadyAsync(TensorConnection connection)
    {
        var buffer = new byte[ControlRecord.Size];
        Assert.True(await connection.ReadAsync(buffer));
        Assert.True(ControlRecord.TryRead(buffer, out var record));
        Assert.Equal(ControlKind.Ready, record.Kind);
        return record;
    }

    private static async Task<TensorConnection> ConnectAsync(ClusterNode node, string name)
    {
        var connection = await TensorConnection.ConnectAsync("127.0.0.1", node.TensorPort, TcpPair.Options, Token);
        await new TensorHandshake(ClusterNode.TensorSecret(node.Options, null), new NodeId(name), 1).ConnectAsync(connection, node.Id);
        return connection;
    }

    private static async Task<Socket> SocketAsync(ClusterNode node)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, node.TensorPort, Token);
        return socket;
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
    }

    private Task<ClusterNode> StartAsync(NodeOptions limits) => ClusterNode.StartAsync(
        limits with { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal },
        LinearParts.Of(new LinearRuntime()), new TestLoggers(_log), TimeProvider.System, Token);
}
