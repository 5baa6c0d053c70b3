using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Security;

public sealed class ApiTlsTests : IAsyncLifetime
{
    private readonly TestCertificates _certificates = new();
    private ClusterNode _node = null!;
    private ApiServer _api = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var options = _certificates.Node() with { Token = "a token of the tests", DataRoot = _certificates.Folder, ApiConnections = 8 };
        _node = await ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
        _api = await ApiServer.StartAsync(_node, new LinearParts(), NullLoggerFactory.Instance, TimeProvider.System, Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        await _node.DisposeAsync();
        _certificates.Dispose();
    }

    [Fact]
    public async Task With_the_CA_and_the_token_the_API_answers_over_TLS()
    {
        using var http = Client(_certificates.Ca, "a token of the tests");
        Assert.StartsWith("https://127.0.0.1:", _api.Url);
        Assert.Contains("nodes", await http.GetStringAsync("/api/v1/nodes", Token));
        Assert.StartsWith("ready: 127.0.0.1:", await http.GetStringAsync("/readyz", Token));
    }

    [Fact]
    public async Task Without_the_token_nothing_but_the_bare_health_is_told()
    {
        using var http = Client(_certificates.Ca, null);
        foreach (string path in new[] { "/api/v1/jobs", "/api/v1/nodes", "/api/v1/jobs/x/logs", "/api/v1/node" })
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(path, Token)).StatusCode);
        using var post = await http.PostAsync("/api/v1/jobs", new StringContent(LinearParts.Yaml()), Token);
        Assert.Equal(HttpStatusCode.Unauthorized, post.StatusCode);
        Assert.Equal("ready", await http.GetStringAsync("/readyz", Token));
        Assert.Empty(Directory.GetDirectories(_certificates.Folder));
    }

    [Fact]
    public async Task A_client_that_trusts_another_CA_and_one_without_TLS_get_nothing()
    {
        using var wrong = Client(_certificates.OtherCa, "a token of the tests");
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => wrong.GetStringAsync("/healthz", Token));
        Assert.IsType<AuthenticationException>(error.InnerException);

        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, _api.Port, Token);
        await socket.SendAsync(Encoding.ASCII.GetBytes("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), Token);
        var answer = new byte[1000];
        int read = 0;
        try
        {
            int more;
            while ((more = await socket.ReceiveAsync(answer.AsMemory(read), Token)) > 0) read += more;
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
        Assert.DoesNotContain("HTTP/1.1 200", Encoding.ASCII.GetString(answer, 0, read));
    }

    [Fact]
    public async Task Connections_above_the_limit_are_closed_and_the_others_go_on()
    {
        using var http = Client(_certificates.Ca, "a token of the tests");
        Assert.Equal("ok", await http.GetStringAsync("/healthz", Token));
        var sockets = new List<Socket>();
        for (int i = 0; i < 12; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, _api.Port, Token);
            sockets.Add(socket);
        }
        var buffers = sockets.Select(s => s.ReceiveAsync(new byte[1], Token).AsTask()).ToList();
        // 7 besides the client's are let in, 5 are closed at once, long before the handshake's time is over
        int closed = 0;
        while (closed < 5)
        {
            var done = await Task.WhenAny(buffers);
            buffers.Remove(done);
            if (done.IsFaulted) Assert.IsType<SocketException>(done.Exception!.InnerException);
            else Assert.Equal(0, await done);
            closed++;
        }
        Assert.Equal("ok", await http.GetStringAsync("/healthz", Token));
        foreach (var socket in sockets) socket.Dispose();
    }

    [Fact]
    public async Task A_spec_that_no_control_message_could_carry_is_refused_at_once()
    {
        using var http = Client(_certificates.Ca, "a token of the tests");
        using var answer = await http.PostAsync("/api/v1/jobs", new StringContent("name: " + new string('x', 120_000)), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    private HttpClient Client(string ca, string? token)
    {
        var authorities = new System.Security.Cryptography.X509Certificates.X509Certificate2Collection();
        authorities.ImportFromPemFile(ca);
        var peers = new PeerCertificates(authorities);
        var http = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) => peers.Problem(
                    certificate as System.Security.Cryptography.X509Certificates.X509Certificate2, null, CertificateUse.Server, "127.0.0.1") is null,
            },
        })
        { BaseAddress = new Uri($"https://127.0.0.1:{_api.Port}") };
        if (token is not null) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return http;
    }
}
