using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;

namespace DistOpt;

/// <summary>
/// <c>node --check</c>: asks the node that runs on this machine with the same settings for <c>/healthz</c>. For health checks of containers,
/// which have no other client.
/// </summary>
internal static class NodeCheck
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    /// <returns>0 when it is alive, 1 with one line otherwise.</returns>
    /// <exception cref="SpecException">The settings name no node that could be asked.</exception>
    public static async Task<int> RunAsync(NodeOptions options, AppConsole console, CancellationToken ct)
    {
        if (options.ApiPort == 0) throw new SpecException("api-port", "is 0 (any free one): a node under a port that nobody knows cannot be asked");
        using var handler = new SocketsHttpHandler { UseProxy = false, ConnectCallback = (_, token) => ConnectAsync(options, token) };
        if (options.UsesTls) handler.SslOptions = Trust(options);
        using var http = new HttpClient(handler) { Timeout = Limit };
        string url = $"{(options.UsesTls ? "https" : "http")}://{options.AdvertisedHost}:{options.ApiPort}/healthz";
        string problem;
        try
        {
            using var response = await http.GetAsync(url, ct).ConfigureAwait(false);
            string text = (await response.Content.ReadAsStringAsync(ct).ConfigureAwait(false)).Trim();
            if (response.IsSuccessStatusCode)
            {
                await console.Out.WriteLineAsync($"{url}: {text}").ConfigureAwait(false);
                return ExitCode.Done;
            }
            problem = $"{(int)response.StatusCode} {text}";
        }
        catch (HttpRequestException e)
        {
            problem = e.InnerException?.Message ?? e.Message;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            problem = $"no answer within {Limit.TotalSeconds:0} s";
        }
        throw new CommandException(ExitCode.Failed, $"the node is not healthy: {url}: {problem}");
    }

    /// <summary>Under whatever name others reach it, the node is on this machine.</summary>
    private static async ValueTask<Stream> ConnectAsync(NodeOptions options, CancellationToken ct)
    {
        bool isAny = IPAddress.TryParse(options.Bind, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(isAny ? "localhost" : options.Bind, options.ApiPort, ct).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static SslClientAuthenticationOptions Trust(NodeOptions options)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            if (options.Ca is { } ca) policy.CustomTrustStore.ImportFromPemFile(ca);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            throw new SpecException("ca", $"'{options.Ca}' cannot be read: {e.Message}");
        }
        var ssl = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        // the certificate must still be of the cluster's CA
        if (!options.VerifyNames)
            ssl.RemoteCertificateValidationCallback = (_, _, _, errors) => (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;
        return ssl;
    }
}
