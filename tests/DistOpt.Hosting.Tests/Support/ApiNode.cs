using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>A node with its HTTP API in this process, and a client of it.</summary>
internal sealed class ApiNode : IAsyncDisposable
{
    public const string ApiToken = "t0ken";

    private readonly ApiServer _api;
    private bool _stopped;

    private ApiNode(ClusterNode node, ApiServer api)
    {
        (Node, _api) = (node, api);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{api.Port}") };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", ApiToken);
    }

    public ClusterNode Node { get; }

    public HttpClient Http { get; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<ApiNode> StartAsync(string root, string? journal, ILoggerFactory loggers, string roles = "coordinator,server,worker",
        string? join = null, int port = 0, LinearRuntime? runtime = null)
    {
        var options = new NodeOptions
        {
            Roles = [.. roles.Split(',')],
            Port = port,
            TensorPort = 0,
            ApiPort = 0,
            Token = ApiToken,
            DataRoot = root,
            Journal = journal,
            Join = join is null ? [] : [join],
        };
        var node = await ClusterNode.StartAsync(options, LinearParts.Of(runtime ?? new LinearRuntime()), loggers, TimeProvider.System, Token);
        return new ApiNode(node, await ApiServer.StartAsync(node, new LinearParts(), loggers, TimeProvider.System, Token));
    }

    /// <summary>Waits until the job coordinator is on this node and has read its journal.</summary>
    public async Task<ApiNode> HoldsAsync()
    {
        while (!Node.CoordinatorPlace.IsHere)
        {
            Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
        return this;
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, string? key, string yaml = "")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(yaml, Encoding.UTF8, "application/yaml") };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        using var response = await Http.SendAsync(request, Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        return (response.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    /// <summary>Submits a job and gives its id.</summary>
    public async Task<string> SubmitAsync(string yaml, string? key = null)
    {
        var (status, body) = await PostAsync("/api/v1/jobs", key, yaml);
        Assert.True(status == HttpStatusCode.Accepted, $"{status}: {body}");
        return body.GetProperty("id").GetString()!;
    }

    public async Task<JsonElement> GetAsync(string path) => JsonDocument.Parse(await Http.GetStringAsync(path, Token)).RootElement;

    public async Task<JsonElement> EndedAsync(string id)
    {
        JsonElement job;
        while (!(job = await GetAsync($"/api/v1/jobs/{id}")).TryGetProperty("summary", out _))
            await Http.GetStringAsync($"/api/v1/jobs/{id}/rows?after=1000000000&wait=1", Token);
        return job;
    }

    /// <summary>Ends without taking leave of anybody, as if the process were killed.</summary>
    public async Task CutAsync()
    {
        _stopped = true;
        await _api.DisposeAsync();
        await Node.StopAsync(leave: false);
        Http.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopped) return;
        await _api.DisposeAsync();
        await Node.DisposeAsync();
        Http.Dispose();
    }
}
