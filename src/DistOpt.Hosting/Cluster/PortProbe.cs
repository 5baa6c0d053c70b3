using System.Net.Sockets;

namespace DistOpt.Hosting.Cluster;

/// <summary>What a machine says of one of its ports.</summary>
internal enum PortAnswer
{
    /// <summary>Somebody listens.</summary>
    Accepted,

    /// <summary>The machine lives, and nobody listens.</summary>
    Refused,

    /// <summary>No answer in time: the machine is off, cut off, or a wall is in between.</summary>
    Silent,
}

/// <summary>Asks whether somebody listens on a port.</summary>
internal static class PortProbe
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>Takes at most a second.</summary>
    public static async Task<PortAnswer> AskAsync(string host, int port, TimeProvider time, CancellationToken cancellationToken = default)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await socket.ConnectAsync(host, port, either.Token).ConfigureAwait(false);
            return PortAnswer.Accepted;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.ConnectionRefused ? PortAnswer.Refused : PortAnswer.Silent;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return PortAnswer.Silent;
        }
    }
}
