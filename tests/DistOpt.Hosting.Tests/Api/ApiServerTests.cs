using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Api;

public sealed class ApiServerTests : IAsyncLifetime
{
    private const int JobsMax = 3;

    private readonly string _root = Directory.CreateTempSubdirectory("distopt-api-").FullName;
    private ClusterNode _node = null!;
    private ApiServer _api = null!;
    private HttpClient _http = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var options = new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Token = "t0ken", DataRoot = _root, JobsMax = JobsMax, Gpus = 2 };
        _node = await ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
        _api = await ApiServer.StartAsync(_node, new LinearParts(), NullLoggerFactory.Instance, TimeProvider.System, Token);
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_api.Port}") };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "t0ken");
        // the coordinator reads its journal first
        while ((await _http.GetAsync("/api/v1/jobs", Token)).StatusCode == HttpStatusCode.ServiceUnavailable) { }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _api.DisposeAsync();
        await _node.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task A_submitted_job_runs_and_can_be_followed()
    {
        using var submitted = await Post(LinearParts.Yaml(), "key-1");
        Assert.Equal(HttpStatusCode.Accepted, submitted.StatusCode);
        string id = (await Json(submitted)).GetProperty("id").GetString()!;

        int rows = 0;
        JsonElement job;
        do
        {
            string text = await _http.GetStringAsync($"/api/v1/jobs/{id}/rows?after={rows}&wait=5", Token);
            rows += text.Count(c => c == '\n');
            job = await Get($"/api/v1/jobs/{id}");
        }
        while (job.GetProperty("status").GetString() is not ("completed" or "failed"));

        Assert.Equal("completed", job.GetProperty("status").GetString());
        Assert.Equal(22, job.GetProperty("summary").GetProperty("steps").GetInt32());
        string run = job.GetProperty("run").GetString()!;
        Assert.True(File.Exists(Path.Combine(run, "summary.json")), $"{run} has no summary");
        Assert.Single((await Get("/api/v1/jobs")).GetProperty("jobs").EnumerateArray());
    }

    [Fact]
    public async Task A_repeat_of_the_same_key_gives_the_same_job()
    {
        using var first = await Post(LinearParts.Yaml(), "same");
        using var second = await Post(LinearParts.Yaml(), "same");

        Assert.Equal((await Json(first)).GetProperty("id").GetString(), (await Json(second)).GetProperty("id").GetString());
    }

    [Fact]
    public async Task Jobs_of_one_second_that_draw_the_same_number_have_ids_of_their_own()
    {
        ushort[] draws = [7, 7, 7, 8];
        int drawn = 0;
        var jobs = new ClusterJobs(_node, new LinearParts(), new StandingTime(), () => draws[drawn++]);

        var first = Assert.IsType<JobAccepted>(await jobs.SubmitAsync(LinearParts.Yaml(), null));
        var second = Assert.IsType<JobAccepted>(await jobs.SubmitAsync(LinearParts.Yaml(), null));

        Assert.Equal(4, drawn);
        Assert.EndsWith("-0007", first.Job.Value);
        Assert.EndsWith("-0008", second.Job.Value);
    }

    [Fact]
    public async Task A_bad_spec_is_refused_with_all_its_violations()
    {
        using var response = await Post("optimzer: adam\nseed: -1", null);

        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(2, (await Json(response)).GetProperty("violations").GetArrayLength());
    }

    [Fact]
    public async Task Without_the_token_nothing_but_health_is_answered()
    {
        using var stranger = new HttpClient { BaseAddress = _http.BaseAddress };
        foreach (string path in new[] { "/api/v1/jobs", "/api/v1/nodes", "/api/v1/jobs/x/rows" })
            Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync(path, Token)).StatusCode);
        stranger.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "t0kem");
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/api/v1/nodes", Token)).StatusCode);
        Assert.Equal("ok", await stranger.GetStringAsync("/healthz", Token));
    }

    [Fact]
    public async Task Cancelling_ends_a_job()
    {
        using var submitted = await Post(LinearParts.Yaml(epochs: 1_000_000), null);
        string id = (await Json(submitted)).GetProperty("id").GetString()!;
        while (await _http.GetStringAsync($"/api/v1/jobs/{id}/rows?wait=5", Token) == "") { }

        using var cancelled = await _http.PostAsync($"/api/v1/jobs/{id}/cancel", null, Token);

        Assert.Equal(HttpStatusCode.Accepted, cancelled.StatusCode);
        JsonElement job;
        while ((job = await Get($"/api/v1/jobs/{id}")).GetProperty("status").GetString() is not "cancelled")
            await _http.GetStringAsync($"/api/v1/jobs/{id}/rows?after=1000000000&wait=1", Token);
        Assert.Equal("cancelled", job.GetProperty("summary").GetProperty("stop_reason").GetString());
    }

    [Fact]
    public async Task Unknown_jobs_are_not_found()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await _http.GetAsync("/api/v1/jobs/nope", Token)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _http.PostAsync("/api/v1/jobs/nope/cancel", null, Token)).StatusCode);
    }

    [Fact]
    public async Task Jobs_above_the_limit_are_refused_until_there_is_room_and_a_repeat_of_an_accepted_one_is_not()
    {
        string waiting = LinearParts.Yaml(workers: 5000, shards: 5000);
        for (int i = 0; i < JobsMax; i++)
        {
            using var accepted = await Post(waiting, $"key-{i}");
            Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        }

        using var above = await Post(waiting, "above");
        using var repeat = await Post(waiting, "key-0");

        Assert.Equal(HttpStatusCode.TooManyRequests, above.StatusCode);
        Assert.Contains($"the limit is {JobsMax}", (await Json(above)).GetProperty("detail").GetString());
        Assert.Equal(HttpStatusCode.Accepted, repeat.StatusCode);
        string id = (await Json(repeat)).GetProperty("id").GetString()!;
        (await _http.PostAsync($"/api/v1/jobs/{id}/cancel", null, Token)).Dispose();
        while ((await Get($"/api/v1/jobs/{id}")).GetProperty("status").GetString() is not "cancelled") { }
        HttpStatusCode status;
        do
        {
            using var again = await Post(waiting, "above");
            status = again.StatusCode;
        }
        while (status == HttpStatusCode.TooManyRequests);
        Assert.Equal(HttpStatusCode.Accepted, status);
    }

    [Fact]
    public async Task Nodes_are_listed_with_their_slots()
    {
        JsonElement nodes;
        do nodes = (await Get("/api/v1/nodes")).GetProperty("nodes");
        while (nodes.GetArrayLength() == 0);

        Assert.Equal(Environment.ProcessorCount, nodes[0].GetProperty("worker_slots").GetInt32());
        Assert.Equal((2, 0), (nodes[0].GetProperty("gpus").GetInt32(), nodes[0].GetProperty("gpus_taken").GetInt32()));
    }

    private async Task<HttpResponseMessage> Post(string yaml, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new StringContent(yaml, Encoding.UTF8, "application/yaml") };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        return await _http.SendAsync(request, Token);
    }

    private async Task<JsonElement> Get(string path) => JsonDocument.Parse(await _http.GetStringAsync(path, Token)).RootElement;

    private static async Task<JsonElement> Json(HttpResponseMessage response) =>
        JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token)).RootElement;

    private sealed class StandingTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 1, 24, 15, 30, 12, TimeSpan.Zero);
    }
}
