using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Api;

/// <summary>
/// The HTTP API of a node: health and metrics on every node, jobs and nodes on coordinators. Listens where the node binds (loopback by
/// default), with TLS where the node has a certificate; with a token set, everything but health wants <c>Authorization: Bearer</c>.
/// </summary>
public sealed class ApiServer : IAsyncDisposable
{
    /// <summary>Largest spec that is accepted, in bytes.</summary>
    public const int SpecBytesMax = 1 << 20;

    /// <summary>Largest submission of a study with trials of another one, which no control message has to hold, in bytes.</summary>
    public const int ImportBytesMax = 16 << 20;

    /// <summary>What a control message holds besides the spec, and a resolved spec besides what was submitted.</summary>
    private const int ControlOverhead = 16 << 10;

    private readonly WebApplication _app;

    private ApiServer(WebApplication app, int port, NodeOptions options) =>
        (_app, Port, Url) = (app, port, $"{(options.UsesTls ? "https" : "http")}://{options.AdvertisedHost}:{port}");

    /// <summary>The port that was taken.</summary>
    public int Port { get; }

    /// <summary>Where others reach the API.</summary>
    public string Url { get; }

    /// <summary>Starts to listen.</summary>
    /// <exception cref="SpecException">The port is in use.</exception>
    public static async Task<ApiServer> StartAsync(ClusterNode node, ISpecReader specs, ILoggerFactory loggers, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(loggers);
        // signals belong to the program, not to a library
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        var bind = await ClusterNode.AddressOfAsync(node.Options.Bind, cancellationToken).ConfigureAwait(false);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(bind, node.Options.ApiPort, listen =>
            {
                if (node.Tls is { } tls) listen.UseHttps(ApiTls.Options(tls));
            });
            // a spec travels to the nodes in one control message
            kestrel.Limits.MaxRequestBodySize = Math.Min(SpecBytesMax, node.Options.ControlFrameBytes - ControlOverhead);
            kestrel.Limits.MaxConcurrentConnections = node.Options.ApiConnections;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.AddServerHeader = false;
        });
        var app = builder.Build();
        HealthEndpoints.Map(app, node, context => Authorized(context, node.Options.Token));
        var group = app.MapGroup("/api/v1");
        group.AddEndpointFilter((context, next) => Authorized(context.HttpContext, node.Options.Token)
            ? next(context)
            : ValueTask.FromResult<object?>(Results.Problem("a bearer token is needed", statusCode: StatusCodes.Status401Unauthorized)));
        NodeApi.Map(group, node, time);
        if (node.Coordinator is not null) JobRoutes.Map(group.MapGroup(""), node, new ClusterJobs(node, specs, time));
        try
        {
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw new SpecException("api-port", $"{node.Options.ApiPort} cannot be listened on ({e.Message}): choose another port (0 = any free one)");
        }
        string url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var server = new ApiServer(app, new Uri(url).Port, node.Options);
        node.AnnounceApi(server.Url);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    private static bool Authorized(HttpContext context, string? token)
    {
        if (string.IsNullOrEmpty(token)) return true;
        string header = context.Request.Headers.Authorization.ToString();
        const string scheme = "Bearer ";
        return header.StartsWith(scheme, StringComparison.Ordinal)
            && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(header[scheme.Length..]), Encoding.UTF8.GetBytes(token));
    }

    internal static IResult Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream)) write(json);
        return Results.Bytes(stream.ToArray(), "application/json");
    }

    /// <summary>Starts and stops when it is told to, and by nothing else.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
