using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>
/// A process of a built program in a folder of its own, with what it has written. Every wait has a limit, and its failure shows what was
/// awaited and the output so far. Killed when disposed of.
/// </summary>
internal sealed class ProgramProcess : IAsyncDisposable
{
    /// <summary>Makes the tests' own program a command line with the models of <see cref="UserCode.UserApp"/>.</summary>
    public const string FixtureVariable = "DISTOPT_E2E_PROGRAM";

    /// <summary>Generous: continuous integration may run many things at once.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>
    /// Most of what these processes do is to compile what they run a few times: code is measured and compiled a second time only where it runs very
    /// often (1,024 calls instead of 30), which saves nearly half of their processor time. Memory of compiled code that is never written and executed at
    /// once takes a seventh of the rest.
    /// </summary>
    private static readonly IReadOnlyDictionary<string, string> ShortLived = new Dictionary<string, string>
    {
        ["DOTNET_TieredPGO"] = "0",
        ["DOTNET_TC_CallCountThreshold"] = "400", // hexadecimal
        ["DOTNET_EnableWriteXorExecute"] = "0",
    };

    private readonly Process _process;
    private readonly string _command;
    private readonly Lock _lock = new();
    private readonly List<string> _out = [];
    private readonly List<string> _error = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ProgramProcess(Process process, string command) => (_process, _command) = (process, command);

    /// <summary>The tool <c>distopt</c>.</summary>
    public static string Cli => Built("DistOpt.Cli");

    /// <summary>The program of the examples.</summary>
    public static string Examples => Built("DistOpt.Examples");

    /// <summary>This assembly as a program.</summary>
    public static string Fixture => typeof(ProgramProcess).Assembly.Location;

