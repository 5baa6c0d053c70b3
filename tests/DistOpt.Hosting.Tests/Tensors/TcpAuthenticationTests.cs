using System.Net;
using System.Net.Sockets;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Tensors;

public sealed class TcpAuthenticationTests
{
    private static readonly TensorAddress Server = new(1, TensorTarget.Server, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static byte[] Other => [.. Enumerable.Range(100, 32).Select(i => (byte)i)];

    [Fact]
    public async Task A_peer_with_another_secret_is_refused_on_either_side_and_nothing_is_delivered()
    {
        var options = TcpPair.Options with { Backoff = TimeSpan.FromMilliseconds(1), LongestBackoff = TimeSpan.FromMilliseconds(2) };
        var log = new TestLog();
        await using var right = TcpPair.Start("right", options, log);
        await using var wrong = TcpPair.Start("left", options with { Secret = Other });
        var receiver = new RecordingReceiver();
        using var listening = right.Listen(Server, receiver);
        var leases = new LeaseCount();
        wrong.Send(right.Self, Header(1), null, leases.New(new float[10]));
        await log.UntilAsync(() => right.Statistics.Rejected.GetValueOrDefault(TensorRejection.Unauthenticated) >= 3);
        Assert.Equal((0, 0), (receiver.Accepts, leases.Disposed));
        Assert.Equal(0, wrong.Statistics.Connections);

        await using var good = TcpPair.Start("good", options);
        good.Send(right.Self, Header(2), null, new TensorLease(new float[10]));
        Assert.Equal(2, (await receiver.NextAsync(Cancel)).Header.Step);
    }

    [Fact]
    public async Task A_listener_that_does_not_know_the_secret_gets_no_frame()
    {
        var options = TcpPair.Options;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using var left = TcpPair.Start("left", options);
        left.Send(new TensorPeer(new NodeId("right"), "127.0.0.1", port), Header(1), null, new TensorLease(new float[10]));
        using var socket = await listener.AcceptSocketAsync(Cancel);
        var connection = await TensorConnection.OverAsync(socket, accepted: true, options, Cancel);
        // it lets the other prove itself, and answers with a proof of its own making
        await Assert.ThrowsAsync<TensorHandshakeException>(
            async () => await new TensorHandshake(Other, new NodeId("right"), 1).AcceptAsync(connection));
        await connection.WriteAsync(new byte[32]);
        Assert.Equal(0, await connection.ReadSomeAsync(new byte[1000]));
        connection.Dispose();
    }

    [Fact]
    public async Task A_proof_cannot_be_reflected_or_used_again()
    {
        var log = new TestLog();
        await using var right = TcpPair.Start("right", TcpPair.Options, log);
        byte[] greeting, proof;

        // an honest handshake, recorded
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            var honest = RelayAsync(listener, right.Port);
            var connection = await TensorConnection.ConnectAsync("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port, TcpPair.Options, Cancel);
            await new TensorHandshake(TcpPair.Options.Secret, new NodeId("left"), 3).ConnectAsync(connection, right.Self.Node);
            connection.Dispose();
            (greeting, proof) = await honest;
        }

        var again = await TensorConnection.ConnectAsync("127.0.0.1", right.Port, TcpPair.Options, Cancel);
        await again.WriteAsync(greeting);
        await again.WriteAsync(proof);
        var answer = new byte[greeting.Length];
        Assert.True(await again.ReadAsync(answer));
        await log.UntilAsync(() => right.Statistics.Rejected.GetValueOrDefault(TensorRejection.Unauthenticated) >= 1);
        again.Dispose();
    }

    [Fact]
    public async Task A_connection_meant_for_another_node_is_refused()
    {
        var log = new TestLog();
        await using var right = TcpPair.Start("right", TcpPair.Options, log);
        var connection = await TensorConnection.ConnectAsync("127.0.0.1", right.Port, TcpPair.Options, Cancel);
        await Assert.ThrowsAnyAsync<Exception>(
            async () => await new TensorHandshake(TcpPair.Options.Secret, new NodeId("left"), 3).ConnectAsync(connection, new NodeId("earlier right")));
        connection.Dispose();
        await log.UntilAsync(() => right.Statistics.Rejected.GetValueOrDefault(TensorRejection.Unauthenticated) >= 1);
    }

    [Fact]
    public async Task Connections_that_say_nothing_are_closed_in_time()
    {
        var log = new TestLog();
        await using var right = TcpPair.Start("right", TcpPair.Options with { MaximumHandshakes = 2, HandshakeTimeout = TimeSpan.FromMilliseconds(300) }, log);
        await ClosedAsync(await ConnectAsync(right.Port, 2));
        await log.UntilAsync(() => right.Statistics.RejectedTotal >= 2);
        Assert.Equal(2, right.Statistics.Rejected[TensorRejection.HandshakeTimeout]);
    }

    [Fact]
    public async Task Too_many_connections_that_say_nothing_are_closed_at_once()
    {
        var log = new TestLog();
        // the limit does not come into it, however slowly they are made
        await using var right = TcpPair.Start("right", TcpPair.Options with { MaximumHandshakes = 2, HandshakeTimeout = TimeSpan.FromSeconds(300) }, log);
        var idle = await ConnectAsync(right.Port, 5);
        await ClosedAsync(idle[2..]);
        await log.UntilAsync(() => right.Statistics.RejectedTotal >= 3);
        Assert.Equal(3, right.Statistics.Rejected[TensorRejection.TooManyConnections]);
        Assert.Equal(0, right.Statistics.Rejected.GetValueOrDefault(TensorRejection.HandshakeTimeout));
        foreach (var socket in idle[..2]) socket.Dispose();
    }

    private static async Task<List<Socket>> ConnectAsync(int port, int count)
    {
        var sockets = new List<Socket>();
        for (int i = 0; i < count; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, port, Cancel);
            sockets.Add(socket);
        }
        return sockets;
    }

    /// <summary>The other side closes each of them.</summary>
    private static async Task ClosedAsync(List<Socket> sockets)
    {
        foreach (var socket in sockets)
        {
            try
            {
                Assert.Equal(0, await socket.ReceiveAsync(new byte[1], Cancel));
            }
            catch (SocketException e)
            {
                Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
            }

            socket.Dispose();
        }
    }

    private static async Task<(byte[] Greeting, byte[] Proof)> RelayAsync(TcpListener listener, int port)
    {
        using var client = await listener.AcceptSocketAsync(Cancel);
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await server.ConnectAsync(IPAddress.Loopback, port, Cancel);
        var buffer = new byte[1000];
        byte[] greeting = await PassAsync(client, server);
        await PassAsync(server, client);
        byte[] proof = await PassAsync(client, server);
        await PassAsync(server, client);
        return (greeting, proof);

        async Task<byte[]> PassAsync(Socket from, Socket to)
        {
            int read = await from.ReceiveAsync(buffer, Cancel);
            await to.SendAsync(buffer.AsMemory(0, read), Cancel);
            return buffer[..read];
        }
    }

    private static TensorHeader Header(long step) => new(TensorKind.Push, Server, 1, step, default, new KeyRange(0, 10));
}
