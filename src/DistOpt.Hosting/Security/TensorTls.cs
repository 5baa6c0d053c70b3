using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Security;

/// <summary>Mutual TLS of the tensor channel; the channel's own handshake follows within it.</summary>
internal sealed class TensorTls(NodeTls tls)
{
    /// <summary>TLS over a fresh connection. Whom the certificate is for is checked once the peer has said which node it is, see <see
    /// cref="Problem"/>.</summary>
    public async ValueTask<Stream> WrapAsync(Socket socket, bool accepted, CancellationToken cancellationToken) =>
        await TlsStreams.OverAsync(tls, socket, accepted, null, cancellationToken).ConfigureAwait(false);

    /// <summary>Why the holder of the connection's certificate is not the node that it says it is; null if it may be.</summary>
    public string? Problem(Stream stream, NodeId node)
    {
        if (!tls.VerifyNames) return null;
        if ((stream as SslStream)?.RemoteCertificate is not X509Certificate2 certificate) return "the peer shows no certificate";
        return PeerCertificates.NameProblem(certificate, HostOf(node)) is { } problem ? $"the peer says that it is node '{node}': {problem}" : null;
    }

    /// <summary>A node's id is <c>host:port#incarnation</c>.</summary>
    private static string HostOf(NodeId node)
    {
        int colon = node.Value.LastIndexOf(':');
        return (colon < 0 ? node.Value : node.Value[..colon]).Trim('[', ']');
    }
}
