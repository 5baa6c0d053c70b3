using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Configuration;
using Akka.Remote.Transport;
using DistOpt.Hosting.Security;
using DistOpt.Hosting.Tensors;

namespace DistOpt.Hosting.Control;

/// <summary>
/// Akka.Remote over TCP or mutual TLS, in the frames of Akka's own transport (length in 4 bytes, little-endian). Akka's own ends the whole
/// node when a peer that it connects to shows a wrong certificate, so that one wrongly set up machine among the seeds takes all others
/// down; and it limits neither connections nor the time of a handshake. This one refuses the one connection, with a line in the log.
/// </summary>
internal sealed class ControlTransport : Transport
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    private readonly ControlTransportSetup _setup;
    private readonly TaskCompletionSource<IAssociationEventListener> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly HashSet<ControlConnection> _open = [];
    private Socket? _listener;
    private int _accepted, _handshakes;

    /// <summary>Called by Akka.Remote.</summary>
    public ControlTransport(ActorSystem system, Config config)
    {
        (System, Config) = (system, config);
        _setup = system.Settings.Setup.Get<ControlTransportSetup>().Value;
        SchemeIdentifier = _setup.Tls is null ? "tcp" : "ssl.tcp";
        MaximumPayloadBytes = _setup.FrameBytes;
    }

    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        _listener = new Socket(_setup.Bind.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(_setup.Bind, _setup.Port));
        _listener.Listen(512);
        var address = new Address(SchemeIdentifier, System.Name, _setup.AdvertisedHost, ((IPEndPoint)_listener.LocalEndPoint!).Port);
        _ = Task.Run(() => AcceptAsync(_listener, address));
        return Task.FromResult((address, _listening));
    }

    public override bool IsResponsibleFor(Address remote) => true;

    /// <exception cref="InvalidAssociationException">There is no connection; the text says why.</exception>
    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        string remote = $"{remoteAddress.Host}:{remoteAddress.Port}";
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
            limit.CancelAfter(ConnectTimeout);
            await socket.ConnectAsync(remoteAddress.Host!, remoteAddress.Port!.Value, limit.Token).ConfigureAwait(false);
            Stream stream = _setup.Tls is not { } tls ? new NetworkStream(socket, ownsSocket: true)
                : await TlsStreams.OverAsync(tls, socket, accepted: false, tls.VerifyNames ? remoteAddress.Host : null, limit.Token).ConfigureAwait(false);
            var local = new Address(SchemeIdentifier, System.Name, _setup.AdvertisedHost, ((IPEndPoint?)_listener?.LocalEndPoint)?.Port);
            await Handshake(local).ConnectAsync(stream, remote, limit.Token).ConfigureAwait(false);
            return Open(new ControlConnection(local, remoteAddress, remote, socket, stream, _setup, null));
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            socket.Dispose();
            string error = e is OperationCanceledException ? $"no answer within {ConnectTimeout.TotalSeconds:0} s" : e.Message;
            // a node that is not there is ordinary; one that does not belong here is not
            if (e is AuthenticationException or ControlHandshakeException) _setup.Logger.NotConnected(remote, error);
            // without the cause, whose stack Akka would log with every attempt
            throw new InvalidAssociationException($"no control connection to {remote}: {error}");
        }
    }

    public override async Task<bool> Shutdown()
    {
        ControlConnection[] open;
        lock (_gate) open = [.. _open];
        await Task.WhenAll(open.Select(c => c.CloseAsync())).ConfigureAwait(false);
        await _closing.CancelAsync().ConfigureAwait(false);
        _listener?.Dispose();
        return true;
    }

    private async Task AcceptAsync(Socket listener, Address local)
    {
        try
        {
            var associations = await _listening.Task.WaitAsync(_closing.Token).ConfigureAwait(false);
            while (true)
            {
                try
                {
                    Admit(await listener.AcceptAsync(_closing.Token).ConfigureAwait(false), local, associations);
                }
                catch (SocketException e) when (!_closing.IsCancellationRequested)
                {
                    // the connection went away before it was accepted, or the process is out of handles: the next one may fare better
                    _setup.Logger.AcceptFailed(e);
                    await Task.Delay(AcceptPause, _closing.Token).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (_closing.IsCancellationRequested && ConnectionErrors.IsLoss(e))
        {
            // the node ends
        }
    }

    private void Admit(Socket socket, Address local, IAssociationEventListener associations)
    {
        bool admitted;
        lock (_gate)
        {
            admitted = _accepted < _setup.Connections && _handshakes < _setup.Handshakes;
            if (admitted) (_accepted, _handshakes) = (_accepted + 1, _handshakes + 1);
        }
        if (admitted)
        {
            _ = Task.Run(() => ServeAsync(socket, local, associations));
            return;
        }
        string remote = NameOf(socket);
        socket.Dispose();
        _setup.Logger.Refused(remote, $"above the limit of {_setup.Connections} connections or {_setup.Handshakes} handshakes");
    }

    private async Task ServeAsync(Socket socket, Address local, IAssociationEventListener associations)
    {
        string remote = NameOf(socket);
        bool handshaking = true;
        try
        {
            socket.NoDelay = true;
            var stream = await HandshakeAsync(socket, local).ConfigureAwait(false);
            Proved();
            if (stream is null)
            {
                socket.Dispose();
                return;
            }
            var end = (IPEndPoint)socket.RemoteEndPoint!;
            var address = new Address(SchemeIdentifier, System.Name, end.Address.ToString(), end.Port);
            var certificate = _setup.Tls is { VerifyNames: true } ? (stream as SslStream)?.RemoteCertificate as X509Certificate2 : null;
            var connection = Open(new ControlConnection(local, address, remote, socket, stream, _setup, certificate));
            associations.Notify(new InboundAssociation(connection));
            await connection.Closed.ConfigureAwait(false);
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            socket.Dispose();
            if (!_closing.IsCancellationRequested)
                _setup.Logger.Refused(remote, e is OperationCanceledException ? $"no handshake within {HandshakeTimeout.TotalSeconds:0} s" : e.Message);
        }
        catch (Exception e)
        {
            socket.Dispose();
            _setup.Logger.Fault(e);
        }
        finally
        {
            Proved();
            lock (_gate) _accepted--;
        }

        void Proved()
        {
            if (!handshaking) return;
            handshaking = false;
            lock (_gate) _handshakes--;
        }
    }

    /// <returns>Null where the peer wants nothing.</returns>
    private async ValueTask<Stream?> HandshakeAsync(Socket socket, Address local)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        limit.CancelAfter(HandshakeTimeout);
        Stream stream = _setup.Tls is not { } tls ? new NetworkStream(socket, ownsSocket: true)
            : await TlsStreams.OverAsync(tls, socket, accepted: true, null, limit.Token).ConfigureAwait(false);
        return await Handshake(local).AcceptAsync(stream, limit.Token).ConfigureAwait(false) ? stream : null;
    }

    private ControlHandshake Handshake(Address local) => new(_setup.Versions, $"{local.Host}:{local.Port}");

    private ControlConnection Open(ControlConnection connection)
    {
        lock (_gate) _open.Add(connection);
        connection.Start();
        _ = connection.Closed.ContinueWith(
            _ =>
            {
                lock (_gate) _open.Remove(connection);
            }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return connection;
    }

    private static string NameOf(Socket socket)
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
}
