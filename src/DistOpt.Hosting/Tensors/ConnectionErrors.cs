using System.Net.Sockets;
using System.Security.Authentication;

namespace DistOpt.Hosting.Tensors;

internal static class ConnectionErrors
{
    /// <summary>Whether an exception means no more than that a connection could not be made or is gone.</summary>
    public static bool IsLoss(Exception e) =>
        e is SocketException or IOException or ObjectDisposedException or OperationCanceledException or TensorHandshakeException
            or AuthenticationException or TensorProtocolException;
}

/// <summary>The peer broke the protocol after the handshake.</summary>
internal sealed class TensorProtocolException(TensorRejection reason, string message) : Exception(message)
{
    public TensorRejection Reason => reason;
}
