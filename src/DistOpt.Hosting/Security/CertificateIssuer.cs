using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DistOpt.Hosting.Security;

/// <summary>A certificate and its private key as PEM texts.</summary>
public sealed record PemCertificate(string Certificate, string Key);

/// <summary>A private CA: signs the certificates of a cluster's nodes. Keys are ECDSA on P-256.</summary>
public sealed class CertificateIssuer : IDisposable
{
    private readonly X509Certificate2 _authority;

    private CertificateIssuer(X509Certificate2 authority) => _authority = authority;

    /// <summary>When the CA ends; no certificate that it signs is good for longer.</summary>
    public DateTimeOffset End => _authority.NotAfter;

    /// <summary>Makes a new CA.</summary>
    /// <param name="name">Common name.</param>
    public static CertificateIssuer Create(string name, DateTimeOffset begin, DateTimeOffset end)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Named(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new CertificateIssuer(request.CreateSelfSigned(begin, end));
    }

    /// <summary>The CA that <see cref="ToPem"/> gave.</summary>
    /// <exception cref="CryptographicException">No certificate, no key, or they do not belong together.</exception>
    public static CertificateIssuer FromPem(PemCertificate pem) => new(X509Certificate2.CreateFromPem(pem.Certificate, pem.Key));

    public PemCertificate ToPem() => Pem(_authority, _authority.GetECDsaPrivateKey()!);

    /// <summary>Signs a certificate for a node: good for TLS as server and as client.</summary>
    /// <param name="name">Common name, for people.</param>
    /// <param name="hosts">Host names and addresses under which the node is reached.</param>
    /// <param name="serverUse">Whether it is good as a server's.</param>
    /// <param name="clientUse">Whether it is good as a client's.</param>
    public PemCertificate Issue(string name, IEnumerable<string> hosts, DateTimeOffset begin, DateTimeOffset end, bool serverUse = true, bool clientUse = true)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Named(name), key, HashAlgorithmName.SHA256);
        var uses = new OidCollection();
        if (serverUse) uses.Add(PeerCertificates.ServerUse);
        if (clientUse) uses.Add(PeerCertificates.ClientUse);
        var names = new SubjectAlternativeNameBuilder();
        foreach (string host in hosts)
        {
            if (IPAddress.TryParse(host, out var address)) names.AddIpAddress(address);
            else names.AddDnsName(host);
        }
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(uses, critical: false));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_authority, includeKeyIdentifier: true,
            includeIssuerAndSerial: false));
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7F; // a positive number
        using var certificate = request.Create(_authority, begin, end < End ? end : End, serial);
        return Pem(certificate, key);
    }

    public void Dispose() => _authority.Dispose();

    private static PemCertificate Pem(X509Certificate2 certificate, ECDsa key) =>
        new(certificate.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");

    private static X500DistinguishedName Named(string name)
    {
        var builder = new X500DistinguishedNameBuilder();
        builder.AddCommonName(name);
        return builder.Build();
    }
}
