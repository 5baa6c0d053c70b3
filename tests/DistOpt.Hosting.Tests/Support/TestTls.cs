using System.Net.Security;
using System.Net.Sockets;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>The other side of TLS as a stranger would set it up.</summary>
internal static class TestTls
{
    /// <summary>A certificate of whatever CA, with the trust of the given one; what a node would not start with.</summary>
    public static NodeTls Trusting((string Certificate, string Key) certificate, string ca)
    {
        var violations = new List<SpecViolation>();
        var options = new NodeOptions { Certificate = certificate.Certificate, CertificateKey = certificate.Key, Ca = ca };
        return NodeTls.Load(options, violations, check: false) ?? throw new SpecException(violations);
    }

    /// <summary>TLS without a certificate of its own.</summary>
    public static async ValueTask<Stream> Anonymous(Socket socket, bool accepted, CancellationToken cancellation)
    {
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "",
            RemoteCertificateValidationCallback = (_, _, _, _) => true
        }, cancellation);
        return stream;
    }
}
