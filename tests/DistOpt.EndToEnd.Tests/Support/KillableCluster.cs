using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace DistOpt.EndToEnd.Tests.Support;

internal enum NodeKind
{
    Worker,
    Server,
    Coordinator,
}

/// <summary>A process of the cluster under test.</summary>
/// <param name="Number">Counts the processes that were started.</param>
internal sealed record ClusterProcess(NodeKind Kind, int Number, ProgramProcess Process)
{
    /// <summary>Its name in the cluster, once it has told it.</summary>
    public string? Name => KillableCluster.NameOf(Process.Out);
}

/// <summary>
/// A coordinator, servers and workers as processes that a supervisor (the test) starts anew whenever they have ended, as systemd would: the
/// coordinator with its ports and its folder, the others as new nodes.
/// </summary>
internal sealed partial class KillableCluster : IAsyncDisposable
{
    private const string Token = "the-token-of-the-tests";
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>Below the ports that the system gives to whoever asks for any: a process that comes back must find its own free.</summary>
    private const int FirstPort = 20_000;

    private const int Ports = 12_000;

    private static int _nextPort = Environment.ProcessId * 10;

    private readonly int[] _ports = FreePorts(3);
    private readonly List<ClusterProcess> _processes = [];
    private readonly HttpClient _http;
    private readonly bool _isSupervised;
    private readonly string _workerRoles;
    private readonly int _slots;
    private readonly long? _trialMemory;
    private int _started;

