using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;

namespace DistOpt.Hosting.Tensors;

/// <summary>
/// One connected socket, plain or under a stream such as TLS: exact reads and whole writes. One reader and one writer at a time.
/// Closing it is how waiting operations are ended.
/// </summary>
internal sealed class TensorConnection : IDisposable
{
    private const int TcpCongestion = 13; // TCP_CONGESTION of linux/tcp.h, level IPPROTO_TCP

    private readonly Socket _socket;
    private Stream? _stream;
    private int _closed;

    private TensorConnection(Socket socket) => _socket = socket;

    /// <summary>Whether this node closed the connection for reasons of its own.</summary>
    public bool Retired { get; private set; }

    public string Remote { get; private set; } = "?";

    /// <summary>The stream over the socket; null where there is none.</summary>
    public Stream? Stream => _stream;

    /// <summary>Name of the TCP congestion control in use, such as <c>cubic</c> or <c>bbr</c>; <c>unknown</c> where the system does not tell.</summary>
    public string CongestionControl { get; private set; } = "unknown";

    public static async ValueTask<TensorConnection> ConnectAsync(string host, int port, TcpTensorChannelOptions options, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(host, port, cancellation).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        return await OverAsync(socket, accepted: false, options, cancellation).ConfigureAwait(false);
    }

    public static async ValueTask<TensorConnection> OverAsync(
        Socket socket, bool accepted, TcpTensorChannelOptions options, CancellationToken cancellation)
    {
        var connection = new TensorConnection(socket);
        try
        {
            connection.Tune(options);
            if (options.Wrap is { } wrap) connection._stream = await wrap(socket, accepted, cancellation).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Fills the buffer.</summary>
    /// <returns>False if the peer closed before the first byte.</returns>
    /// <exception cref="EndOfStreamException">The peer closed after it.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> ReadAsync(Memory<byte> buffer)
    {
        int at = 0;
        while (at < buffer.Length)
        {
            int read = await ReadSomeAsync(buffer[at..]).ConfigureAwait(false);
            if (read == 0) return at == 0 ? false : throw new EndOfStreamException("the peer closed the connection within a record");
            at += read;
        }

        return true;
    }

    /// <summary>Reads what there is, at least one byte; 0 at the end.</summary>
    public ValueTask<int> ReadSomeAsync(Memory<byte> buffer) =>
        _stream is { } stream ? stream.ReadAsync(buffer) : _socket.ReceiveAsync(buffer, SocketFlags.None);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer)
    {
        if (_stream is { } stream)
        {
            await stream.WriteAsync(buffer).ConfigureAwait(false);
            await stream.FlushAsync().ConfigureAwait(false);
            return;
        }

        while (buffer.Length > 0)
        {
            int sent = await _socket.SendAsync(buffer, SocketFlags.None).ConfigureAwait(false);
            buffer = buffer[sent..];
        }
    }

    /// <summary>Closes the connection where the peer has done nothing wrong: a newer one replaces it, or its node is forgotten.</summary>
    public void Retire()
    {
        Retired = true;
        Dispose();
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0) return;
        _stream?.Dispose();
        _socket.Dispose();
    }

    private void Tune(TcpTensorChannelOptions options)
    {
        _socket.NoDelay = true;
        // a machine that lost power sends no FIN: notice it all the same
        _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        _socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        _socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        _socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        var remote = _socket.RemoteEndPoint as IPEndPoint;
        Remote = remote?.ToString() ?? "?";
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            if (options.LoopbackCongestionControl is { } name && remote is not null && IPAddress.IsLoopback(Unmap(remote.Address)))
                _socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpCongestion, Encoding.ASCII.GetBytes(name));
        }
        catch (SocketException)
        {
            // not built into this kernel: the system's stays, and CongestionControl says which
        }

        Span<byte> buffer = stackalloc byte[16];
        try
        {
            int length = _socket.GetRawSocketOption((int)SocketOptionLevel.Tcp, TcpCongestion, buffer);
            CongestionControl = Encoding.ASCII.GetString(buffer[..length]).TrimEnd('\0');
        }
        catch (SocketException)
        {
            CongestionControl = "unknown";
        }
    }

    private static IPAddress Unmap(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
