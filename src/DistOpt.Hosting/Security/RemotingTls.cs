using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Event;
using Akka.Remote.Transport.DotNetty;

namespace DistOpt.Hosting.Security;

/// <summary>Mutual TLS of the control plane: the one place that knows Akka's transport.</summary>
internal static class RemotingTls
{
    public static DotNettySslSetup Setup(NodeTls tls) => new(tls.Certificate, suppressValidation: false, requireMutualAuthentication: true,
        validateCertificateHostname: tls.VerifyNames,
        (certificate, chain, peer, errors, log) =>
        {
            // the name of a node that connects is not known here: the CA alone vouches for it
            bool namesAnother = tls.VerifyNames && (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0;
            string? problem = tls.Peers.Problem(certificate, chain?.ChainPolicy.ExtraStore, CertificateUse.Both, null)
                ?? (namesAnother ? $"the certificate '{certificate!.Subject}' is refused: it names {PeerCertificates.Names(certificate)}, not the host that was meant" : null);
            if (problem is null) return true;
            log.Warning("control connection with {0} refused: {1}", peer, problem);
            return false;
        });
}
