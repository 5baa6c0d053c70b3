using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace DistOpt.Hosting.Security;

/// <summary>TLS of the HTTP API: the server proves itself by the node's certificate, the client by its token.</summary>
internal static class ApiTls
{
    public static HttpsConnectionAdapterOptions Options(NodeTls tls) => new()
    {
        ServerCertificate = tls.Certificate,
        ServerCertificateChain = tls.Intermediates,
        SslProtocols = NodeTls.Protocols,
        ClientCertificateMode = ClientCertificateMode.NoCertificate,
        HandshakeTimeout = TimeSpan.FromSeconds(5),
    };
}
