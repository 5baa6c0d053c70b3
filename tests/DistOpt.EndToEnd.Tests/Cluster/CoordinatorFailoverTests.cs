using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>A coordinator process that is killed and started again, with the ports and the data root that it had.</summary>
public sealed class CoordinatorFailoverTests : IAsyncLifetime
{
    private const string Token = "the-token-of-the-tests";

    /// <summary>It waits: there are not so many slots.</summary>
    private const string Large = "training: { workers: 50 }\n";

    private readonly TestFolder _folder = new();
    private readonly int[] _ports = KillableCluster.FreePorts(3);
    private readonly List<ProgramProcess> _processes = [];

    private string Url => $"http://127.0.0.1:{_ports[2]}";

    public ValueTask InitializeAsync()
    {
        _folder.Environment["DISTOPT_CLUSTER"] = Url;
        _folder.Environment["DISTOPT_TOKEN"] = Token;
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Killed_in_the_middle_of_submissions_it_has_lost_none_that_it_accepted_and_its_workers_stay()
    {
        var coordinator = await CoordinatorAsync();
        var worker = await NodeAsync("worker", "--roles", "worker,server", "--join", $"127.0.0.1:{_ports[0]}",
            "--port", "0", "--tensor-port", "0", "--api-port", "0", "--worker-slots", "2");
        string done = (await _folder.RunAsync("submit", _folder.Write("small.yaml", "training: { epochs: 1, workers: 2 }\n"), "--watch", "--key", "small")).Out.Split('\n')[0];

        // four clients; the kill comes when eight jobs are accepted, with others under way
        var accepted = new ConcurrentDictionary<string, string>();
        var sent = new ConcurrentBag<string>();
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var clients = Enumerable.Range(0, 4).Select(c => SubmitUntilItDiesAsync(c, sent, accepted, () =>
        {
            if (accepted.Count == 8) enough.TrySetResult();
        })).ToList();
        await enough.Task.WaitAsync(ProgramProcess.Patience, TestContext.Current.CancellationToken);
        coordinator.KillHard();
        await Task.WhenAll(clients);
        await coordinator.WaitForExitAsync();
        await CoordinatorAsync();

        // the command line waits for it, however long it takes to be let in again
        await _folder.JsonAsync("nodes");
        var jobs = await JobsAsync();
        Assert.All(accepted.Values, id => Assert.True(jobs.ContainsKey(id), $"{id} was accepted and is lost"));
        Assert.Equal("completed", jobs[done]);
        // every key again: those that were accepted give the same job, and no key gives two
        using (var http = Client())
        {
            foreach (string key in sent)
            {
                string id = await SubmitAsync(http, key);
                if (accepted.TryGetValue(key, out string? before)) Assert.Equal(before, id);
            }
        }
        jobs = await JobsAsync();
        Assert.Equal(sent.Count + 1, jobs.Count);
        // the files of a job that ended before, and the worker that was there before
        Assert.Contains("validation", (await _folder.RunAsync("watch", done)).Out);
        Assert.Equal(done, (await _folder.RunAsync("submit", _folder.In("small.yaml"), "--key", "small")).Out.Trim());
        var limit = Stopwatch.StartNew();
        while ((await _folder.JsonAsync("nodes")).GetProperty("nodes").GetArrayLength() < 2)
        {
            Assert.False(worker.HasExited, worker.Describe());
            Assert.True(limit.Elapsed < ProgramProcess.Patience, $"the worker did not come back\n{worker.Describe()}");
        }
        foreach (string id in jobs.Keys.Where(id => id != done)) await CancelAsync(id);
        string after = (await _folder.RunAsync("submit", _folder.In("small.yaml"), "--watch")).Out.Split('\n')[0];
        Assert.Equal("completed", (await _folder.JsonAsync("show", after)).GetProperty("status").GetString());
    }

    private async Task SubmitUntilItDiesAsync(int client, ConcurrentBag<string> sent, ConcurrentDictionary<string, string> accepted, Action news)
    {
        using var http = Client();
        for (int i = 0; ; i++)
        {
            string key = $"client {client} job {i}";
            sent.Add(key);
            try
            {
                accepted[key] = await SubmitAsync(http, key);
                news();
            }
            catch (HttpRequestException)
            {
                return; // killed: whether this one was stored will be seen
            }
        }
    }

    private static async Task<string> SubmitAsync(HttpClient http, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new StringContent(Large, Encoding.UTF8, "application/yaml") };
        request.Headers.Add("Idempotency-Key", key);
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, text);
        return JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!;
    }

    private async Task<Dictionary<string, string>> JobsAsync()
    {
        using var http = Client();
        var list = JsonDocument.Parse(await http.GetStringAsync("/api/v1/jobs", TestContext.Current.CancellationToken)).RootElement.GetProperty("jobs");
        return list.EnumerateArray().ToDictionary(j => j.GetProperty("id").GetString()!, j => j.GetProperty("status").GetString()!);
    }

    private async Task CancelAsync(string id)
    {
        using var http = Client();
        using var answer = await http.PostAsync($"/api/v1/jobs/{id}/cancel", null, TestContext.Current.CancellationToken);
        Assert.True(answer.IsSuccessStatusCode, $"{id}: {answer.StatusCode}");
    }

    private HttpClient Client()
    {
        var http = new HttpClient { BaseAddress = new Uri(Url) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        return http;
    }

    private Task<ProgramProcess> CoordinatorAsync() => NodeAsync("coordinator", "--roles", "coordinator", "--port", $"{_ports[0]}",
        "--tensor-port", $"{_ports[1]}", "--api-port", $"{_ports[2]}");

    private async Task<ProgramProcess> NodeAsync(string name, params string[] args)
    {
        string folder = Directory.CreateDirectory(_folder.In(name)).FullName;
        var environment = new Dictionary<string, string> { ["DISTOPT_TOKEN"] = Token, ["DISTOPT_SECRET"] = "the secret of the tests" };
        var node = ProgramProcess.Start(ProgramProcess.Fixture, folder, environment, ["node", .. args, "--data-root", folder]);
        _processes.Add(node);
        await node.LineAsync(l => l.StartsWith("node ", StringComparison.Ordinal), "announcement of the node");
        return node;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in Enumerable.Reverse(_processes)) await process.DisposeAsync();
        _folder.Dispose();
    }
}