    /// <summary>The repository's root.</summary>
    public static string Root
    {
        get
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
            return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
        }
    }

    public int Pid => _process.Id;

    public int ExitCode => _process.ExitCode;

    public bool HasExited => _process.HasExited;

    public string Out => Text(_out);

    public string Error => Text(_error);

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Standard output as its one JSON document.</summary>
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;

    public static ProgramProcess Start(string program, string folder, IReadOnlyDictionary<string, string>? environment, params string[] args) =>
        StartThrough([], program, folder, environment, args);

    /// <summary>Starts it by a command that becomes the program, such as <c>ip netns exec</c>.</summary>
    public static ProgramProcess StartThrough(string[] command, string program, string folder, IReadOnlyDictionary<string, string>? environment,
        params string[] args)
    {
        string host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        string[] line = [.. command, host, program, .. args];
        var start = new ProcessStartInfo(line[0], line[1..])
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("DISTOPT_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        foreach (var (name, value) in ShortLived) start.Environment.TryAdd(name, value);
        if (Path.GetFileName(program) == Path.GetFileName(Fixture)) start.Environment[FixtureVariable] = "1";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var process = new Process { StartInfo = start };
        var result = new ProgramProcess(process, $"{Path.GetFileNameWithoutExtension(program)} {string.Join(' ', args)}");
        process.OutputDataReceived += (_, e) => result.Add(result._out, e.Data);
        process.ErrorDataReceived += (_, e) => result.Add(result._error, e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return result;
    }

    /// <summary>Starts it and waits for its end.</summary>
    public static async Task<ProgramProcess> RunAsync(string program, string folder, IReadOnlyDictionary<string, string>? environment,
        params string[] args) => await RunThroughAsync([], program, folder, environment, args);

    /// <summary><see cref="StartThrough"/>, and waits for its end.</summary>
    public static async Task<ProgramProcess> RunThroughAsync(string[] command, string program, string folder,
        IReadOnlyDictionary<string, string>? environment, params string[] args)
    {
        var process = StartThrough(command, program, folder, environment, args);
        try
        {
            await process.WaitForExitAsync();
            return process;
        }
        catch
        {
            // nobody else knows it yet
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs to the end, wants exit code 0 and reads the JSON document that it printed.</summary>
    public static async Task<JsonElement> JsonAsync(string program, string folder, params string[] args)
    {
        await using var process = await RunAsync(program, folder, null, [.. args, "--format", "json"]);
        Assert.True(process.ExitCode == 0, process.Describe());
        return process.Json;
    }

    /// <summary>The first line of standard output that fits, waited for.</summary>
    public async Task<string> LineAsync(Func<string, bool> fits, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        while (true)
        {
            Task news;
            lock (_lock)
            {
                if (_out.FirstOrDefault(fits) is { } line) return line;
                news = _news.Task;
            }
            bool ended = _process.HasExited;
            try
            {
                await (ended ? _process.WaitForExitAsync(limit.Token) : Task.WhenAny(news, _process.WaitForExitAsync(limit.Token)).WaitAsync(limit.Token));
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"no {what} within {Patience.TotalSeconds:0} s of {Describe()}");
            }
            lock (_lock)
            {
                if (ended && !_out.Any(fits)) throw new InvalidOperationException($"no {what}, for it has ended: {Describe()}");
            }
        }
    }

    /// <summary>Waits for what it does elsewhere than in its output.</summary>
    public async Task UntilAsync(Func<bool> isThere)
    {
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        while (!isThere())
        {
            Assert.False(HasExited, Describe());
            await look.WaitForNextTickAsync(limit.Token);
        }
    }

    /// <summary>Waits until a node of that host has joined its cluster; ended where it does not.</summary>
    public async Task<ProgramProcess> AnnouncedAsync(string host)
    {
        try
        {
            await LineAsync(l => l.StartsWith($"node {host}:", StringComparison.Ordinal), "announcement of the node");
            return this;
        }
        catch
        {
            // nobody else knows it yet
            await DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits for its end, however long that takes.</summary>
    public Task EndAsync() => _process.WaitForExitAsync(TestContext.Current.CancellationToken);

    /// <summary>Waits for its end, and for the end of its output.</summary>
    public async Task<int> WaitForExitAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"no end within {Patience.TotalSeconds:0} s of {Describe()}");
        }
        return _process.ExitCode;
    }

    /// <summary>Physical memory that it has.</summary>
    public long ResidentBytes()
    {
        string line = File.ReadLines($"/proc/{Pid}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>SIGINT, as Ctrl-C sends it to this process alone.</summary>
    public void Interrupt() => Signal(2);

    /// <summary>SIGTERM, as a service manager sends it.</summary>
    public void Terminate() => Signal(15);

    /// <summary>SIGSTOP: it stands still, with all connections open, until <see cref="Continue"/>.</summary>
    public void Pause() => Signal(19);

    /// <summary>SIGCONT.</summary>
    public void Continue() => Signal(18);

    /// <summary>SIGKILL to this process alone.</summary>
    public void KillHard() => Signal(9);

    /// <summary>Ids of its child processes.</summary>
    public int[] Children() =>
    [
        .. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(n => int.TryParse(n, out _)).Select(int.Parse!)
            .Where(pid => ParentOf(pid) == Pid),
    ];

    /// <summary>What it is and what it wrote, for messages.</summary>
    public string Describe() =>
        $"'{_command}' ({(_process.HasExited ? $"exit code {_process.ExitCode}" : "running")})\n--- stdout\n{Out}\n--- stderr\n{Error}";

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }
        _process.Dispose();
    }

    private static string Built(string project)
    {
        // beside the tests' own, where they may be precompiled
        string path = Path.Combine(AppContext.BaseDirectory, project + ".dll");
        Assert.True(File.Exists(path), $"{path} does not exist: build the solution first");
        return path;
    }

    private static int? ParentOf(int pid)
    {
        try
        {
            // pid (name) state ppid ...; the name may hold anything, parentheses too
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null; // it has ended just now
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int SendSignal(int pid, int signal);

    private void Signal(int signal)
    {
        Assert.True(SendSignal(Pid, signal) == 0, $"signal {signal} was not sent to {Describe()}");
    }

    private void Add(List<string> lines, string? line)
    {
        if (line is null) return;
        TaskCompletionSource news;
        lock (_lock)
        {
            lines.Add(line);
            (news, _news) = (_news, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        news.TrySetResult();
    }

    private string Text(List<string> lines)
    {
        lock (_lock) return string.Join('\n', lines);
    }
}
