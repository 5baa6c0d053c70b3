using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Core.Specs;

namespace DistOpt.Hosting.Security;

/// <summary>Reads certificates from PFX and PEM files.</summary>
internal static class CertificateFiles
{
    private const string BeginKey = "-----BEGIN ";

    /// <summary>A certificate with its private key, and the intermediate certificates that its file holds besides.</summary>
    /// <returns>Null where the files do not give one; the violations then say why.</returns>
    public static (X509Certificate2 Certificate, X509Certificate2Collection Others)? ReadOwn(string path, string? keyPath, string? password,
        List<SpecViolation> violations)
    {
        if (Read("certificate", path, violations) is not { } bytes) return null;
        if (keyPath is not null && Read("certificate-key", keyPath, violations) is null) return null;
        try
        {
            var all = IsPem(bytes) ? FromPem(bytes, path, keyPath, password)
                : X509CertificateLoader.LoadPkcs12Collection(bytes, password, X509KeyStorageFlags.EphemeralKeySet);
            var own = all.FirstOrDefault(c => c.HasPrivateKey);
            if (own is null)
            {
                violations.Add(new SpecViolation("certificate", $"'{path}' holds no private key: name a PFX file with one, or the key's PEM file as certificate-key"));
                return null;
            }
            return (own, [.. all.Where(c => c != own)]);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException) // the latter where key and certificate are no pair
        {
            string key = keyPath is null ? "" : $" with key '{keyPath}'";
            violations.Add(new SpecViolation("certificate", $"'{path}'{key} cannot be used ({e.Message.TrimEnd('.')}): check file and password (DISTOPT_CERTIFICATE_PASSWORD)"));
            return null;
        }
    }

    /// <summary>The certificates of a CA file; empty with violations where there are none.</summary>
    public static X509Certificate2Collection ReadAuthorities(string path, List<SpecViolation> violations, string setting = "ca")
    {
        var authorities = new X509Certificate2Collection();
        if (Read(setting, path, violations) is not { } bytes) return authorities;
        try
        {
            authorities.ImportFromPem(System.Text.Encoding.ASCII.GetString(bytes));
            // an unencoded certificate is the other usual form of a single one
            if (authorities.Count == 0) authorities.Add(X509CertificateLoader.LoadCertificate(bytes));
        }
        catch (CryptographicException e)
        {
            violations.Add(new SpecViolation(setting, $"'{path}' holds no certificate ({e.Message.TrimEnd('.')}): name a PEM file with the cluster's CA"));
            return authorities;
        }
        if (!authorities.Any(IsRoot))
            violations.Add(new SpecViolation(setting, $"'{path}' holds no root certificate, one that signs itself and is marked as a CA: add it to the file"));
        return authorities;
    }

    /// <summary>Whether a certificate signs itself and may sign others.</summary>
    public static bool IsRoot(X509Certificate2 certificate) =>
        certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)
        && certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(c => c.CertificateAuthority);

    private static X509Certificate2Collection FromPem(byte[] bytes, string path, string? keyPath, string? password)
    {
        var all = new X509Certificate2Collection();
        all.ImportFromPem(System.Text.Encoding.ASCII.GetString(bytes));
        string keyFile = keyPath ?? path;
        if (keyPath is null && !HasKey(File.ReadAllText(path))) return all;
        using var paired = string.IsNullOrEmpty(password) ? X509Certificate2.CreateFromPemFile(path, keyFile)
            : X509Certificate2.CreateFromEncryptedPemFile(path, password, keyFile);
        // remoting and Windows' TLS take no key that lives in memory alone: once through PKCS#12 makes it one that they take
        var own = X509CertificateLoader.LoadPkcs12(paired.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
        return [own, .. all.Where(c => !c.RawDataMemory.Span.SequenceEqual(own.RawDataMemory.Span))];
    }

    private static bool IsPem(byte[] bytes) => bytes.AsSpan().IndexOf("-----BEGIN "u8) >= 0;

    private static bool HasKey(string pem) =>
        pem.Split('\n').Any(line => line.StartsWith(BeginKey, StringComparison.Ordinal) && line.Contains("PRIVATE KEY", StringComparison.Ordinal));

    private static byte[]? Read(string setting, string path, List<SpecViolation> violations)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = e is FileNotFoundException or DirectoryNotFoundException ? "does not exist" : $"cannot be read: {e.Message}";
            violations.Add(new SpecViolation(setting, $"'{path}' {why}"));
            return null;
        }
    }
}
