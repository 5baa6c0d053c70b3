using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Hosting;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;
using DistOpt.Protocol;

namespace DistOpt;

/// <summary>Whether this machine, with a node's settings, and a node that runs would get along.</summary>
/// <param name="own">The settings of the node that is to run here.</param>
/// <param name="host">Where the other one runs.</param>
/// <param name="console">Clock and environment.</param>
internal sealed class JoinChecks(NodeOptions own, string host, AppConsole console)
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    /// <summary>A node that refuses a certificate closes at once; one that takes it waits for the first frame.</summary>
    private static readonly TimeSpan RefusalTime = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ClockWarning = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClockFailure = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan CertificateWarning = TimeSpan.FromDays(30);

    public async Task<IReadOnlyList<DoctorCheck>> AllAsync(int control, int tensor, int api, CancellationToken ct)
    {
        var checks = new List<DoctorCheck>();
        var violations = new List<SpecViolation>();
        using var tls = NodeTls.Load(own, violations);
        checks.AddRange(violations.Select(v => DoctorCheck.Failed("certificate", v.ToString(), "check the settings of the node (--config node.yaml)")));
        if (tls is not null)
        {
            checks.Add(Certificate(tls));
            checks.Add(await TlsAsync("control tls", tls, control, ct).ConfigureAwait(false));
            checks.Add(await TlsAsync("tensor tls", tls, tensor, ct).ConfigureAwait(false));
        }
        if (violations.Count == 0) await ApiAsync(checks, api, ct).ConfigureAwait(false);
        return checks;
    }

    /// <summary>Whether this machine knows the other one's name; where it does not, there is nothing else to check.</summary>
    public static async Task<DoctorCheck> NameAsync(string name, CancellationToken ct)
    {
        const string check = "name";
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(name, ct).ConfigureAwait(false);
            string text = $"{name} is {string.Join(", ", addresses.Select(a => a.ToString()))}";
            return addresses.All(IPAddress.IsLoopback) && !NodeOptions.IsLoopback(name)
                ? DoctorCheck.Warning(check, text + ": this machine alone", "let the name stand for the machine's address in /etc/hosts or DNS")
                : DoctorCheck.Ok(check, text);
        }
        catch (SocketException e)
        {
            return DoctorCheck.Failed(check, $"{name} is not known here: {e.Message}", "add it to DNS or /etc/hosts, or use the address");
        }
    }

    private DoctorCheck Certificate(NodeTls tls)
    {
        var end = new DateTimeOffset(tls.Certificate.NotAfter);
        string text = $"names {PeerCertificates.Names(tls.Certificate)}, good until {end.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}";
        return end - console.Time.GetUtcNow() < CertificateWarning
            ? DoctorCheck.Warning("certificate", text, "make a new one with 'distopt cluster init' and restart the node") : DoctorCheck.Ok("certificate", text);
    }

    /// <summary>Shows this node's certificate at a port, and judges the one that is shown there.</summary>
    private async Task<DoctorCheck> TlsAsync(string check, NodeTls tls, int port, CancellationToken ct)
    {
        string where = string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
        const string remedy = "give both nodes certificates of the same CA ('distopt cluster init'), which name the hosts, and check dates and clocks";
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(ConnectTimeout);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(host, port, limit.Token).ConfigureAwait(false);
            using var stream = await TlsStreams.OverAsync(tls, socket, accepted: false, tls.VerifyNames ? host : null, limit.Token).ConfigureAwait(false);
            using var wait = CancellationTokenSource.CreateLinkedTokenSource(ct);
            wait.CancelAfter(RefusalTime);
            try
            {
                if (await stream.ReadAsync(new byte[1], wait.Token).ConfigureAwait(false) == 0)
                    return DoctorCheck.Failed(check, $"{where} closes the connection: it may refuse this node's certificate, see its log", remedy);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                // it waits for more: both are content
            }
            return DoctorCheck.Ok(check, $"{where} and this node take each other's certificates");
        }
        catch (Exception e) when (e is AuthenticationException or IOException or SocketException)
        {
            return DoctorCheck.Failed(check, $"{where}: {e.Message}", remedy);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return DoctorCheck.Failed(check, $"{where}: no TLS handshake within {ConnectTimeout.TotalSeconds:0} s", "check that a node with a certificate runs there");
        }
    }

    private async Task ApiAsync(List<DoctorCheck> checks, int port, CancellationToken ct)
    {
        var url = new UriBuilder(own.UsesTls ? "https" : "http", host, port).Uri;
        var peers = own.UsesTls ? PeerCertificates.Read(own.Ca!, "ca", []) : null;
        using var client = new ClusterClient(url, own.Token, peers);
        try
        {
            var sent = console.Time.GetUtcNow();
            using var node = await client.NodeAsync(ct).ConfigureAwait(false);
            var received = console.Time.GetUtcNow();
            checks.Add(DoctorCheck.Ok("token", $"{url} takes it"));
            checks.Add(Clock(node.RootElement.GetProperty("time").GetDateTimeOffset(), sent, received));
            checks.Add(Build(node.RootElement));
            string self = own.AdvertisedHost;
            foreach (var (name, number) in new[] { ("control port back", own.Port), ("tensor port back", own.TensorPort), ("api port back", own.ApiPort) })
            {
                if (number != 0) checks.Add(await BackAsync(client, name, self, number, ct).ConfigureAwait(false));
            }
        }
        catch (SpecException e)
        {
            checks.Add(DoctorCheck.Failed("token", e.Violations[0].Message, $"set {ClusterClient.TokenVariable}, or token_file in the node's settings"));
        }
    }

    private static DoctorCheck Clock(DateTimeOffset there, DateTimeOffset sent, DateTimeOffset received)
    {
        // between sending and receiving, whenever exactly it was
        var ahead = there > received ? there - received : there < sent ? there - sent : TimeSpan.Zero;
        string text = ahead == TimeSpan.Zero ? "the same on both" : string.Create(CultureInfo.InvariantCulture, $"the other one is {ahead.TotalSeconds:+0.0;-0.0} s off");
        const string remedy = "let both machines take their time from a time server (systemd-timesyncd, chrony)";
        return ahead.Duration() >= ClockFailure ? DoctorCheck.Failed("clock", text, remedy)
            : ahead.Duration() >= ClockWarning ? DoctorCheck.Warning("clock", text, remedy) : DoctorCheck.Ok("clock", text);
    }

    internal static DoctorCheck Build(JsonElement node)
    {
        string version = node.GetProperty("protocol").GetString()!;
        string there = $"{node.GetProperty("build").GetString()}, protocol {version}";
        string here = $"{BuildIdentity.Current}, protocol {ProtocolVersion.Current}";
        if (here == there) return DoctorCheck.Ok("build", here);
        string text = $"{here} here, {there} there";
        return ProtocolVersion.TryParse(version, out var other) && other.WorksWith(ProtocolVersion.Current)
            ? DoctorCheck.Warning("build", text + ": they work together", "install the same build on both once the upgrade is done")
            : DoctorCheck.Failed("build", text + ": a join is refused, for they are more than one minor version apart",
                "install the version of the cluster here, or upgrade the cluster by one minor version at a time");
    }

    /// <summary>Whether the other node reaches a port of this one; the port is opened for it where no node holds it yet.</summary>
    private async Task<DoctorCheck> BackAsync(ClusterClient client, string name, string self, int port, CancellationToken ct)
    {
        TcpListener? listener = null;
        try
        {
            listener = new TcpListener(IPAddress.TryParse(own.Bind, out var address) ? address : IPAddress.Any, port);
            listener.Start();
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            // a node runs here already
            listener = null;
        }
        catch (SocketException e)
        {
            return DoctorCheck.Failed(name, $"{own.Bind}:{port} cannot be listened on: {e.Message}", "set bind to an address of this machine");
        }
        try
        {
            using var answer = await client.ReachAsync(self, port, ct).ConfigureAwait(false);
            return answer.RootElement.GetProperty("reached").GetBoolean() ? DoctorCheck.Ok(name, $"{host} reaches {self}:{port}")
                : DoctorCheck.Failed(name, $"{host} does not reach {self}:{port}: {answer.RootElement.GetProperty("error").GetString()}",
                    "open the port in this machine's firewall, and let 'advertise' be a name or address under which the others reach this machine");
        }
        finally
        {
            listener?.Stop();
        }
    }
}
