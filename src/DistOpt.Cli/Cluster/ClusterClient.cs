using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Api;
using DistOpt.Hosting.Security;

namespace DistOpt;

/// <summary>
/// Talks to a coordinator's HTTP API. The command line never joins the cluster. Every fault of the kind "wrong address", "wrong token",
/// "unknown job" is bad input with one clear line.
/// </summary>
internal sealed class ClusterClient : IDisposable
{
    public const string UrlVariable = "DISTOPT_CLUSTER";
    public const string TokenVariable = "DISTOPT_TOKEN";

    /// <summary>PEM file of the cluster's own CA.</summary>
    public const string CaVariable = "DISTOPT_CA";

    /// <summary>Seconds that a request for rows or logs waits on the server for new ones.</summary>
    private const int LongPollSeconds = 10;

    private readonly ClusterRequests _requests;
    private readonly string _url;

    /// <summary>A client that does not try again: for checks.</summary>
    /// <param name="url">Of a node.</param>
    /// <param name="token">Bearer token; null for none.</param>
    /// <param name="peers">The cluster's own CA; null to trust what the machine trusts.</param>
    public ClusterClient(Uri url, string? token, PeerCertificates? peers = null)
        : this(url, new ClusterRequests(token, peers, TimeSpan.Zero, TimeProvider.System, null)) { }

    private ClusterClient(Uri url, ClusterRequests requests) => (_url, _requests) = (url.ToString().TrimEnd('/'), requests);

    /// <summary>The client for <c>--cluster</c> or the environment.</summary>
    /// <exception cref="SpecException">No address, or none that is a URL.</exception>
    public static ClusterClient Open(string? option, AppConsole console) =>
        Open(option, console.Environment, ClusterRequests.Patience(console.Environment), console.Time, console.Error.WriteLine);

    /// <summary>The client that does not try again: for checks.</summary>
    /// <exception cref="SpecException">No address, or none that is a URL.</exception>
    public static ClusterClient OpenOnce(string? option, Func<string, string?> environment) =>
        Open(option, environment, TimeSpan.Zero, TimeProvider.System, null);

    private static ClusterClient Open(string? option, Func<string, string?> environment, TimeSpan patience, TimeProvider time, Action<string>? tell)
    {
        string? text = option ?? environment(UrlVariable);
        if (string.IsNullOrWhiteSpace(text))
            throw new SpecException("", $"no cluster is named; set {UrlVariable} to a coordinator's address, such as http://localhost:4055, or give --cluster");
        string name = option is null ? UrlVariable : "--cluster";
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new SpecException(name, $"'{text}' is no address; write http://HOST:PORT or https://HOST:PORT");
        string? token = TokenFile.Token(environment, null, environment(TokenFile.Variable), TokenFile.Variable);
        return new ClusterClient(url, new ClusterRequests(token, Peers(environment), patience, time, tell));
    }

    private static PeerCertificates? Peers(Func<string, string?> environment)
    {
        if (environment(CaVariable) is not { Length: > 0 } ca) return null;
        var violations = new List<SpecViolation>();
        var peers = PeerCertificates.Read(ca, CaVariable, violations);
        return violations.Count == 0 ? peers : throw new SpecException(violations);
    }

    /// <summary>Submits a job; a repeat with the same key gives the same job.</summary>
    /// <param name="specYaml">The spec.</param>
    /// <param name="idempotencyKey">The key.</param>
    /// <param name="ct">Gives up.</param>
    /// <param name="imported">Of a study: trials that its sampler is given, a line each; null = none.</param>
    /// <returns>The job's id.</returns>
    public async Task<string> SubmitAsync(string specYaml, string idempotencyKey, CancellationToken ct, string? imported = null)
    {
        string body = imported is null ? specYaml : Submission(specYaml, imported);
        string type = imported is null ? "application/yaml" : "application/json";
        using var document = await SendForJsonAsync("/api/v1/jobs", address =>
            Post(address, idempotencyKey, new StringContent(body, Encoding.UTF8, type)), ct).ConfigureAwait(false);
        return document.RootElement.GetProperty("id").GetString()!;
    }

    private static string Submission(string specYaml, string imported)
    {
        string text = RunJson.Text(false, json =>
        {
            json.WriteStartObject();
            json.WriteString("spec", specYaml);
            json.WriteString("imported", imported);
            json.WriteEndObject();
        });
        int bytes = Encoding.UTF8.GetByteCount(text);
        if (bytes <= ApiServer.ImportBytesMax) return text;
        throw new SpecException("--import", $"has trials of {Format.Bytes(bytes)}, but a cluster takes at most {Format.Bytes(ApiServer.ImportBytesMax)}; "
            + "export fewer of them, the best ones say, and import those");
    }

