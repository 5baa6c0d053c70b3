using System.Net;
using System.Net.Http.Headers;
using System.Text;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Training;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Telemetry;

public sealed class MetricsTests
{
    /// <summary>103 samples, batches of 10, two epochs.</summary>
    private const int Steps = 22;

    private static readonly string[] s_losses = ["worker", "server", "node"];

    /// <summary>3,000 weights.</summary>
    private const int VectorBytes = 12_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_nodes_tell_Prometheus_fits_what_their_job_did()
    {
        using var http = new HttpClient();
        await using var coordinator = await Start("coordinator,server");
        await using var api = await Api(coordinator);
        await using var worker = await Start("worker", coordinator.Endpoint);
        await using var workerApi = await Api(worker);
        while ((await coordinator.NodesAsync()).Count < 2) await Task.Yield();
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 2, servers: 1));

        var summary = await coordinator.RunJobAsync(new JobId("job-1"), spec, _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);

        var serving = await PrometheusText.ScrapeAsync(http, api.Port, Token);
        var computing = await PrometheusText.ScrapeAsync(http, workerApi.Port, Token);
        Assert.Equal(Steps, serving.Value("distopt_step_phase_duration_seconds_count", ("phase", "apply"), ("job", "job-1")));
        Assert.Equal(2 * Steps, computing.Value("distopt_step_phase_duration_seconds_count", ("phase", "compute"), ("job", "job-1")));
        Assert.Equal(2 * Steps, computing.Value("distopt_step_phase_duration_seconds_count", ("phase", "data"), ("job", "job-1")));
        Assert.Equal(Steps, computing.Value("distopt_step_phase_duration_seconds_count", ("phase", "push"), ("job", "job-1")));
        Assert.Equal(Steps, computing.Value("distopt_step_phase_duration_seconds_count", ("phase", "wait"), ("job", "job-1")));
        Assert.InRange(computing.Value("distopt_step_phase_duration_seconds_sum", ("phase", "wait"), ("job", "job-1")), 1e-9, summary.WallSeconds);
        // nodes of one process are told apart: the server computed nothing
        Assert.DoesNotContain(serving.All, s => s.Labels.GetValueOrDefault("phase") is "compute" or "push");
        Assert.DoesNotContain(computing.All, s => s.Labels.GetValueOrDefault("phase") is "apply");

        // the two workers' gradients are added up before they cross the network
        Assert.Equal(Steps * VectorBytes, computing.Value("distopt_training_payload_bytes_total", ("direction", "push")));
        Assert.InRange(computing.Value("distopt_training_payload_bytes_total", ("direction", "pull")), (Steps + 1) * VectorBytes, (Steps + 2) * VectorBytes);
        Assert.Equal(Steps * VectorBytes, serving.Value("distopt_tensor_bytes_total", ("direction", "received")));
        Assert.Equal(Steps, computing.Value("distopt_tensor_frames_total", ("direction", "sent")));
        Assert.Equal(0, computing.Value("distopt_tensor_queue", ("queue", "outbound")));
        Assert.Equal(1, computing.Value("distopt_tensor_connections_total"));

        Assert.Equal(2, serving.Value("distopt_cluster_members", ("status", "up")));
        Assert.Equal(0, serving.Value("distopt_cluster_unreachable"));
        Assert.Equal(0, serving.Value("distopt_failures_total", ("kind", "job")));
        Assert.Equal(0, serving.Value("distopt_coordinator_jobs", ("state", "running")));
        Assert.Equal(0, serving.Value("distopt_coordinator_jobs", ("state", "waiting")));
        Assert.True(serving.Value("dotnet_gc_collections_total", ("gc_heap_generation", "gen0")) >= 0);
        Assert.True(serving.Value("dotnet_thread_pool_queue_length_total") >= 0);
    }

    [Fact]
    public async Task A_job_that_waits_and_one_whose_user_code_throws_are_seen()
    {
        using var http = new HttpClient();
        var runtime = new LinearRuntime { BeforeLeaf = (plan, _) => { if (plan.Step == 3) throw new InvalidOperationException("the user's mistake"); } };
        await using var coordinator = await Start("coordinator,server");
        await using var api = await Api(coordinator);
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 1));
        var job = coordinator.RunJobAsync(new JobId("job-1"), spec, _ => new RecordingSink(), JobStorage.None);
        while ((await Scrape()).Value("distopt_coordinator_jobs", ("state", "waiting")) < 1) { }

        await using var worker = await Start("worker", coordinator.Endpoint, runtime);
        await using var workerApi = await Api(worker);
        var summary = await job;

        Assert.Equal(RunStatus.Failed, summary.Status);
        while ((await Scrape()).Value("distopt_failures_total", ("kind", "job")) < 1) { }
        Assert.Equal(0, (await Scrape()).Value("distopt_coordinator_jobs", ("state", "waiting")));
        // it was tried twice
        Assert.Equal(2, (await PrometheusText.ScrapeAsync(http, workerApi.Port, Token)).Value("distopt_failures_total", ("kind", "user_code")));

        Task<PrometheusText> Scrape() => PrometheusText.ScrapeAsync(http, api.Port, Token);
    }

    [Fact]
    public async Task A_node_that_dies_with_a_worker_and_a_server_of_a_job_is_counted_as_all_three()
    {
        using var http = new HttpClient();
        await using var coordinator = await Start("coordinator");
        await using var api = await Api(coordinator);
        TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using var released = new ManualResetEventSlim();
        var runtime = new LinearRuntime
        {
            BeforeLeaf = (plan, _) =>
            {
                if (plan.Step < 3) return;
                reached.TrySetResult();
                released.Wait(Token);
            },
        };
        var dies = await Start("server,worker", coordinator.Endpoint, runtime);
        while ((await coordinator.NodesAsync()).Count < 2) await Task.Yield();
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 2, servers: 1));
        var job = coordinator.RunJobAsync(new JobId("job-1"), spec, _ => new RecordingSink(), JobStorage.None);
        await reached.Task.WaitAsync(Token);
        foreach (string kind in s_losses) Assert.Equal(0, (await Scrape()).Value("distopt_failures_total", ("kind", kind)));
        await using var spare = await Start("server,worker", coordinator.Endpoint);

        await Task.WhenAll(dies.StopAsync(leave: false), Task.Run(released.Set, Token));
        var summary = await job;

        Assert.Equal((RunStatus.Completed, 1, 1), (summary.Status, summary.WorkerFailures, summary.ServerFailures));
        // workers of one node are lost as one; the membership may tell of the node's end after the job's
        while ((await Scrape()).Value("distopt_failures_total", ("kind", "node")) < 1) { }
        var scraped = await Scrape();
        Assert.Equal([summary.WorkerFailures, summary.ServerFailures, 1], s_losses.Select(k => (int)scraped.Value("distopt_failures_total", ("kind", k))));

        Task<PrometheusText> Scrape() => PrometheusText.ScrapeAsync(http, api.Port, Token);
    }

    [Fact]
    public async Task Metrics_want_the_token()
    {
        await using var node = await ClusterNode.StartAsync(new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal, Token = "t0ken" },
            LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
        await using var api = await Api(node);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{api.Port}") };

        using var refused = await http.GetAsync("/metrics", Token);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "t0ken");
        using var answered = await http.GetAsync("/metrics", Token);

        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.DoesNotContain("distopt_", await refused.Content.ReadAsStringAsync(Token));
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        Assert.Contains("distopt_failures_total", await answered.Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task A_collector_gets_the_metrics_at_the_latest_when_the_node_stops()
    {
        var received = new List<(string Path, string? Type, byte[] Body)>();
        await using var collector = await CollectorAsync(received);
        string url = collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var node = await ClusterNode.StartAsync(new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal, Otlp = url },
            LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
        while ((await node.NodesAsync()).Count < 1) await Task.Yield();
        await node.RunJobAsync(new JobId("job-7"), new LinearParts().Read(LinearParts.Yaml()), _ => new RecordingSink(), JobStorage.None);
        await node.StopAsync();

        lock (received)
        {
            var (path, type, body) = received[^1];
            Assert.Equal(("/v1/metrics", "application/x-protobuf"), (path, type));
            string text = Encoding.Latin1.GetString(body);
            foreach (string expected in new[] { "service.name", "distopt.step.phase.duration", "job-7", "distopt.tensor.bytes", "dotnet.gc.collections" })
                Assert.Contains(expected, text);
        }
    }

    [Fact]
    public async Task A_collector_that_is_not_there_hinders_nothing()
    {
        var node = await ClusterNode.StartAsync(new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal, Otlp = "http://127.0.0.1:1" },
            LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
        await node.StopAsync().WaitAsync(TimeSpan.FromSeconds(30), Token);
        Assert.Equal(NodeEnd.Stopped, await node.Ended);
    }

    private static async Task<ClusterNode> Start(string roles, string? join = null, LinearRuntime? runtime = null) => await ClusterNode.StartAsync(
        new NodeOptions
        {
            Roles = [.. roles.Split(',')],
            Port = 0,
            TensorPort = 0,
            ApiPort = 0,
            Join = join is null ? [] : [join],
            WorkerSlots = 2,
            Journal = NodeOptions.NoJournal,
        },
        LinearParts.Of(runtime ?? new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);

    private static Task<ApiServer> Api(ClusterNode node) =>
        ApiServer.StartAsync(node, new LinearParts(), NullLoggerFactory.Instance, TimeProvider.System, Token);

    private static async Task<WebApplication> CollectorAsync(List<(string Path, string? Type, byte[] Body)> received)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapPost("/{**path}", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            lock (received) received.Add((context.Request.Path, context.Request.ContentType, body.ToArray()));
            return Results.Bytes([], "application/x-protobuf");
        });
        await app.StartAsync(Token);
        return app;
    }
}
