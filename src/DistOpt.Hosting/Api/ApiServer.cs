using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Akka.Actor;
using DistOpt.Actors.Training;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
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

    /// <summary>What a control message holds besides the spec, and a resolved spec besides what was submitted.</summary>
    private const int ControlOverhead = 16 << 10;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AskTime = TimeSpan.FromSeconds(10);

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
        if (node.Coordinator is { } coordinator)
        {
            Jobs(group, new ClusterJobs(node, specs, time, loggers), coordinator);
            Nodes(group, coordinator);
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
        return new ApiServer(app, new Uri(url).Port, node.Options);
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

    private static void Jobs(RouteGroupBuilder group, ClusterJobs jobs, IActorRef coordinator)
    {
        group.MapPost("/jobs", async (HttpContext context) =>
        {
            using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
            string yaml = await reader.ReadToEndAsync(context.RequestAborted).ConfigureAwait(false);
            string? key = context.Request.Headers.TryGetValue("Idempotency-Key", out var value) ? value.ToString() : null;
            try
            {
                var job = jobs.Submit(yaml, key);
                return Results.Json(new { id = job.Id, name = job.Name }, statusCode: StatusCodes.Status202Accepted);
            }
            catch (SpecException e)
            {
                return Invalid(e);
            }
        });
        group.MapGet("/jobs", async () =>
        {
            var list = await Ask<JobList>(coordinator, new ListJobs()).ConfigureAwait(false);
            return Json(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("jobs");
                foreach (var status in list.Jobs) WriteJob(json, status.Job.Value, status with { Summary = null }, null);
                json.WriteEndArray();
                json.WriteEndObject();
            });
        });
        group.MapGet("/jobs/{id}", async (string id) =>
        {
            var list = await Ask<JobList>(coordinator, new ListJobs()).ConfigureAwait(false);
            var status = list.Jobs.FirstOrDefault(j => j.Job.Value == id);
            var job = jobs.Find(id);
            if (job?.Error is SpecException bad) return Invalid(bad);
            return status is null && job is null ? NotFound(id) : Json(json => WriteJob(json, id, status, job));
        });
        group.MapGet("/jobs/{id}/rows", (string id, long? after, double? wait, CancellationToken ct) =>
            LinesAsync(jobs, id, job => job.Directory.MetricsFile, after ?? 0, wait ?? 0, ct));
        group.MapGet("/jobs/{id}/logs", (string id, long? after, double? wait, CancellationToken ct) =>
            LinesAsync(jobs, id, job => job.Directory.LogFile, after ?? 0, wait ?? 0, ct));
        group.MapPost("/jobs/{id}/cancel", (string id) =>
        {
            if (jobs.Find(id) is not { } job) return NotFound(id);
            jobs.Cancel(job);
            return Results.Accepted();
        });
    }

    private static void Nodes(RouteGroupBuilder group, IActorRef coordinator) => group.MapGet("/nodes", async () =>
    {
        var list = await Ask<NodeList>(coordinator, new ListNodes()).ConfigureAwait(false);
        return Json(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("nodes");
            foreach (var node in list.Nodes)
            {
                json.WriteStartObject();
                json.WriteString("name", node.Name);
                json.WriteStartArray("roles");
                foreach (string role in node.Roles) json.WriteStringValue(role);
                json.WriteEndArray();
                json.WriteNumber("worker_slots", node.WorkerSlots);
                json.WriteNumber("workers_running", node.WorkersRunning);
                json.WriteString("protocol", node.Version);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
    });

    private static async Task<IResult> LinesAsync(ClusterJobs jobs, string id, Func<ClusterJob, string> file, long after, double wait, CancellationToken ct)
    {
        if (jobs.Find(id) is not { } job) return NotFound(id);
        if (job.Error is SpecException bad) return Invalid(bad);
        // the wait is armed before the file is read, so that a line written in between is not slept over
        var news = job.News;
        var lines = ClusterJob.Lines(file(job), after);
        if (lines.Count == 0 && wait > 0 && job.Summary is null)
        {
            var limit = TimeSpan.FromSeconds(Math.Min(wait, LongestWait.TotalSeconds));
            await Task.WhenAny(news, Task.Delay(limit, ct)).ConfigureAwait(false);
            if (job.Error is SpecException late) return Invalid(late);
            lines = ClusterJob.Lines(file(job), after);
        }
        return Results.Text(string.Concat(lines.Select(line => line + "\n")), "application/jsonl");
    }

    private static void WriteJob(Utf8JsonWriter json, string id, JobStatus? status, ClusterJob? job)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("name", status?.Name ?? job!.Name);
        var summary = status?.Summary ?? job?.Summary;
        json.WriteString("status", summary is not null ? summary.Status.ToString().ToLowerInvariant() : status?.State ?? "opening");
        if (status is not null)
        {
            json.WriteNumber("step", status.Step);
            json.WriteNumber("total_steps", status.TotalSteps);
            if (status.Loss is { } loss && double.IsFinite(loss)) json.WriteNumber("loss", loss);
            if (status.Waiting is { } waiting) json.WriteString("waiting_for", waiting);
            json.WriteStartArray("nodes");
            foreach (string node in status.Nodes) json.WriteStringValue(node);
            json.WriteEndArray();
        }
        if (job is not null) json.WriteString("run", job.Directory.Path);
        if (summary is not null)
        {
            json.WritePropertyName("summary");
            RunJson.WriteSummary(json, summary);
        }
        json.WriteEndObject();
    }

    private static IResult NotFound(string id) => Results.Problem($"there is no job '{id}'", statusCode: StatusCodes.Status404NotFound);

    private static IResult Invalid(SpecException e) => Results.Problem("the job cannot run as its spec says", statusCode: StatusCodes.Status422UnprocessableEntity,
        extensions: new Dictionary<string, object?>
        {
            ["violations"] = e.Violations.Select(v => new Dictionary<string, object?> { ["path"] = v.Path, ["message"] = v.Message, ["line"] = v.Line }).ToList(),
        });

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

    private static Task<T> Ask<T>(IActorRef actor, object message) => actor.Ask<T>(message, AskTime);
}