    public Task<JsonDocument> JobsAsync(CancellationToken ct) => GetAsync("/api/v1/jobs", ct);

    public Task<JsonDocument> JobAsync(string id, CancellationToken ct) => GetAsync($"/api/v1/jobs/{Uri.EscapeDataString(id)}", ct);

    public Task<JsonDocument> NodesAsync(CancellationToken ct) => GetAsync("/api/v1/nodes", ct);

    /// <summary>Asks a node, by its name, to hand over what it has and to leave.</summary>
    /// <param name="incarnation">The one that is meant: a repeat does not reach one that was started in its place since.</param>
    public async Task DrainAsync(string node, string incarnation, string idempotencyKey, CancellationToken ct)
    {
        string path = $"/api/v1/nodes/{Uri.EscapeDataString(node)}/drain?incarnation={Uri.EscapeDataString(incarnation)}";
        using var response = await SendAsync(path, address => Post(address, idempotencyKey, null), ct).ConfigureAwait(false);
    }

    /// <summary>What the node of this address tells of itself.</summary>
    public Task<JsonDocument> NodeAsync(CancellationToken ct) => GetAsync("/api/v1/node", ct);

    /// <summary>Whether the node reaches a port of this machine, by the name or address under which this machine is to be reached.</summary>
    public Task<JsonDocument> ReachAsync(string host, int port, CancellationToken ct) => GetAsync($"/api/v1/node/reach?host={Uri.EscapeDataString(host)}&port={port}", ct);

    /// <summary>Gives a command to a study; <c>cancel</c> also to a job. Returns once it is stored.</summary>
    /// <param name="body">What goes with it, as JSON or YAML; may be empty.</param>
    public async Task CommandAsync(string id, string command, string idempotencyKey, string body, CancellationToken ct)
    {
        string path = $"/api/v1/jobs/{Uri.EscapeDataString(id)}/{command}";
        using var response = await SendAsync(path, address =>
            Post(address, idempotencyKey, body.Length == 0 ? null : new StringContent(body, Encoding.UTF8, "application/yaml")), ct).ConfigureAwait(false);
    }

    /// <summary>Trials of a study that have ended, as they do, until the study has (or <paramref name="follow"/> is false).</summary>
    /// <param name="onStudy">Sees how the study stands, whenever it is asked: after a trial's end, and where none comes after <paramref name="wait"/>.</param>
    /// <param name="wait">Seconds that the server waits for the end of a trial.</param>
    public IAsyncEnumerable<JsonElement> TrialsAsync(string id, bool follow, CancellationToken ct, Action<JsonElement>? onStudy = null,
        int wait = LongPollSeconds) => LinesAsync(id, "rows", ParseTrial, follow, onStudy, ct, wait);

    private static JsonElement ParseTrial(string line)
    {
        using var json = JsonDocument.Parse(line);
        return json.RootElement.Clone();
    }

    /// <summary>The files of a job's run directory.</summary>
    public async Task<IReadOnlyList<RunFile>> FilesAsync(string id, CancellationToken ct)
    {
        using var json = await GetAsync($"/api/v1/jobs/{Uri.EscapeDataString(id)}/files", ct).ConfigureAwait(false);
        return [.. json.RootElement.GetProperty("files").EnumerateArray()
            .Select(f => new RunFile(f.GetProperty("path").GetString()!, f.GetProperty("bytes").GetInt64()))];
    }

