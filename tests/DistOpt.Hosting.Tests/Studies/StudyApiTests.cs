using System.Net;
using System.Text.Json;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Studies;

/// <summary>Studies by the HTTP API of a node.</summary>
public sealed class StudyApiTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-studies-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_trial_is_cancelled_by_a_body_that_comes_in_chunks_and_the_study_goes_on()
    {
        await using var node = await StartAsync();
        string id = await node.SubmitAsync(LinearParts.StudyYaml(trials: 100_000).Replace("parallel: 2", "parallel: 2, sampler: random"));
        while (!(await node.GetAsync($"/api/v1/jobs/{id}")).TryGetProperty("started", out _)) { }
        await AcceptedAsync(node, id, "pause", "");
        JsonElement study = default;
        while (study.ValueKind == JsonValueKind.Undefined || study.GetProperty("live").GetArrayLength() == 0)
        {
            // a trial that has begun, and stays
            await AcceptedAsync(node, id, "resume", "");
            await AcceptedAsync(node, id, "pause", "");
            study = await node.GetAsync($"/api/v1/jobs/{id}");
        }
        int trial = study.GetProperty("live")[0].GetProperty("number").GetInt32();

        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/jobs/{id}/cancel")
        {
            Content = new StreamContent(new MemoryStream(System.Text.Encoding.UTF8.GetBytes($$"""{"trial": {{trial}}}"""))),
        };
        request.Headers.TransferEncodingChunked = true;
        using var response = await node.Http.SendAsync(request, Token);
        string body = await response.Content.ReadAsStringAsync(Token);

        // it may have ended by itself
        Assert.True(response.StatusCode == HttpStatusCode.Accepted || body.Contains($"trial {trial} has ended", StringComparison.Ordinal), body);
        study = await node.GetAsync($"/api/v1/jobs/{id}");
        Assert.Equal("paused", study.GetProperty("status").GetString());
        await AcceptedAsync(node, id, "cancel", "");
    }

    [Fact]
    public async Task A_submitted_study_ends_with_a_directory_that_can_be_fetched()
    {
        await using var node = await StartAsync();

        string id = await node.SubmitAsync(LinearParts.StudyYaml(trials: 3), "key");
        Assert.Equal(id, await node.SubmitAsync(LinearParts.StudyYaml(trials: 3), "key"));
        var study = await node.EndedAsync(id);

        Assert.Equal(("study", "completed"), (study.GetProperty("kind").GetString(), study.GetProperty("status").GetString()));
        var summary = study.GetProperty("summary");
        Assert.Equal(3, summary.GetProperty("trials").GetProperty("complete").GetInt32());
        Assert.Equal(3, study.GetProperty("trials").GetProperty("complete").GetInt32()); // as while it went on
        Assert.True(summary.GetProperty("test").GetProperty("bytes").GetInt64() > 0);
        string[] trials = (await node.Http.GetStringAsync($"/api/v1/jobs/{id}/rows", Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal([0, 1, 2], trials.Select(t => JsonDocument.Parse(t).RootElement.GetProperty("number").GetInt32()).Order());
        Assert.All(trials, t => Assert.Equal(node.Node.Endpoint, JsonDocument.Parse(t).RootElement.GetProperty("node").GetString()));
        var files = (await node.GetAsync($"/api/v1/jobs/{id}/files")).GetProperty("files").EnumerateArray().Select(f => f.GetProperty("path").GetString()!).ToList();
        Assert.Superset(new HashSet<string> { "study.yaml", "best.yaml", "summary.json", "best/model.safetensors", "trials/2/metrics.jsonl" }, files.ToHashSet());
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(study.GetProperty("run").GetString()!, "best.yaml"), Token),
            await node.Http.GetStringAsync($"/api/v1/jobs/{id}/files/best.yaml", Token));
        Assert.Equal("study", (await node.GetAsync("/api/v1/jobs")).GetProperty("jobs")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public async Task A_study_that_has_had_its_trials_gets_more_in_the_same_folder()
    {
        await using var node = await StartAsync();
        string id = await node.SubmitAsync(LinearParts.StudyYaml(trials: 3), "key");
        string folder = (await node.EndedAsync(id)).GetProperty("run").GetString()!;
        string[] before = await File.ReadAllLinesAsync(Path.Combine(folder, "trials.jsonl"), Token);

        Assert.Contains("has ended", await RefusedAsync(node, id, "set", """{"parallel": 3}"""));
        await AcceptedAsync(node, id, "set", """{"trials": 5}""");
        JsonElement ended;
        do ended = await node.EndedAsync(id);
        while (ended.GetProperty("summary").GetProperty("trials").GetProperty("complete").GetInt32() < 5);

        Assert.Equal(folder, ended.GetProperty("run").GetString());
        string[] after = await File.ReadAllLinesAsync(Path.Combine(folder, "trials.jsonl"), Token);
        Assert.Equal(before, after[..3]);
        Assert.Equal([0, 1, 2, 3, 4], after.Select(t => JsonDocument.Parse(t).RootElement.GetProperty("number").GetInt32()).Order());
        Assert.Equal(1, ended.GetProperty("summary").GetProperty("interruptions").GetInt32());
    }

    [Fact]
    public async Task Commands_are_carried_out_or_refused_with_a_reason()
    {
        await using var node = await StartAsync();
        string id = await node.SubmitAsync(LinearParts.StudyYaml(trials: 100_000).Replace("parallel: 2", "parallel: 2, sampler: random"));
        while (!(await node.GetAsync($"/api/v1/jobs/{id}")).TryGetProperty("started", out var started) || started.GetInt32() < 2) { }
        JsonElement[] on = [];
        while (on.Length == 0)
            on = [.. (await node.GetAsync($"/api/v1/jobs/{id}")).GetProperty("live").EnumerateArray().Where(t => t.TryGetProperty("node", out _))];
        Assert.All(on, t => Assert.Equal(node.Node.Endpoint, t.GetProperty("node").GetString()));

        await AcceptedAsync(node, id, "pause", "");
        Assert.Equal("paused", (await node.GetAsync($"/api/v1/jobs/{id}")).GetProperty("status").GetString());
        await AcceptedAsync(node, id, "enqueue", """{"point": {"optimizer.learning_rate": 0.005}}""");
        await AcceptedAsync(node, id, "set", """{"parallel": 3}""");
        await AcceptedAsync(node, id, "set", """{"parallel": 3}""", key: "same");
        await AcceptedAsync(node, id, "set", """{"parallel": 3}""", key: "same");
        var study = await node.GetAsync($"/api/v1/jobs/{id}");
        Assert.Equal((1, 3), (study.GetProperty("enqueued").GetInt32(), study.GetProperty("parallel").GetInt32()));

        Assert.Contains("is no parameter of the space", await RefusedAsync(node, id, "enqueue", """{"point": {"optimizer.learning_rat": 0.005}}"""));
        Assert.Contains("must be a whole number from 1 to 100000", await RefusedAsync(node, id, "set", """{"parallel": 0}"""));
        Assert.Contains("there is no trial 77777", await RefusedAsync(node, id, "cancel", """{"trial": 77777}"""));
        Assert.Contains("was used for another command", await RefusedAsync(node, id, "pause", "", key: "same"));
        Assert.Contains("there is no job", await RefusedAsync(node, "nobody", "pause", "", HttpStatusCode.NotFound));

        string narrow = await RefusedAsync(node, id, "set",
            """{"space": {"optimizer.learning_rate": {"float": [1e-3, 1e-2]}, "batch.size": {"choices": [1, 2]}}}""");
        Assert.Contains("is not logarithmic, unlike before", narrow);
        Assert.Contains("which does not contain all from", narrow);
        Assert.Contains("is added, and for earlier trials is 10, but must be one of 1, 2", narrow);
        await AcceptedAsync(node, id, "set", """{"space": {"optimizer.learning_rate": {"float": [1e-4, 1e-1], "log": true}}}""", key: "wide");
        await AcceptedAsync(node, id, "set", """{"space": {"optimizer.learning_rate": {"float": [1e-4, 1e-1], "log": true}}}""", key: "wide");
        Assert.Equal(1, (await node.GetAsync($"/api/v1/jobs/{id}")).GetProperty("space_version").GetInt32());
        await AcceptedAsync(node, id, "enqueue", """{"point": {"optimizer.learning_rate": 0.05}}""");

        await AcceptedAsync(node, id, "set", """{"attributes": {"owner": "me", "tags": [a, 2]}}""");
        await AcceptedAsync(node, id, "set", """{"attributes": {"odd": true}, "trial": 0}""");
        await AcceptedAsync(node, id, "set", """{"attributes": {"odd": null}, "trial": 0}""");
        Assert.Contains("there is no trial 77777", await RefusedAsync(node, id, "set", """{"attributes": {"odd": true}, "trial": 77777}"""));
        Assert.Contains("is given beside parallel", await RefusedAsync(node, id, "set", """{"attributes": {"odd": true}, "parallel": 2}"""));
        Assert.Contains("must be values by names", await RefusedAsync(node, id, "set", """{"attributes": {}}"""));
        string[] attributes = await FileAsync(node, id, "attributes.jsonl");
        Assert.Equal(["""{"name":"owner","value":"me"}""", """{"name":"tags","value":["a",2]}""", """{"trial":0,"name":"odd","value":true}""",
            """{"trial":0,"name":"odd","value":null}"""], attributes);

        // what is paused is told as far as it has come, in a file that is made when it is asked for
        string[] open = await FileAsync(node, id, "open.jsonl");
        Assert.NotEmpty(open);
        Assert.All(open, t => Assert.Contains(JsonDocument.Parse(t).RootElement.GetProperty("state").GetString(), new[] { "waiting", "running", "paused" }));
        Assert.All(open, t =>
            Assert.Equal(DateTime.UtcNow, JsonDocument.Parse(t).RootElement.GetProperty("started").GetDateTime().ToUniversalTime(), TimeSpan.FromMinutes(5)));
        Assert.Equal(HttpStatusCode.NotFound, (await node.Http.GetAsync($"/api/v1/jobs/{id}/files/trials%2F0%2F..%2F..%2Fstudy.yaml", Token)).StatusCode);

        await AcceptedAsync(node, id, "cancel", "");
        Assert.Equal("cancelled", (await node.EndedAsync(id)).GetProperty("status").GetString());
        Assert.Equal(HttpStatusCode.NotFound, (await node.Http.GetAsync($"/api/v1/jobs/{id}/files/open.jsonl", Token)).StatusCode);
        Assert.Contains("has ended", await RefusedAsync(node, id, "resume", ""));
    }

    [Fact]
    public async Task A_study_is_submitted_with_trials_that_its_sampler_knows_and_once_for_a_key()
    {
        await using var node = await StartAsync();
        string Trial(double rate, string value) => $$$"""{"source":"old","state":"complete","params":{"optimizer.learning_rate":{{{rate.ToString(System.Globalization.CultureInfo.InvariantCulture)}}}},"values":[{{{value}}}]}""" + "\n";
        // more than a spec may have
        string imported = string.Concat(Enumerable.Range(1, 3000).Select(i => Trial(1e-4 + i * 1e-6, "0.5")));
        string yaml = LinearParts.StudyYaml(trials: 2);

        var (status, body) = await SubmitAsync(node, yaml, imported, "key");
        Assert.True(status == HttpStatusCode.Accepted, body.ToString());
        string id = body.GetProperty("id").GetString()!;
        Assert.Equal(id, (await SubmitAsync(node, yaml, imported, "key")).Body.GetProperty("id").GetString());
        var study = await node.EndedAsync(id);

        Assert.Equal(3000, study.GetProperty("summary").GetProperty("imported").GetInt32());
        Assert.Equal(2, study.GetProperty("summary").GetProperty("trials").GetProperty("complete").GetInt32());
        Assert.Contains((await node.GetAsync($"/api/v1/jobs/{id}/files")).GetProperty("files").EnumerateArray(), f => f.GetProperty("path").GetString() == "imported.jsonl");
        // the repeat has left nothing behind
        Assert.Single(Directory.GetDirectories(Path.Combine(_root, "studies")));

        (status, body) = await SubmitAsync(node, yaml, Trial(1e-3, "0.5") + Trial(5, "0.5"), null);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, status);
        Assert.Equal(("imported", 2), (body.GetProperty("violations")[0].GetProperty("path").GetString(), body.GetProperty("violations")[0].GetProperty("line").GetInt32()));
        foreach (string wrong in (string[])["\"nan\"", "1, 2"])
            Assert.Equal(HttpStatusCode.UnprocessableEntity, (await SubmitAsync(node, yaml, Trial(1e-3, wrong), null)).Status);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await SubmitAsync(node, LinearParts.Yaml(), Trial(1e-3, "0.5"), null)).Status);
        (status, body) = await SubmitAsync(node, yaml + "\n#" + new string('x', 1 << 20), Trial(1e-3, "0.5"), null);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, status);
        Assert.Contains("bytes, which is the most that the cluster takes", body.ToString());
        Assert.Single(Directory.GetDirectories(Path.Combine(_root, "studies")));
    }

    [Fact]
    public async Task A_study_gets_more_or_fewer_trials_while_it_runs()
    {
        await using var node = await StartAsync();
        string id = await node.SubmitAsync(LinearParts.StudyYaml(trials: 100_000));
        while (!(await node.GetAsync($"/api/v1/jobs/{id}")).TryGetProperty("started", out var started) || started.GetInt32() < 2) { }
        await AcceptedAsync(node, id, "pause", "");
        Assert.Contains("have begun", await RefusedAsync(node, id, "set", """{"trials": 1}"""));
        Assert.Contains("is given beside parallel", await RefusedAsync(node, id, "set", """{"trials": 9, "parallel": 1}"""));
        int trials = (await node.GetAsync($"/api/v1/jobs/{id}")).GetProperty("started").GetInt32() + 3;
        await AcceptedAsync(node, id, "set", $$"""{"trials": {{trials}}}""");
        Assert.Equal(trials, (await node.GetAsync($"/api/v1/jobs/{id}")).GetProperty("trials_max").GetInt32());
        await AcceptedAsync(node, id, "resume", "");

        var summary = (await node.EndedAsync(id)).GetProperty("summary");
        Assert.Equal(("trials", trials), (summary.GetProperty("stop_reason").GetString(), summary.GetProperty("trials").GetProperty("complete").GetInt32()));
    }

    [Fact]
    public async Task A_job_takes_no_commands_of_studies()
    {
        await using var node = await StartAsync();
        string id = await node.SubmitAsync(LinearParts.Yaml(workers: 1000, shards: 1000));

        Assert.Contains("is a job, and 'pause' is for studies", await RefusedAsync(node, id, "pause", ""));
    }

    [Fact]
    public async Task A_study_spec_that_is_wrong_is_refused_with_all_that_is_wrong()
    {
        await using var node = await StartAsync();

        var (status, body) = await node.PostAsync("/api/v1/jobs", null, LinearParts.StudyYaml(trials: 3).Replace("trials: 3", "trials: 0, parallel: 0").Replace(", parallel: 2", ""));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, status);
        Assert.Equal(["study.trials", "study.parallel"], body.GetProperty("violations").EnumerateArray().Select(v => v.GetProperty("path").GetString()));
    }

    [Fact]
    public async Task A_study_goes_on_when_the_coordinator_is_cut_off_and_comes_back()
    {
        string id;
        await using (var first = await StartAsync("sqlite"))
        {
            id = await first.SubmitAsync(LinearParts.StudyYaml(trials: 30));
            while ((await first.Http.GetStringAsync($"/api/v1/jobs/{id}/rows?after=0&wait=5", Token)).Count(c => c == '\n') < 3) { }
            await first.CutAsync();
        }

        await using var second = await StartAsync("sqlite");
        var study = await second.EndedAsync(id);

        var summary = study.GetProperty("summary");
        Assert.Equal((30, 1), (summary.GetProperty("trials").GetProperty("complete").GetInt32(), summary.GetProperty("interruptions").GetInt32()));
        string[] trials = (await second.Http.GetStringAsync($"/api/v1/jobs/{id}/rows", Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(Enumerable.Range(0, 30), trials.Select(t => JsonDocument.Parse(t).RootElement.GetProperty("number").GetInt32()).Order());
    }

    [Fact]
    public async Task A_study_that_could_not_be_opened_once_is_shown_with_its_reason_and_goes_on_when_it_is_resumed()
    {
        string id, folder;
        await using (var first = await StartAsync("sqlite"))
        {
            id = await first.SubmitAsync(LinearParts.StudyYaml(trials: 100_000).Replace("parallel: 2", "parallel: 2, sampler: random"));
            while ((await first.Http.GetStringAsync($"/api/v1/jobs/{id}/rows?after=0&wait=5", Token)).Count(c => c == '\n') < 3) { }
            folder = (await first.GetAsync($"/api/v1/jobs/{id}")).GetProperty("run").GetString()!;
            await first.CutAsync();
        }
        var other = new StudyDirectory(folder).Lock();
        await using var second = await StartAsync("sqlite");

        var failed = await second.EndedAsync(id);
        Assert.Equal(("failed", folder), (failed.GetProperty("status").GetString(), failed.GetProperty("run").GetString()));
        Assert.Contains("is being run by another process", failed.GetProperty("summary").GetProperty("error").GetString());
        Assert.True((await second.Http.GetStringAsync($"/api/v1/jobs/{id}/rows", Token)).Count(c => c == '\n') >= 3);
        Assert.Contains("'resume' goes on with it", await RefusedAsync(second, id, "pause", ""));
        Assert.Contains("is being run by another process", await RefusedAsync(second, id, "resume", ""));
        // it has failed once more
        await second.EndedAsync(id);
        other.Dispose();
        await AcceptedAsync(second, id, "resume", "");
        await AcceptedAsync(second, id, "cancel", "");

        Assert.Equal("cancelled", (await second.EndedAsync(id)).GetProperty("status").GetString());
        string[] rows = (await second.Http.GetStringAsync($"/api/v1/jobs/{id}/rows", Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int[] numbers = [.. rows.Select(t => JsonDocument.Parse(t).RootElement.GetProperty("number").GetInt32())];
        Assert.Equal(numbers.Length, numbers.Distinct().Count());
    }

    private async Task<ApiNode> StartAsync(string? journal = null) => await (await ApiNode.StartAsync(_root, journal, NullLoggerFactory.Instance)).HoldsAsync();

    private static async Task<(HttpStatusCode Status, JsonElement Body)> SubmitAsync(ApiNode node, string spec, string imported, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = new StringContent(JsonSerializer.Serialize(new { spec, imported }), System.Text.Encoding.UTF8, "application/json"),
        };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        using var response = await node.Http.SendAsync(request, Token);
        return (response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token)).RootElement);
    }

    private static async Task AcceptedAsync(ApiNode node, string id, string command, string body, string? key = null)
    {
        var (status, answer) = await node.PostAsync($"/api/v1/jobs/{id}/{command}", key, body);
        Assert.True(status == HttpStatusCode.Accepted, $"{command}: {status} {answer}");
    }

    /// <summary>The lines of a file that the list names.</summary>
    private static async Task<string[]> FileAsync(ApiNode node, string id, string path)
    {
        var files = (await node.GetAsync($"/api/v1/jobs/{id}/files")).GetProperty("files").EnumerateArray().ToList();
        string text = await node.Http.GetStringAsync($"/api/v1/jobs/{id}/files/{path}", Token);
        Assert.Contains(files, f => f.GetProperty("path").GetString() == path && f.GetProperty("bytes").GetInt64() == text.Length);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static async Task<string> RefusedAsync(ApiNode node, string id, string command, string body,
        HttpStatusCode expected = HttpStatusCode.UnprocessableEntity, string? key = null)
    {
        var (status, answer) = await node.PostAsync($"/api/v1/jobs/{id}/{command}", key, body);
        Assert.Equal(expected, status);
        return answer.ToString();
    }
}
