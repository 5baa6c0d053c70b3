using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace DistOpt.Hosting.Security;

/// <summary>Mutual TLS between nodes: both sides show certificates of the cluster's CA.</summary>
internal static class TlsStreams
{
    /// <summary>TLS over a fresh connection.</summary>
    /// <param name="tls">This node's side.</param>
    /// <param name="socket">Connected; the stream owns it, and it is closed if there is no handshake.</param>
    /// <param name="accepted">Whether the peer connected to this node.</param>
    /// <param name="name">The host that the peer's certificate must name; null for any.</param>
    /// <exception cref="AuthenticationException">The peer's certificate is refused, or it refuses this node's; the text says which.</exception>
    /// <exception cref="IOException">The peer closed: it is gone, or refuses this node's certificate.</exception>
    public static async ValueTask<SslStream> OverAsync(NodeTls tls, Socket socket, bool accepted, string? name, CancellationToken cancellation)
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
                }, cancellation).ConfigureAwait(false);
            }
            else
            {
                await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
                {
                    TargetHost = name ?? "",
                    ClientCertificateContext = tls.Context,
                    EnabledSslProtocols = NodeTls.Protocols,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, _) => Judge(certificate, chain, CertificateUse.Server),
                }, cancellation).ConfigureAwait(false);
            }
            return stream;
        }
        catch (AuthenticationException e)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new AuthenticationException(problem ?? $"no TLS handshake ({Innermost(e)}): no TLS, or the peer refuses this node's certificate, see its log", e);
        }
        catch (IOException e)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw new IOException($"no TLS handshake ({Innermost(e)}): the peer closed, and may refuse this node's certificate, see its log", e);
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        bool Judge(X509Certificate? certificate, X509Chain? chain, CertificateUse use)
        {
            problem = tls.Peers.Problem(certificate as X509Certificate2, chain?.ChainPolicy.ExtraStore, use, name);
            return problem is null;
        }
    }

    private static string Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e.Message;
}
