using DistOpt.Hosting.Cluster;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace DistOpt.Hosting.Api;

/// <summary>
/// What watches a node asks: <c>/healthz</c> (is the process to be restarted?), <c>/readyz</c> (can it be sent work?) and <c>/metrics</c> (in
/// Prometheus' text format).
/// </summary>
internal static class HealthEndpoints
{
    public const string Health = "/healthz";
    public const string Ready = "/readyz";
    public const string Metrics = "/metrics";

    /// <param name="authorized">Whether a request brings the token; metrics want it as everything but health does.</param>
    public static void Map(WebApplication app, ClusterNode node, Func<HttpContext, bool> authorized)
    {
        app.MapGet(Health, () => node.Ended.IsCompleted
            ? Results.Text("the node has ended", statusCode: StatusCodes.Status503ServiceUnavailable) : Results.Text("ok"));
        // a stranger learns whether the node is ready, and no more
        app.MapGet(Ready, async (HttpContext context) => await node.ReadinessAsync().ConfigureAwait(false) is { } problem
            ? Results.Text($"not ready: {problem}", statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Text(authorized(context) ? $"ready: {node.Endpoint} {string.Join(",", node.Options.Roles)}" : "ready"));
        app.UseWhen(context => context.Request.Path.StartsWithSegments(Metrics), metrics => metrics.Use(async (context, next) =>
        {
            if (authorized(context)) await next(context).ConfigureAwait(false);
            else await Results.Problem("a bearer token is needed", statusCode: StatusCodes.Status401Unauthorized).ExecuteAsync(context).ConfigureAwait(false);
        }));
        app.MapPrometheusScrapingEndpoint(Metrics, node.Telemetry.Provider, null, null);
    }
}
