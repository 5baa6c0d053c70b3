using System.Text;
using System.Text.Json;
using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Training;
using DistOpt.Core.Jobs;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Cluster;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace DistOpt.Hosting.Api;

/// <summary>
/// The routes of jobs and nodes. Only the node that holds the job coordinator answers: others send the client there (307), and while there is
/// none, say so (503 with <c>Retry-After</c>).
/// </summary>
internal static class JobRoutes
{
    private const string KeyHeader = "Idempotency-Key";

    /// <summary>Longest idempotency key, in characters.</summary>
    private const int KeyMax = 200;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    public static void Map(RouteGroupBuilder group, ClusterNode node, ClusterJobs jobs)
    {
        group.AddEndpointFilter(async (context, next) =>
        {
            if (!node.CoordinatorPlace.IsHere) return Away(context.HttpContext, node.CoordinatorPlace);
            try
            {
                return await next(context).ConfigureAwait(false);
            }
            catch (Exception e) when (e is CoordinatorGoneException or AskTimeoutException)
            {
                return Away(context.HttpContext, node.CoordinatorPlace);
            }
        });
        group.MapPost("/jobs", (Delegate)((HttpContext context) => SubmitAsync(context, jobs)));
        group.MapGet("/jobs", async () => Json(await jobs.ListAsync().ConfigureAwait(false), WriteJobs));
        group.MapGet("/jobs/{id}", async (string id) =>
        {
            var job = await jobs.FindAsync(id).ConfigureAwait(false);
            if (job.Status is null) return NotFound(id);
            if (NeverBegan(job)) return Invalid(job.BadInput);
            if (job.Status is not { Kind: JobKind.Study, SummaryJson: null }) return Json(job, WriteJob);
            var study = await jobs.StudyAsync(id).ConfigureAwait(false);
            return Json((job, study), WriteStudy);
        });
        group.MapGet("/jobs/{id}/rows", (string id, long? after, double? wait, CancellationToken ct) =>
            LinesAsync(jobs, id, JobLines.Rows, after ?? 0, wait ?? 0, ct));
        group.MapGet("/jobs/{id}/logs", (string id, long? after, double? wait, CancellationToken ct) =>
            LinesAsync(jobs, id, JobLines.Logs, after ?? 0, wait ?? 0, ct));
        group.MapGet("/jobs/{id}/files", async (string id) =>
        {
            var job = await jobs.FindAsync(id).ConfigureAwait(false);
            if (job.Status is null) return NotFound(id);
            if (job.Directory is not { } run) return NoRun(id);
            // of a live study first of all: a trial that ends meanwhile is in the other file
            string? open = await OpenTrialsAsync(jobs, job).ConfigureAwait(false);
            IReadOnlyList<RunFile> files = open is null ? [] : [new RunFile(StudyDirectory.OpenName, Encoding.UTF8.GetByteCount(open))];
            return Json<IReadOnlyList<RunFile>>([.. files, .. FilesOf(job, run)], WriteFiles);
        });
        group.MapGet("/jobs/{id}/files/{**path}", async (string id, string path) =>
        {
            var job = await jobs.FindAsync(id).ConfigureAwait(false);
            if (job.Status is null) return NotFound(id);
            if (job.Directory is not { } run) return NoRun(id);
            if (path == StudyDirectory.OpenName && await OpenTrialsAsync(jobs, job).ConfigureAwait(false) is { } open) return Results.Text(open, "application/jsonl");
            // only what the list names: no path leads anywhere else
            return RunFileList.Has(run, path, job.Status.Kind == JobKind.Study) ? Results.File(System.IO.Path.Combine(run, path), "application/octet-stream")
                : Results.Problem($"job '{id}' has no file '{path}'", statusCode: StatusCodes.Status404NotFound);
        });
        StudyRoutes.Map(group, jobs);
        group.MapPost("/jobs/{id}/cancel", async (HttpContext context, string id) =>
        {
            string body = await StudyRoutes.BodyAsync(context).ConfigureAwait(false);
            // of a trial
            if (!string.IsNullOrWhiteSpace(body)) return await StudyRoutes.CommandAsync(context, jobs, id, "cancel", body).ConfigureAwait(false);
            if (KeyOf(context, out string? key) is { } wrong) return wrong;
            var answer = await jobs.CancelAsync(id, key).ConfigureAwait(false);
            return !answer.Known ? NotFound(id) : answer.KeyReused is { } why ? Refused(why) : Results.Accepted();
        });
        group.MapPost("/nodes/{name}/drain", async (string name, string? incarnation) =>
        {
            var answer = await jobs.DrainAsync(name, incarnation).ConfigureAwait(false);
            return answer.Known ? Results.Accepted() : Results.Problem($"there is no node '{name}'", statusCode: StatusCodes.Status404NotFound);
        });
        group.MapGet("/nodes", async () => Json(await jobs.NodesAsync().ConfigureAwait(false), WriteNodes));
    }