    /// <summary>Writes one of them to a stream.</summary>
    /// <returns>Whether it is there.</returns>
    public async Task<bool> FileAsync(string id, string path, Stream to, CancellationToken ct)
    {
        // folder by folder: an escaped slash is none to the server, but part of a name
        string escaped = string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
        string request = $"/api/v1/jobs/{Uri.EscapeDataString(id)}/files/{escaped}";
        using var response = await _requests.SendAsync(_url, Get, request, ct).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.NotFound) return false;
        if (!response.IsSuccessStatusCode) throw await ErrorAsync(response, ct).ConfigureAwait(false);
        await response.Content.CopyToAsync(to, ct).ConfigureAwait(false);
        return true;
    }

    /// <summary>Whether the API answers and says that it is ready; the text is what to show.</summary>
    public async Task<(bool Ready, string Text)> ReadyAsync(CancellationToken ct)
    {
        using var response = await _requests.SendAsync(_url, Get, "/readyz", ct).ConfigureAwait(false);
        string text = (await response.Content.ReadAsStringAsync(ct).ConfigureAwait(false)).Trim();
        return (response.IsSuccessStatusCode, text.Length == 0 ? $"{(int)response.StatusCode} {response.ReasonPhrase}" : text);
    }

    /// <summary>The metric rows of a job from the first on, as they come, until the job has ended (or <paramref name="follow"/> is false).</summary>
    /// <param name="onJob">Sees how the job stands, whenever it is asked.</param>
    public IAsyncEnumerable<MetricRow> RowsAsync(string id, bool follow, CancellationToken ct, Action<JsonElement>? onJob = null) =>
        LinesAsync(id, "rows", RunJson.ParseRow, follow, onJob, ct);

    /// <summary>The log lines of a job; see <see cref="RowsAsync"/>.</summary>
    public IAsyncEnumerable<LogLine> LogsAsync(string id, bool follow, CancellationToken ct) => LinesAsync(id, "logs", RunJson.ParseLogLine, follow, null, ct);

    public void Dispose() => _requests.Dispose();

    /// <summary>Whether a job of this status will tell nothing more.</summary>
    public static bool IsEnd(string? status) => status is "completed" or "failed" or "cancelled" or "interrupted";

    private async IAsyncEnumerable<T> LinesAsync<T>(string id, string what, Func<string, T> parse, bool follow, Action<JsonElement>? onJob,
        [EnumeratorCancellation] CancellationToken ct, int wait = LongPollSeconds)
    {
        long after = 0;
        while (true)
        {
            // the state is asked for before the lines, so that a job that ends in between is asked once more
            string? status;
            using (var job = await JobAsync(id, ct).ConfigureAwait(false))
            {
                status = job.RootElement.GetProperty("status").GetString();
                onJob?.Invoke(job.RootElement);
            }
            bool last = !follow || IsEnd(status);
            string query = $"/api/v1/jobs/{Uri.EscapeDataString(id)}/{what}?after={after}" + (last ? "" : $"&wait={wait}");
            using var response = await SendAsync(query, Get, ct).ConfigureAwait(false);
            string text = await response.Content.ReadAsStringAsync(ct).ConfigureAwait(false);
            long before = after;
            foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                after++;
                yield return parse(line);
            }
            if (last && after == before) yield break;
            if (!follow) yield break;
        }
    }

    private Task<JsonDocument> GetAsync(string path, CancellationToken ct) => SendForJsonAsync(path, Get, ct);

    private static HttpRequestMessage Get(Uri address) => new(HttpMethod.Get, address);

    private static HttpRequestMessage Post(Uri address, string idempotencyKey, HttpContent? content)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = content };
        request.Headers.Add("Idempotency-Key", idempotencyKey);
        return request;
    }

    private async Task<JsonDocument> SendForJsonAsync(string path, Func<Uri, HttpRequestMessage> make, CancellationToken ct)
    {
        using var response = await SendAsync(path, make, ct).ConfigureAwait(false);
        using var stream = await response.Content.ReadAsStreamAsync(ct).ConfigureAwait(false);
        try
        {
            return await JsonDocument.ParseAsync(stream, cancellationToken: ct).ConfigureAwait(false);
        }
        catch (JsonException)
        {
            throw new SpecException("", $"{_url} answered, but not as a DistOpt coordinator does; check the address");
        }
    }

    private async Task<HttpResponseMessage> SendAsync(string path, Func<Uri, HttpRequestMessage> make, CancellationToken ct)
    {
        var response = await _requests.SendAsync(_url, make, path, ct).ConfigureAwait(false);
        if (response.IsSuccessStatusCode) return response;
        using (response) throw await ErrorAsync(response, ct).ConfigureAwait(false);
    }

    private async Task<SpecException> ErrorAsync(HttpResponseMessage response, CancellationToken ct)
    {
        if (response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            return new SpecException(TokenVariable, $"{_url} refuses the token; set {TokenVariable} to the cluster's");
        if (response.Content.Headers.ContentType?.MediaType == "application/problem+json")
        {
            var problem = await response.Content.ReadFromJsonAsync<Problem>(ct).ConfigureAwait(false);
            if (problem?.Violations is { Count: > 0 } violations) return new SpecException(violations.Select(ToViolation));
            if ((problem?.Detail ?? problem?.Title) is { } text) return new SpecException("", text);
        }
        return new SpecException("", $"{_url} answered {(int)response.StatusCode} {response.ReasonPhrase} to {response.RequestMessage?.Method} {response.RequestMessage?.RequestUri?.AbsolutePath}");
    }

    /// <summary>RFC 9457, with the violations of a spec: texts, or objects with path, message and line.</summary>
    private sealed record Problem(string? Title, string? Detail, List<JsonElement>? Violations);

    private static SpecViolation ToViolation(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object) return new SpecViolation("", json.ToString());
        string? Field(string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        int? line = json.TryGetProperty("line", out var number) && number.ValueKind == JsonValueKind.Number ? number.GetInt32() : null;
        return new SpecViolation(Field("path") ?? "", Field("message") ?? json.ToString(), line);
    }
}
