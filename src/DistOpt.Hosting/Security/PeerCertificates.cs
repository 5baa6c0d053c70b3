using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Core.Specs;

namespace DistOpt.Hosting.Security;

/// <summary>What a peer's certificate must be good for.</summary>
public enum CertificateUse
{
    /// <summary>The peer was connected to.</summary>
    Server,

    /// <summary>The peer connected.</summary>
    Client,

    /// <summary>The peer is a node, which connects and is connected to.</summary>
    Both,
}

/// <summary>Judges certificates by the cluster's own CA, whatever the machine's store holds. Thread-safe.</summary>
/// <param name="authorities">Roots, and intermediates if any.</param>
public sealed class PeerCertificates(X509Certificate2Collection authorities)
{
    internal static readonly Oid ServerUse = new("1.3.6.1.5.5.7.3.1");
    internal static readonly Oid ClientUse = new("1.3.6.1.5.5.7.3.2");

    /// <summary>Reads the CA's PEM file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="setting">What violations call the setting that names it.</param>
    /// <param name="violations">Gets what is wrong with it.</param>
    public static PeerCertificates Read(string path, string setting, List<SpecViolation> violations) =>
        new(CertificateFiles.ReadAuthorities(path, violations, setting));

    /// <summary>Why the certificate is refused; null if it is good.</summary>
    /// <param name="certificate">What the peer has shown; null for nothing.</param>
    /// <param name="sent">Further certificates that the peer has sent with it.</param>
    /// <param name="use">What it must be good for.</param>
    /// <param name="name">The host name or address that it must name; null for any.</param>
    public string? Problem(X509Certificate2? certificate, IEnumerable<X509Certificate2>? sent, CertificateUse use, string? name)
    {
        if (certificate is null) return "the peer shows no certificate: it must have one of this cluster's CA";
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        foreach (var authority in authorities) (CertificateFiles.IsRoot(authority) ? policy.CustomTrustStore : policy.ExtraStore).Add(authority);
        foreach (var other in sent ?? []) policy.ExtraStore.Add(other);
        // a private CA publishes no revocations; and nothing is fetched from an address that a stranger's certificate names
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        if (use != CertificateUse.Client) policy.ApplicationPolicy.Add(ServerUse);
        if (use != CertificateUse.Server) policy.ApplicationPolicy.Add(ClientUse);
        try
        {
            bool isGood = chain.Build(certificate);
            foreach (var element in chain.ChainElements) element.Certificate.Dispose();
            if (!isGood) return $"the certificate {Name(certificate)} is refused: {string.Join("; ", chain.ChainStatus.Select(s => Reason(s, certificate, use)).Distinct())}";
            return name is null ? null : NameProblem(certificate, name);
        }
        catch (CryptographicException e)
        {
            return $"the certificate {Name(certificate)} is refused: it cannot be read ({e.Message})";
        }
    }

    /// <summary>Why a certificate is not that of a host; null if it is.</summary>
    public static string? NameProblem(X509Certificate2 certificate, string host)
    {
        bool isNamed;
        try
        {
            isNamed = certificate.MatchesHostname(host, allowCommonName: false);
        }
        catch (ArgumentException)
        {
            // what a stranger calls a host need not be one
            isNamed = false;
        }
        return isNamed ? null : $"the certificate {Name(certificate)} is refused: it does not name '{host}', but {Names(certificate)}";
    }

    /// <summary>The names and addresses that a certificate is for, as people read them.</summary>
    public static string Names(X509Certificate2 certificate)
    {
        string[] names = [.. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(e => e.EnumerateDnsNames().Concat(e.EnumerateIPAddresses().Select(a => a.ToString())))];
        return names.Length == 0 ? "no host at all" : string.Join(", ", names);
    }

    private static string Name(X509Certificate2 certificate) => $"'{certificate.Subject}' of '{certificate.Issuer}'";

    private static string Reason(X509ChainStatus status, X509Certificate2 certificate, CertificateUse use)
    {
        if ((status.Status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.NotSignatureValid)) != 0)
            return "it is not signed by this cluster's CA";
        if ((status.Status & X509ChainStatusFlags.NotTimeValid) != 0)
        {
            return string.Create(CultureInfo.InvariantCulture, $"it, or its CA, is not valid now: it holds from {certificate.NotBefore.ToUniversalTime():u} to ")
                + string.Create(CultureInfo.InvariantCulture, $"{certificate.NotAfter.ToUniversalTime():u}, check clocks and dates");
        }
        return (status.Status & X509ChainStatusFlags.NotValidForUsage) != 0
            ? $"its extended key usage does not allow {(use == CertificateUse.Both ? "both client and server" : use.ToString().ToLowerInvariant())} authentication" : status.Status.ToString();
    }
}
