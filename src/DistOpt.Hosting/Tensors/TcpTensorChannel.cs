using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Specs;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tensors;

/// <summary>
/// Tensor channel over TCP. Each node listens, and makes one connection to each peer that it sends to; frames go one way on it,
/// acknowledgements and credit the other, so that they never wait behind a payload. Payloads are written from the lease's memory and read
/// into the memory that the receiver gives, cut into slices between which frames for other addresses pass. What was not acknowledged is
/// sent again after a lost connection; what comes twice is thrown away. Frames to the node itself go by reference.
/// </summary>
public sealed class TcpTensorChannel : ITensorChannel, IAsyncDisposable
{
    private const int PeersMax = 1 << 14;

    private readonly TcpTensorChannelOptions _options;
    private readonly TensorLinkContext _context;
    private readonly TensorMailboxes _mailboxes;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<NodeId, OutboundLink> _links = [];
    private readonly Dictionary<NodeId, InboundPeer> _peers = [];
    private readonly Dictionary<TensorConnection, Task> _accepted = [];
    private readonly HashSet<Task> _ending = [];
    private readonly Task _accepting;
    private int _handshakes;
    private bool _closed;

    private TcpTensorChannel(NodeId node, TcpTensorChannelOptions options, ILogger logger, TimeProvider time)
    {
        _options = options;
        ulong instance = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
        _context = new TensorLinkContext(options, new TensorHandshake(options.Secret, node, instance, options.VerifyPeer),
            new TensorChannelCounters(), logger, time);
        _mailboxes = new TensorMailboxes(options.MaximumWaitingFrames);
        _listener = new Socket(options.Bind.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            _listener.Bind(new IPEndPoint(options.Bind, options.Port));
            _listener.Listen(512);
        }
        catch (SocketException e)
        {
            _listener.Dispose();
            string remedy = e.SocketErrorCode == SocketError.AddressAlreadyInUse ? "choose another port, or 0 for any free one" : "give an address of this machine";
            throw new SpecException("tensor_channel.port", $"cannot listen on {options.Bind}:{options.Port} ({e.Message}): {remedy}");
        }

        int port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        Self = new TensorPeer(node, options.AdvertisedHost ?? options.Bind.ToString(), options.AdvertisedPort ?? port);
        Port = port;
        logger.Listening(node.Value, options.Bind.ToString(), port);
        _accepting = Task.Run(AcceptAsync);
    }

    public TensorPeer Self { get; }

    /// <summary>The port listened on.</summary>
    public int Port { get; }

    public TensorChannelStatistics Statistics => _context.Counters.Snapshot();

    /// <summary>Frames that wait now: to be acknowledged by other nodes, and here for somebody to listen at their address.</summary>
    public (long Outbound, long Unclaimed) FramesWaiting
    {
        get
        {
            OutboundLink[] links;
            lock (_gate) links = [.. _links.Values];
            return (links.Sum(link => (long)link.Waiting), _mailboxes.Unclaimed);
        }
    }

