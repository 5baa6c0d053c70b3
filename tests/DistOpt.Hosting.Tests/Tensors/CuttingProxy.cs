using System.Net;
using System.Net.Sockets;

namespace DistOpt.Hosting.Tests.Tensors;

/// <summary>What to do with one connection: where to cut it, in bytes towards the target, and how many bytes of the other way to let through.</summary>
internal readonly record struct Cut(long After, long BackAtMost = long.MaxValue);

/// <summary>Stands between two nodes and cuts connections after so many bytes, the first one at the first cut, and so on; later ones not at all.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly int _target;
    private readonly Task _accepting;

    public CuttingProxy(int target, params Cut[] cuts)
    {
        _target = target;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync(new Queue<Cut>(cuts));
    }

    public int Port { get; }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting;
        _closing.Dispose();
    }

    private async Task AcceptAsync(Queue<Cut> cuts)
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_closing.Token);
                open.Add(ForwardAsync(client, cuts.Count > 0 ? cuts.Dequeue() : new Cut(long.MaxValue)));
            }
        }
        catch (OperationCanceledException)
        {
            // the test is over
        }

        await Task.WhenAll(open);
    }

    private async Task ForwardAsync(Socket client, Cut cut)
    {
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        using (client)
        {
            await server.ConnectAsync(IPAddress.Loopback, _target, _closing.Token);
            var there = PumpAsync(client, server, cut.After, swallow: false, both);
            var back = PumpAsync(server, client, cut.BackAtMost, swallow: true, both);
            await Task.WhenAll(there, back);
        }
    }

    private static async Task PumpAsync(Socket from, Socket to, long limit, bool swallow, CancellationTokenSource both)
    {
        var buffer = new byte[64 << 10];
        try
        {
            while (limit > 0 || swallow)
            {
                int read = await from.ReceiveAsync(buffer, both.Token);
                if (read == 0) break;
                int pass = (int)Math.Min(read, limit);
                limit -= pass;
                for (int at = 0; at < pass;) at += await to.SendAsync(buffer.AsMemory(at, pass - at), both.Token);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // one side closed
        }

        await both.CancelAsync();
    }
}
