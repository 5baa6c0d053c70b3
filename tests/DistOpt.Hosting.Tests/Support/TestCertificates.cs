using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>Two CAs in a folder of their own, and certificates of either.</summary>
internal sealed class TestCertificates : IDisposable
{
    public static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    private readonly CertificateIssuer _issuer = CertificateIssuer.Create("the CA of the tests", Now.AddDays(-30), Now.AddDays(30));
    private readonly CertificateIssuer _stranger = CertificateIssuer.Create("another CA", Now.AddDays(-30), Now.AddDays(30));
    private int _made;

    public TestCertificates()
    {
        File.WriteAllText(Ca, _issuer.ToPem().Certificate);
        File.WriteAllText(OtherCa, _stranger.ToPem().Certificate);
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("distopt-tls-").FullName;

    public string Ca => In("ca.pem");

    public string OtherCa => In("other-ca.pem");

    public string In(string name) => Path.Combine(Folder, name);

    /// <summary>Writes a certificate and its key.</summary>
    public (string Certificate, string Key) Make(string[]? hosts = null, bool foreign = false, DateTimeOffset? begin = null, DateTimeOffset? end = null,
        bool serverUse = true, bool clientUse = true)
    {
        string name = $"node-{++_made}";
        var pem = (foreign ? _stranger : _issuer).Issue(name, hosts ?? ["127.0.0.1", "localhost"], begin ?? Now.AddHours(-1), end ?? Now.AddDays(7), serverUse, clientUse);
        File.WriteAllText(In(name + ".pem"), pem.Certificate);
        File.WriteAllText(In(name + ".key"), pem.Key);
        return (In(name + ".pem"), In(name + ".key"));
    }

    /// <summary>Settings of a node on free ports of loopback, with a good certificate unless another is given.</summary>
    public NodeOptions Node((string Certificate, string Key)? certificate = null, string? ca = null)
    {
        var (path, key) = certificate ?? Make();
        return new NodeOptions
        {
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            Journal = NodeOptions.NoJournal,
            Certificate = path,
            CertificateKey = key,
            Ca = ca ?? Ca
        };
    }

    public NodeTls Tls((string Certificate, string Key)? certificate = null, string? ca = null)
    {
        var violations = new List<SpecViolation>();
        return NodeTls.Load(Node(certificate, ca), violations) ?? throw new SpecException(violations);
    }

    public void Dispose()
    {
        _issuer.Dispose();
        _stranger.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
