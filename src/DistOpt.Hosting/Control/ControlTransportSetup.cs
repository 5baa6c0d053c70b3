using System.Net;
using Akka.Actor.Setup;
using DistOpt.Hosting.Security;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Control;

/// <summary>What a <see cref="ControlTransport"/> runs with; Akka makes the transport itself, so this reaches it by the actor system.</summary>
/// <param name="bind">Address to listen on.</param>
/// <param name="port">Port; 0 = any free one.</param>
/// <param name="advertisedHost">Name or address under which others reach this node.</param>
/// <param name="frameBytes">Largest frame.</param>
/// <param name="connections">Most connections from others.</param>
/// <param name="handshakes">Most of them that have not yet proved who they are.</param>
/// <param name="versions">Decides which builds may connect.</param>
/// <param name="tls">Null for plain TCP.</param>
/// <param name="logger">Gets a line for whatever is refused.</param>
internal sealed class ControlTransportSetup(
    IPAddress bind, int port, string advertisedHost, int frameBytes, int connections, int handshakes, VersionGate versions, NodeTls? tls,
    ILogger logger) : Setup
{
    public IPAddress Bind => bind;

    public int Port => port;

    public string AdvertisedHost => advertisedHost;

    public int FrameBytes => frameBytes;

    public int Connections => connections;

    public int Handshakes => handshakes;

    public VersionGate Versions => versions;

    public NodeTls? Tls => tls;

    public ILogger Logger => logger;
}

internal static partial class ControlLog
{
    [LoggerMessage(1, LogLevel.Warning, "control connection from {Remote} refused: {Error}")]
    public static partial void Refused(this ILogger logger, string remote, string error);

    [LoggerMessage(2, LogLevel.Warning, "no control connection to {Remote}: {Error}")]
    public static partial void NotConnected(this ILogger logger, string remote, string error);

    [LoggerMessage(3, LogLevel.Warning, "control connection with {Remote} closed: {Error}")]
    public static partial void Closed(this ILogger logger, string remote, string error);

    [LoggerMessage(4, LogLevel.Error, "the control plane could not accept a connection")]
    public static partial void AcceptFailed(this ILogger logger, Exception error);

    [LoggerMessage(5, LogLevel.Error, "a control connection ended by a fault of this node")]
    public static partial void Fault(this ILogger logger, Exception error);
}
