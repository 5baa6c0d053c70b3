using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using DistOpt.Hosting.Cluster;
using DistOpt.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DistOpt.Hosting.Api;

/// <summary>What every node tells of itself, and whether it reaches the caller: for <c>doctor</c>.</summary>
internal static class NodeApi
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    public static void Map(RouteGroupBuilder group, ClusterNode node, TimeProvider time)
    {
        group.MapGet("/node", () => ApiServer.Json(json =>
        {
            json.WriteStartObject();
            json.WriteString("name", node.Endpoint);
            json.WriteStartArray("roles");
            foreach (string role in node.Options.Roles) json.WriteStringValue(role);
            json.WriteEndArray();
            json.WriteNumber("tensor_port", node.TensorPort);
            json.WriteString("protocol", ProtocolVersion.Current.ToString());
            json.WriteString("build", BuildIdentity.Current);
            json.WriteString("time", time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture));
            if (node.Tls is { } tls) json.WriteString("certificate_ends", tls.Certificate.NotAfter.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture));
            json.WriteEndObject();
        }));
        group.MapGet("/node/reach", async (HttpContext context, int port, string? host) =>
        {
            string? error = port is < 1 or > 65535 ? $"{port} is no port"
                : await ReachAsync(context.Connection.RemoteIpAddress!, host, port, context.RequestAborted).ConfigureAwait(false);
            return ApiServer.Json(json =>
            {
                json.WriteStartObject();
                json.WriteBoolean("reached", error is null);
                if (error is not null) json.WriteString("error", error);
                json.WriteEndObject();
            });
        });
    }

    /// <summary>Whether a port of the caller's machine can be connected to from here. Nothing but the caller is ever connected to.</summary>
    /// <returns>Null if it can, else why not.</returns>
    private static async Task<string?> ReachAsync(IPAddress caller, string? host, int port, CancellationToken cancellation)
    {
        if (caller.IsIPv4MappedToIPv6) caller = caller.MapToIPv4();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ConnectTimeout);
        try
        {
            if (!string.IsNullOrEmpty(host))
            {
                var addresses = await Dns.GetHostAddressesAsync(host, limit.Token).ConfigureAwait(false);
                if (!addresses.Contains(caller))
                    return $"'{host}' is {string.Join(", ", addresses.Select(a => a.ToString()))} here, but the caller comes from {caller}";
            }
            using var socket = new Socket(caller.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(new IPEndPoint(caller, port), limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (SocketException e)
        {
            return e.Message;
        }
        catch (ArgumentException e)
        {
            return e.Message; // no host name
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"no answer within {ConnectTimeout.TotalSeconds:0} s";
        }
    }
}