    private static async Task<IResult> SubmitAsync(HttpContext context, ClusterJobs jobs)
    {
        if (KeyOf(context, out string? key) is { } wrong) return wrong;
        try
        {
            var (yaml, imported) = await ReadSubmissionAsync(context).ConfigureAwait(false);
            return await jobs.SubmitAsync(yaml, key, imported).ConfigureAwait(false) switch
            {
                JobAccepted accepted => Results.Json(new { id = accepted.Job.Value, name = accepted.Name }, statusCode: StatusCodes.Status202Accepted),
                JobRejected { KeyReused: true } rejected => Refused(rejected.Reason),
                JobRejected rejected => Results.Problem(rejected.Reason, statusCode: StatusCodes.Status429TooManyRequests),
                var other => throw new InvalidOperationException($"{other.GetType()} is no answer to a submission"),
            };
        }
        catch (SpecException e)
        {
            return Invalid(e.Violations);
        }
    }

    /// <summary>A spec as it is, or as JSON <c>{"spec": text, "imported": text}</c> with trials for the sampler of a study.</summary>
    private static async Task<(string Yaml, string? Imported)> ReadSubmissionAsync(HttpContext context)
    {
        var limit = context.Features.Get<IHttpMaxRequestBodySizeFeature>();
        long? specMost = limit?.MaxRequestBodySize;
        bool isJson = context.Request.HasJsonContentType();
        if (isJson && limit is { IsReadOnly: false }) limit.MaxRequestBodySize = ApiServer.ImportBytesMax;
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        string text = await reader.ReadToEndAsync(context.RequestAborted).ConfigureAwait(false);
        if (!isJson) return (text, null);
        try
        {
            using var json = JsonDocument.Parse(text);
            string spec = json.RootElement.GetProperty("spec").GetString() ?? throw new SpecException("spec", "is missing");
            if (Encoding.UTF8.GetByteCount(spec) > specMost) throw new SpecException("spec", $"has more than {specMost} bytes, which is the most that the cluster takes");
            return (spec, json.RootElement.TryGetProperty("imported", out var imported) ? imported.GetString() : null);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new SpecException("", "must be a spec as YAML, or a JSON object with its text as spec");
        }
    }

    internal static IResult? KeyOf(HttpContext context, out string? key)
    {
        key = context.Request.Headers.TryGetValue(KeyHeader, out var value) ? value.ToString() : null;
        return key is null || key.Length is > 0 and <= KeyMax ? null
            : Results.Problem($"{KeyHeader} has {key.Length} characters, but must have 1 to {KeyMax}", statusCode: StatusCodes.Status400BadRequest);
    }

    private static IResult Away(HttpContext context, CoordinatorPlace place)
    {
        if (place.ApiUrl is { } url)
            return Results.Redirect(url + context.Request.Path + context.Request.QueryString, permanent: false, preserveMethod: true);
        context.Response.Headers.RetryAfter = "1";
        return Results.Problem("the job coordinator is not there at the moment; try again", statusCode: StatusCodes.Status503ServiceUnavailable);
    }