    /// <summary>Opens the port and begins to listen.</summary>
    /// <param name="node">This node, at most 255 bytes of UTF-8.</param>
    /// <exception cref="SpecException">Options out of bounds, all at once, or a port that cannot be listened on.</exception>
    /// <exception cref="PlatformNotSupportedException">A big-endian machine: payloads are memory as it is.</exception>
    public static TcpTensorChannel Start(NodeId node, TcpTensorChannelOptions options, ILogger logger, TimeProvider? time = null)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("the tensor channel needs a little-endian machine");
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logger);
        ArgumentException.ThrowIfNullOrEmpty(node.Value);
        if (Encoding.UTF8.GetByteCount(node.Value) > 255) throw new ArgumentException($"a node id has at most 255 bytes, '{node.Value[..40]}...' more", nameof(node));
        options.Validate();
        return new TcpTensorChannel(node, options, logger, time ?? TimeProvider.System);
    }

    public IDisposable Listen(TensorAddress address, ITensorReceiver receiver)
    {
        var listening = _mailboxes.Listen(address, receiver);
        InboundPeer[] peers;
        lock (_gate) peers = [.. _peers.Values];
        foreach (var peer in peers) peer.Resume(address);
        return listening;
    }

    public void Send(TensorPeer to, in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        ArgumentNullException.ThrowIfNull(to);
        ArgumentNullException.ThrowIfNull(payload);
        if (payload.Memory.Length != header.Range.Length)
            throw new ArgumentException($"payload has {payload.Memory.Length} elements, its range {header.Range} has {header.Range.Length}", nameof(payload));
        if (to.Node == Self.Node)
        {
            _mailboxes.Deliver(header, meta, payload);
            return;
        }

        if (header.Range.Length * sizeof(float) > _options.MaximumFrameBytes)
            throw new ArgumentException($"a payload of {header.Range.Length * sizeof(float)} bytes is above the limit of {_options.MaximumFrameBytes}", nameof(payload));
        byte[] encoded = meta is null ? [] : MetaCodec.Encode(meta, _options.MaximumMetaBytes);
        OutboundLink? link;
        lock (_gate)
        {
            if (_closed) link = null;
            else if (!_links.TryGetValue(to.Node, out link))
            {
                link = new OutboundLink(_context, to);
                _links.Add(to.Node, link);
                link.Start();
            }
        }

        if (link is null) payload.Dispose();
        else link.Send(header, encoded, payload);
    }

    /// <summary>Congestion control of the connection to a node, such as <c>cubic</c>; null while there is none.</summary>
    public string? CongestionControl(NodeId node)
    {
        OutboundLink? link;
        lock (_gate) link = _links.GetValueOrDefault(node);
        return link?.CongestionControl;
    }

    public void Forget(NodeId node)
    {
        lock (_gate)
        {
            if (_links.Remove(node, out var link)) Track(link.CloseAsync());
            if (_peers.Remove(node, out var peer)) peer.Current?.Connection.Retire();
        }

        if (node == Self.Node) _mailboxes.Forget();
    }

    public void ForgetJob(ulong job)
    {
        OutboundLink[] links;
        InboundPeer[] peers;
        lock (_gate)
        {
            links = [.. _links.Values];
            peers = [.. _peers.Values];
        }

        _mailboxes.ForgetJob(job);
        foreach (var link in links) link.ForgetJob(job);
        foreach (var peer in peers) peer.ForgetJob(job);
    }

    /// <summary>Closes the port and all connections, disposes the leases of what was not acknowledged, and waits until nothing runs any more.</summary>
    public async ValueTask DisposeAsync()
    {
        List<Task> ending;
        lock (_gate)
        {
            if (_closed) return;
            _closed = true;
            foreach (var link in _links.Values) Track(link.CloseAsync());
            _links.Clear();
            foreach (var connection in _accepted.Keys) connection.Dispose();
            ending = [.. _ending, .. _accepted.Values, _accepting];
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await Task.WhenAll(ending).ConfigureAwait(false);
        lock (_gate) ending = [.. _accepted.Values];
        await Task.WhenAll(ending).ConfigureAwait(false);
        _mailboxes.Dispose();
        _closing.Dispose();
    }

    // under the lock
    private void Track(Task task)
    {
        _ending.Add(task);
        _ = task.ContinueWith(
            t =>
            {
                lock (_gate) _ending.Remove(t);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_closing.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (_closing.IsCancellationRequested && ConnectionErrors.IsLoss(e))
            {
                return;
            }
            catch (SocketException e)
            {
                // the connection went away before it was accepted, or the process is out of handles: the next one may fare better
                _context.Logger.AcceptFailed(e);
                try
                {
                    await Task.Delay(_options.Backoff, _context.Time, _closing.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    return;
                }

                continue;
            }

            Admit(socket);
        }
    }

    private void Admit(Socket socket)
    {
        string remote = Name(socket);
        lock (_gate)
        {
            if (!_closed && _handshakes < _options.MaximumHandshakes)
            {
                _handshakes++;
                Track(ServeAsync(socket, remote));
                return;
            }
        }

        socket.Dispose();
        if (_closing.IsCancellationRequested) return;
        _context.Counters.Rejected(TensorRejection.TooManyConnections);
        _context.Logger.Rejected(remote, TensorRejection.TooManyConnections, $"above the limit of {_options.MaximumHandshakes} handshakes");
    }

    private static string Name(Socket socket)
    {
        try
        {
            return socket.RemoteEndPoint?.ToString() ?? "?";
        }
        catch (SocketException)
        {
            // gone again already, which the handshake will find
            return "?";
        }
    }

    private async Task ServeAsync(Socket socket, string remote)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        TensorConnection? connection = null;
        var (stage, reason) = (TensorRejection.Unauthenticated, default(TensorRejection?));
        string error = "";
        try
        {
            TensorPeerIdentity identity;
            using (var limit = new CancellationTokenSource(_options.HandshakeTimeout, _context.Time))
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _closing.Token))
            {
                try
                {
                    connection = await TensorConnection.OverAsync(socket, accepted: true, _options, either.Token).ConfigureAwait(false);
                    using var closing = either.Token.UnsafeRegister(static c => ((TensorConnection)c!).Dispose(), connection);
                    identity = await _context.Handshake.AcceptAsync(connection).ConfigureAwait(false);
                }
                catch when (limit.IsCancellationRequested)
                {
                    stage = TensorRejection.HandshakeTimeout;
                    throw;
                }
                finally
                {
                    lock (_gate) _handshakes--;
                }
            }

            stage = TensorRejection.Truncated;
            await ReadAsync(connection, identity).ConfigureAwait(false);
        }
        catch (TensorProtocolException e)
        {
            (reason, error) = (e.Reason, e.Message);
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            // a connection that this node closed itself, because a newer one replaced it or the channel ends, was not the peer's doing
            bool own = _closing.IsCancellationRequested || (stage == TensorRejection.Truncated && connection!.Retired);
            if (!own) (reason, error) = (stage, e.Message);
        }
        catch (Exception e)
        {
            _context.Logger.Fault(e);
        }
        finally
        {
            connection?.Dispose();
        }

        if (reason is not { } rejection) return;
        _context.Counters.Rejected(rejection);
        _context.Logger.Rejected(remote, rejection, error);
    }

    private async Task ReadAsync(TensorConnection connection, TensorPeerIdentity identity)
    {
        var reading = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        (TensorConnection Connection, Task Reading)? earlier;
        InboundPeer? peer;
        lock (_gate)
        {
            if (_closed) return;
            // what a peer sent is remembered until its node is forgotten: one that goes by ever new names must not fill the memory
            if (_peers.Count >= PeersMax && !_peers.ContainsKey(identity.Node))
                throw new TensorProtocolException(TensorRejection.TooManyConnections, $"more than {PeersMax} nodes were here and are not forgotten");
            // judged by who it is: one that takes the place of its node's earlier connection, whose loss is perhaps unseen here, needs no room
            bool takesPlace = _peers.TryGetValue(identity.Node, out var known) && known.Current is not null;
            if (_accepted.Count - (takesPlace ? 1 : 0) >= _options.MaximumConnections)
                throw new TensorProtocolException(TensorRejection.TooManyConnections, $"above the limit of {_options.MaximumConnections} connections");
            // another instance of the same node numbers its frames anew
            if (!_peers.TryGetValue(identity.Node, out peer) || peer.Identity != identity)
            {
                earlier = peer?.Current;
                _peers[identity.Node] = peer = new InboundPeer(identity);
            }
            else
            {
                earlier = peer.Current;
            }

            peer.Current = (connection, reading.Task);
            _accepted.Add(connection, reading.Task);
        }

        try
        {
            // the peer made a new connection: it has given the earlier one up, and its half-read frames come again
            if (earlier is { } other)
            {
                other.Connection.Retire();
                await other.Reading.ConfigureAwait(false);
            }

            await new InboundReader(connection, peer, _mailboxes, _options, _context.Counters, _context.Logger).RunAsync().ConfigureAwait(false);
        }
        finally
        {
            connection.Dispose();
            lock (_gate)
            {
                _accepted.Remove(connection);
                if (peer.Current?.Connection == connection) peer.Current = null;
            }

            reading.SetResult();
        }
    }
}
