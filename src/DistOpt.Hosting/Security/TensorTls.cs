using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Security;

/// <summary>Mutual TLS of the tensor channel; the channel's own handshake follows within it.</summary>
internal sealed class TensorTls(NodeTls tls)
{
    /// <summary>TLS over a fresh connection, both sides with certificates of the cluster's CA.</summary>
    /// <exception cref="AuthenticationException">The peer's certificate is refused, or it refuses this node's; the text says which.</exception>
    public async ValueTask<Stream> WrapAsync(Socket socket, bool accepted, CancellationToken cancellationToken)
    {
        string? problem = null;
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true), leaveInnerStreamOpen: false);
        try
        {
            if (accepted)
            {
                await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = tls.Context,
                    ClientCertificateRequired = true,
                    EnabledSslProtocols = NodeTls.Protocols,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, _) => Judge(certificate, chain, CertificateUse.Client),
                }, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
                {
                    // whom this certificate is for is checked once the peer has said which node it is, see Problem
                    TargetHost = "",
                    ClientCertificateContext = tls.Context,
                    EnabledSslProtocols = NodeTls.Protocols,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, _) => Judge(certificate, chain, CertificateUse.Server),
                }, cancellationToken).ConfigureAwait(false);
            }
            return stream;
        }
        catch (AuthenticationException e)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new AuthenticationException(problem ?? $"no TLS handshake ({Innermost(e)}): no TLS, or the peer refuses this node's certificate, see its log", e);
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        bool Judge(X509Certificate? certificate, X509Chain? chain, CertificateUse use)
        {
            problem = tls.Peers.Problem(certificate as X509Certificate2, chain?.ChainPolicy.ExtraStore, use, null);
            return problem is null;
        }
    }

    /// <summary>Why the holder of the connection's certificate is not the node that it says it is; null if it may be.</summary>
    public string? Problem(Stream stream, NodeId node)
    {
        if (!tls.VerifyNames) return null;
        if ((stream as SslStream)?.RemoteCertificate is not X509Certificate2 certificate) return "the peer shows no certificate";
        string host = HostOf(node);
        return certificate.MatchesHostname(host, allowCommonName: false) ? null
            : $"the peer says that it is node '{node}', but its certificate '{certificate.Subject}' names {PeerCertificates.Names(certificate)}";
    }

    /// <summary>A node's id is <c>host:port#incarnation</c>.</summary>
    private static string HostOf(NodeId node)
    {
        int colon = node.Value.LastIndexOf(':');
        return (colon < 0 ? node.Value : node.Value[..colon]).Trim('[', ']');
    }

    private static string Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e.Message;
}