    private static async Task<IResult> LinesAsync(ClusterJobs jobs, string id, JobLines what, long after, double wait, CancellationToken ct)
    {
        var limit = TimeSpan.FromSeconds(Math.Clamp(wait, 0, LongestWait.TotalSeconds));
        var (job, lines) = await jobs.LinesAsync(id, what, after, limit, ct).ConfigureAwait(false);
        if (job.Status is null) return NotFound(id);
        return NeverBegan(job) ? Invalid(job.BadInput) : Results.Text(string.Concat(lines.Select(line => line + "\n")), "application/jsonl");
    }

    /// <summary>A study that could not be opened may have run for days before that, and says why itself.</summary>
    private static bool NeverBegan(JobFound job) => job.BadInput.Count > 0 && job.Status!.Kind != JobKind.Study;

    private static IResult NoRun(string id) =>
        Results.Problem($"job '{id}' has no run directory on the cluster: its results went to whoever ran it", statusCode: StatusCodes.Status404NotFound);

    private static void WriteFiles(Utf8JsonWriter json, IReadOnlyList<RunFile> files)
    {
        json.WriteStartObject();
        json.WriteStartArray("files");
        foreach (var file in files)
        {
            json.WriteStartObject();
            json.WriteString("path", file.Path);
            json.WriteNumber("bytes", file.Bytes);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteJobs(Utf8JsonWriter json, IReadOnlyList<JobStatus> list)
    {
        json.WriteStartObject();
        json.WriteStartArray("jobs");
        foreach (var status in list) WriteJob(json, new JobFound(status, null, []), withSummary: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>No file: what the study would say of its trials that have not ended, if it were asked.</summary>
    private static Task<string?> OpenTrialsAsync(ClusterJobs jobs, JobFound job) => job.Status is { Kind: JobKind.Study, SummaryJson: null } status
        ? jobs.OpenTrialsAsync(status.Job.Value) : Task.FromResult<string?>(null);

    private static IReadOnlyList<RunFile> FilesOf(JobFound job, string directory) =>
        job.Status!.Kind == JobKind.Study ? RunFileList.OfStudy(directory) : RunFileList.Of(directory);

    private static void WriteJob(Utf8JsonWriter json, JobFound job) => WriteJob(json, job, withSummary: true);

    private static void WriteStudy(Utf8JsonWriter json, (JobFound Job, StudyFound Study) found)
    {
        json.WriteStartObject();
        var status = found.Job.Status!;
        json.WriteString("id", status.Job.Value);
        json.WriteString("name", status.Name);
        json.WriteString("kind", RunJson.Name(status.Kind));
        json.WriteString("status", found.Study.Status is { } stands ? StudyStatusJson.State(stands) : "opening");
        if (found.Job.Directory is { } run) json.WriteString("run", run);
        StudyRoutes.Write(json, found.Study);
        json.WriteEndObject();
    }

    private static void WriteJob(Utf8JsonWriter json, JobFound job, bool withSummary)
    {
        var status = job.Status!;
        json.WriteStartObject();
        json.WriteString("id", status.Job.Value);
        json.WriteString("name", status.Name);
        json.WriteString("kind", RunJson.Name(status.Kind));
        json.WriteString("status", status.State);
        if (status.Kind != JobKind.Study)
        {
            json.WriteNumber("step", status.Step);
            json.WriteNumber("total_steps", status.TotalSteps);
        }
        if (status.Loss is { } loss && double.IsFinite(loss)) json.WriteNumber("loss", loss);
        if (status.Waiting is { } waiting) json.WriteString("waiting_for", waiting);
        if (status.Kind != JobKind.Study)
        {
            json.WriteStartArray("nodes");
            foreach (string node in status.Nodes) json.WriteStringValue(node);
            json.WriteEndArray();
        }
        if (status is { SummaryJson: null, Kind: not JobKind.Study }) WriteLive(json, status);
        if (job.Directory is { } run) json.WriteString("run", run);
        // one that has ended has them in its summary
        if (withSummary && status.SummaryJson is null) FailureJson.Write(json, status.Failures);
        if (withSummary && status.SummaryJson is { } summary)
        {
            if (status.Kind == JobKind.Study) WriteEnded(json, summary);
            json.WritePropertyName("summary");
            json.WriteRawValue(summary);
        }
        json.WriteEndObject();
    }

    /// <summary>A study that has ended tells what it told while it went on by the same names, so that who asks need not know whether it has.</summary>
    private static void WriteEnded(Utf8JsonWriter json, string summary)
    {
        using var document = JsonDocument.Parse(summary);
        foreach (string name in (string[])["objectives", "trials", "best", "front", "hypervolume", "reference", "started", "seconds", "interruptions", "stop_reason"])
        {
            if (!document.RootElement.TryGetProperty(name, out var value)) continue;
            json.WritePropertyName(name);
            value.WriteTo(json);
        }
    }

    /// <summary>What only a job that has not ended tells.</summary>
    private static void WriteLive(Utf8JsonWriter json, JobStatus status)
    {
        json.WriteNumber("workers", status.Workers);
        json.WriteStartArray("servers");
        foreach (var server in status.Servers)
        {
            json.WriteStartObject();
            json.WriteNumber("index", server.Index);
            json.WriteString("node", server.Node);
            if (server.Backup is { } backup) json.WriteString("backup", backup);
            json.WriteBoolean("protected", server.IsProtected);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (status.Limit is { } limit) json.WriteString("limit", limit);
        if (status.Unprotected is { } unprotected) json.WriteString("unprotected", unprotected);
        if (status.Checkpoint is { } checkpoint) json.WriteNumber("checkpoint_step", checkpoint);
        json.WriteNumber("worker_failures", status.WorkerFailures);
        json.WriteNumber("server_failures", status.ServerFailures);
        json.WriteNumber("rollbacks", status.Rollbacks);
    }

    private static void WriteNodes(Utf8JsonWriter json, IReadOnlyList<NodeStatus> nodes)
    {
        json.WriteStartObject();
        json.WriteStartArray("nodes");
        foreach (var node in nodes)
        {
            json.WriteStartObject();
            json.WriteString("name", node.Name);
            json.WriteStartArray("roles");
            foreach (string role in node.Roles) json.WriteStringValue(role);
            json.WriteEndArray();
            json.WriteNumber("worker_slots", node.WorkerSlots);
            json.WriteNumber("workers_running", node.WorkersRunning);
            if (node.MemoryBytes is { } memory)
            {
                json.WriteNumber("memory_bytes", memory);
                json.WriteNumber("memory_taken", node.MemoryTaken);
            }
            if (node.Gpus is { } gpus)
            {
                json.WriteNumber("gpus", gpus);
                json.WriteNumber("gpus_taken", node.GpusTaken);
            }
            if (node.TrialProcesses > 0) json.WriteNumber("trial_processes", node.TrialProcesses);
            json.WriteString("protocol", node.Version);
            // tells a node from the one that is started in its place
            json.WriteString("incarnation", node.Node.Value);
            if (node.Leaving) json.WriteBoolean("leaving", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    internal static IResult NotFound(string id) => Results.Problem($"there is no job '{id}'", statusCode: StatusCodes.Status404NotFound);

    internal static IResult Refused(string why) => Results.Problem(why, statusCode: StatusCodes.Status422UnprocessableEntity);

    internal static IResult Invalid(IEnumerable<SpecViolation> violations) => Results.Problem("the job cannot run as its spec says",
        statusCode: StatusCodes.Status422UnprocessableEntity,
        extensions: new Dictionary<string, object?>
        {
            ["violations"] = violations.Select(v => new Dictionary<string, object?> { ["path"] = v.Path, ["message"] = v.Message, ["line"] = v.Line }).ToList(),
        });

    private static IResult Json<T>(T value, Action<Utf8JsonWriter, T> write) => ApiServer.Json(json => write(json, value));
}
