using System.Globalization;
using System.Net.Sockets;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary>Whether a cluster's three ports can be reached from here.</summary>
internal static class ClusterChecks
{
    public const int ControlPort = 4053;
    public const int TensorPort = 4054;
    public const int ApiPort = 4055;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    /// <param name="host">A node of the cluster.</param>
    /// <param name="control">Port of the control plane (Akka.Remote); the others are the two that follow it unless given.</param>
    public static async Task<IReadOnlyList<DoctorCheck>> PortsAsync(string host, int control, int tensor, int api, CancellationToken ct)
    {
        return
        [
            await PortAsync("control port", host, control, "--port", ct).ConfigureAwait(false),
            await PortAsync("tensor port", host, tensor, "--tensor-port", ct).ConfigureAwait(false),
            await PortAsync("api port", host, api, "--api-port", ct).ConfigureAwait(false),
        ];
    }

    /// <summary>Whether the API answers, takes the token, and is ready.</summary>
    public static async Task<DoctorCheck> ApiAsync(ClusterClient client, string url, CancellationToken ct)
    {
        try
        {
            var (ready, text) = await client.ReadyAsync(ct).ConfigureAwait(false);
            if (!ready) return DoctorCheck.Warning("cluster api", $"{url} answers, but is not ready: {CommandLine.FirstLine(text)}", "wait until the cluster has formed, or read the node's log");
            using var nodes = await client.NodesAsync(ct).ConfigureAwait(false);
            return DoctorCheck.Ok("cluster api", $"{url} is ready and takes the token");
        }
        catch (SpecException e)
        {
            return DoctorCheck.Failed("cluster api", e.Violations[0].Message, $"check {ClusterClient.UrlVariable} and {ClusterClient.TokenVariable}");
        }
    }

    /// <exception cref="SpecException">No HOST:PORT.</exception>
    public static (string Host, int Port) ParseEndpoint(string option, string text)
    {
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? text : text[..colon];
        int port = ControlPort;
        bool isPort = colon < 0 || (int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536);
        return host.Length > 0 && isPort ? (host, port) : throw new SpecException(option, $"'{text}' is no address; write HOST:PORT, such as 10.0.0.1:{ControlPort}");
    }

    private static async Task<DoctorCheck> PortAsync(string name, string host, int port, string option, CancellationToken ct)
    {
        string where = string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
        using var socket = new TcpClient();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(ConnectTimeout);
        try
        {
            await socket.ConnectAsync(host, port, limit.Token).ConfigureAwait(false);
            return DoctorCheck.Ok(name, $"{where} answers");
        }
        catch (SocketException e)
        {
            return DoctorCheck.Failed(name, $"{where} does not answer: {e.Message}", $"start a node there, open the port in the firewall, or name another ({option} there)");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return DoctorCheck.Failed(name, $"{where} does not answer within {ConnectTimeout.TotalSeconds:0} s", $"open the port in the firewall ({option} there), or check the address");
        }
    }
}