    /// <param name="program">What the nodes run; null = the tool.</param>
    /// <param name="isSupervised">Whether nodes that end by themselves, thrown out or never let in, are started anew too.</param>
    /// <param name="workersServe">Whether workers hold servers too.</param>
    /// <param name="slots">Of a worker.</param>
    /// <param name="trialMemory">Bytes that the child process of a trial may take; null = a node's own limit.</param>
    public KillableCluster(int workers, int servers, string? program = null, bool isSupervised = false, bool workersServe = false, int slots = 1,
        long? trialMemory = null)
    {
        (_isSupervised, _workerRoles, _slots, _trialMemory) = (isSupervised, workersServe ? "worker,server" : "worker", slots, trialMemory);
        if (program is not null) Program = program;
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_ports[2]}"), Timeout = TimeSpan.FromSeconds(5) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        Start(NodeKind.Coordinator);
        for (int i = 0; i < servers; i++) Start(NodeKind.Server);
        for (int i = 0; i < workers; i++) Start(NodeKind.Worker);
    }

    public TestFolder Folder { get; } = new();

    /// <summary>What is started from now on.</summary>
    public string Program { get; set; } = ProgramProcess.Cli;

    public IReadOnlyList<ClusterProcess> Processes => _processes;

    /// <summary>What a command line needs to talk to it.</summary>
    public IReadOnlyDictionary<string, string> ClientEnvironment => new Dictionary<string, string>
    {
        ["DISTOPT_CLUSTER"] = $"{_http.BaseAddress}",
        ["DISTOPT_TOKEN"] = Token,
    };

    /// <summary>
    /// The processes of a kind with unfinished work, oldest first: workers with part in the job, the servers of its weights, the coordinator.
    /// </summary>
    public IEnumerable<ClusterProcess> HoldersOf(JsonElement job, NodeKind kind)
    {
        var nodes = (kind == NodeKind.Server ? job.GetProperty("servers").EnumerateArray().Select(s => s.GetProperty("node"))
            : job.GetProperty("nodes").EnumerateArray()).Select(n => n.GetString()).ToHashSet();
        return _processes.Where(p => p.Kind == kind && (kind == NodeKind.Coordinator || nodes.Contains(p.Name))).OrderBy(p => p.Number);
    }

    /// <summary>Kills the process, and starts another in its place as soon as it has ended: its ports are free no sooner.</summary>
    public async Task KillAsync(ClusterProcess victim)
    {
        victim.Process.KillHard();
        await victim.Process.EndAsync();
        Replace(victim);
    }

    /// <summary>Whether the job is at this moment as wanted; null while the coordinator does not answer.</summary>
    public async Task<bool?> IsAsync(string id, Func<JsonElement, bool> isAsWanted)
    {
        try
        {
            return isAsWanted(JsonDocument.Parse(await _http.GetStringAsync($"/api/v1/jobs/{id}", TestContext.Current.CancellationToken)).RootElement);
        }
        catch (HttpRequestException)
        {
            return null; // gone
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            return null; // or busy for longer than the client's limit
        }
    }

    /// <summary>Starts another in the place of one that has ended or is about to.</summary>
    /// <param name="keepsFolder">Whether it has the folder of the one before; a coordinator always has.</param>
    public void Replace(ClusterProcess ended, bool keepsFolder = false)
    {
        _processes.Remove(ended);
        _gone.Add(ended);
        Start(ended.Kind, keepsFolder ? ended.Number : null);
    }

    /// <summary>Asks the process to leave as a service manager does, waits for its end, and starts another in its place.</summary>
    public async Task<ClusterProcess> RestartAsync(ClusterProcess old)
    {
        old.Process.Terminate();
        Assert.True(await old.Process.WaitForExitAsync() == 0, old.Process.Describe());
        Replace(old);
        return _processes[^1];
    }

    /// <summary>Starts a node that wants to join, beside those who are there.</summary>
    public ClusterProcess Add(NodeKind kind)
    {
        Start(kind);
        return _processes[^1];
    }

    private readonly List<ClusterProcess> _gone = [];

    /// <summary>What the coordinator says of its nodes, once it is as wanted.</summary>
    public async Task<JsonElement> NodesAsync(Func<JsonElement, bool> isAsWanted, string what) =>
        (await UntilAsync("/api/v1/nodes", json => isAsWanted(json.GetProperty("nodes")), what)).GetProperty("nodes");

    /// <summary>Waits until so many nodes are there.</summary>
    public Task JoinedAsync(int nodes) => UntilAsync("/api/v1/nodes", json => json.GetProperty("nodes").GetArrayLength() >= nodes, $"{nodes} nodes");

    /// <summary>A study once it has ended by itself and completed; it may take as long as it likes while its trials move.</summary>
    public async Task<JsonElement> StudyEndAsync(string id)
    {
        string last = "";
        while (true)
        {
            string before = last;
            var study = await JobAsync(id, s => Stands(s) != before, $"end of the study or anything new after {before}");
            if (study.TryGetProperty("summary", out _))
            {
                Assert.True(study.GetProperty("status").GetString() == "completed", $"{study}\n{Describe()}");
                return study;
            }
            last = Stands(study);
        }

        static string Stands(JsonElement study) => study.TryGetProperty("trials", out var trials) ? $"{trials} {study.GetProperty("live")}" : "nothing yet";
    }

    public async Task<string> SubmitAsync(string spec, string key = "the job")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new StringContent(spec, Encoding.UTF8, "application/yaml") };
        request.Headers.Add("Idempotency-Key", key);
        using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, text);
        return JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!;
    }

    /// <summary>The job's status once it is as wanted, or once the job has ended.</summary>
    public Task<JsonElement> JobAsync(string id, Func<JsonElement, bool> isAsWanted, string what) =>
        UntilAsync($"/api/v1/jobs/{id}", job => job.TryGetProperty("summary", out _) || isAsWanted(job), what);

    /// <summary>The job's status once it has ended by itself and completed; it may take as long as it likes while it moves.</summary>
    public async Task<JsonElement> EndAsync(string id)
    {
        long step = -1;
        while (true)
        {
            long before = step;
            var job = await JobAsync(id, j => j.GetProperty("step").GetInt64() > before, $"end of the job or a step after {before}");
            if (job.TryGetProperty("summary", out var summary))
            {
                Assert.True(summary.GetProperty("status").GetString() == "completed", $"{job}\n{Describe()}");
                return job;
            }
            step = job.GetProperty("step").GetInt64() + 43;
        }
    }

    /// <summary>Runs a command of the client against the cluster.</summary>
    public Task<ProgramProcess> CommandAsync(params string[] args) => ProgramProcess.RunAsync(ProgramProcess.Cli, Folder.Path,
        ClientEnvironment, args);

    public static string? NameOf(string output) => Announcement().Match(output) is { Success: true } match ? match.Groups[1].Value : null;

    public string Describe() => string.Join("\n\n", _processes.Concat(_gone.TakeLast(6)).Select(p => $"{p.Kind} {p.Number}: {p.Process.Describe()}"));

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        foreach (var process in _processes.Concat(_gone)) await process.Process.DisposeAsync();
        Folder.Dispose();
    }

    /// <param name="folderOf">Number of the process whose folder it gets; null = a new one.</param>
    private void Start(NodeKind kind, int? folderOf = null)
    {
        int number = ++_started;
        string folder = Directory.CreateDirectory(Folder.In(kind == NodeKind.Coordinator ? "coordinator" : $"node-{folderOf ?? number}")).FullName;
        string[] args = kind switch
        {
            NodeKind.Coordinator => ["--roles", "coordinator", "--port", $"{_ports[0]}", "--tensor-port", $"{_ports[1]}", "--api-port", $"{_ports[2]}"],
            NodeKind.Server => ["--roles", "server", .. Joins()],
            _ => ["--roles", _workerRoles, "--worker-slots", $"{_slots}", .. Joins()],
        };
        var environment = new Dictionary<string, string> { ["DISTOPT_TOKEN"] = Token, ["DISTOPT_SECRET"] = "the secret of the tests" };
        if (_trialMemory is { } bytes) environment["DISTOPT_TRIAL_MEMORY_BYTES"] = $"{bytes}";
        _processes.Add(new ClusterProcess(kind, number, ProgramProcess.Start(Program, folder, environment, ["node", .. args, "--data-root", folder])));
    }

    private string[] Joins() =>
        ["--join", $"127.0.0.1:{_ports[0]}", "--port", "0", "--tensor-port", "0", "--api-port", "0", "--join-timeout", _isSupervised ? "30" : "120"];

    private async Task<JsonElement> UntilAsync(string path, Func<JsonElement, bool> isAsWanted, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(ProgramProcess.Patience);
        using var pause = new PeriodicTimer(PollInterval);
        string last = "";
        try
        {
            while (await pause.WaitForNextTickAsync(limit.Token))
            {
                // it was thrown out, or whoever let it in was killed before anybody else heard of it
                foreach (var lost in _processes.Where(p => _isSupervised && p.Process.HasExited && p.Process.ExitCode is 3 or 4).ToList()) Replace(lost);
                try
                {
                    using var response = await _http.GetAsync(path, limit.Token);
                    last = await response.Content.ReadAsStringAsync(limit.Token);
                    if (response.StatusCode != HttpStatusCode.OK) continue;
                    var json = JsonDocument.Parse(last).RootElement;
                    if (isAsWanted(json)) return json;
                }
                catch (HttpRequestException)
                {
                    // the coordinator is gone for the moment
                }
                catch (OperationCanceledException) when (!limit.IsCancellationRequested)
                {
                    // or busy: the client's own limit for a request has passed
                }
            }
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail($"no {what} within {ProgramProcess.Patience.TotalSeconds:0} s; the last answer was {last}\n{Describe()}");
        }
        throw new InvalidOperationException("the timer ended");
    }

    /// <summary>Ports of this machine that nobody listens on.</summary>
    public static int[] FreePorts(int count)
    {
        int[] ports = new int[count];
        for (int i = 0; i < count;)
        {
            int port = FirstPort + (Interlocked.Increment(ref _nextPort) % Ports);
            using var probe = new TcpListener(IPAddress.Loopback, port) { ExclusiveAddressUse = true };
            try
            {
                probe.Start();
                ports[i++] = port;
            }
            catch (SocketException)
            {
                // somebody has it: the next one
            }
        }
        return ports;
    }

    [GeneratedRegex(@"^node (\S+) \(.*(http://\S+)$", RegexOptions.Multiline)]
    private static partial Regex Announcement();
}
