using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;

namespace DistOpt.Hosting.Security;

/// <summary>A node's certificate with its key and the cluster's CA: one setting for control plane, tensor channel and HTTP API.</summary>
public sealed class NodeTls : IDisposable
{
    /// <summary>Versions that are spoken.</summary>
    internal const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;

    private readonly X509Certificate2Collection _authorities;

    private NodeTls(X509Certificate2 certificate, X509Certificate2Collection intermediates, X509Certificate2Collection authorities, bool verifyNames)
    {
        (Certificate, Intermediates, _authorities, VerifyNames) = (certificate, intermediates, authorities, verifyNames);
        Peers = new PeerCertificates(authorities);
        Context = SslStreamCertificateContext.Create(certificate, intermediates, offline: true);
        AuthorityHash = Convert.ToHexStringLower(SHA256.HashData(authorities.First(CertificateFiles.IsRoot).RawDataMemory.Span));
    }

    /// <summary>With its private key.</summary>
    public X509Certificate2 Certificate { get; }

    public X509Certificate2Collection Intermediates { get; }

    public PeerCertificates Peers { get; }

    /// <summary>Whether a certificate must name the host that shows it.</summary>
    public bool VerifyNames { get; }

    /// <summary>SHA-256 of the CA's root certificate, in hexadecimal digits. No secret.</summary>
    public string AuthorityHash { get; }

    /// <summary>What this node shows.</summary>
    internal SslStreamCertificateContext Context { get; }

    /// <summary>Loads what the options name. A certificate that the other nodes would refuse is refused here.</summary>
    /// <param name="violations">Gets all that is wrong.</param>
    /// <returns>Null where there are no certificates, or violations.</returns>
    public static NodeTls? Load(NodeOptions options, List<SpecViolation> violations) => Load(options, violations, check: true);

    /// <param name="check">Whether what the others would refuse is refused: tests want it otherwise.</param>
    internal static NodeTls? Load(NodeOptions options, List<SpecViolation> violations, bool check)
    {
        if (!options.UsesTls || string.IsNullOrEmpty(options.Ca)) return null;
        int before = violations.Count;
        var authorities = CertificateFiles.ReadAuthorities(options.Ca, violations);
        var own = CertificateFiles.ReadOwn(options.Certificate!, options.CertificateKey, options.CertificatePassword, violations);
        if (violations.Count > before || own is not var (certificate, intermediates)) return null;
        var peers = new PeerCertificates(authorities);
        string? problem = !check ? null : peers.Problem(certificate, intermediates, CertificateUse.Both, options.VerifyNames ? options.AdvertisedHost : null);
        if (problem is null) return new NodeTls(certificate, intermediates, authorities, options.VerifyNames);
        violations.Add(new SpecViolation("certificate", $"'{options.Certificate}' would be refused by the other nodes: {problem}"));
        return null;
    }

    public void Dispose()
    {
        Certificate.Dispose();
        foreach (var certificate in Intermediates.Concat(_authorities)) certificate.Dispose();
    }
}
