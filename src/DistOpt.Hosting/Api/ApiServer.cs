using System.Net;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
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
/// The HTTP API of a node: health on every node, jobs and nodes on coordinators. Listens where the node binds (loopback by default); with a
/// token set, everything but health wants <c>Authorization: Bearer</c>.
/// </summary>
public sealed class ApiServer : IAsyncDisposable
{
    /// <summary>Largest spec that is accepted, in bytes.</summary>
    public const int SpecBytesMax = 1 << 20;

    private readonly WebApplication _app;

    private ApiServer(WebApplication app, int port) => (_app, Port) = (app, port);

    /// <summary>The port that was taken.</summary>
    public int Port { get; }

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
        var bind = IPAddress.TryParse(node.Options.Bind, out var address) ? address : IPAddress.Loopback;
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(bind, node.Options.ApiPort);
            kestrel.Limits.MaxRequestBodySize = SpecBytesMax;
            kestrel.Limits.MaxConcurrentConnections = 256;
            kestrel.AddServerHeader = false;
        });
        var app = builder.Build();
        Health(app, node);
        if (node.Coordinator is not null)
        {
            var group = app.MapGroup("/api/v1");
            group.AddEndpointFilter((context, next) => Authorized(context.HttpContext, node.Options.Token)
                ? next(context)
                : ValueTask.FromResult<object?>(Results.Problem("a bearer token is needed", statusCode: StatusCodes.Status401Unauthorized)));
            JobRoutes.Map(group, node, new ClusterJobs(node, specs, time));
        }
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
        int port = new Uri(url).Port;
        node.AnnounceApi(new UriBuilder("http", node.Options.AdvertisedHost, port).Uri);
        return new ApiServer(app, port);
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

    private static void Health(WebApplication app, ClusterNode node)
    {
        app.MapGet("/healthz", () => node.Ended.IsCompleted
            ? Results.Text("the node has ended", statusCode: StatusCodes.Status503ServiceUnavailable) : Results.Text("ok"));
        app.MapGet("/readyz", () => node.Ended.IsCompleted
            ? Results.Text("the node has ended", statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Text($"ready: {node.Endpoint} {string.Join(",", node.Options.Roles)}"));
    }

    /// <summary>Starts and stops when it is told to, and by nothing else.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
