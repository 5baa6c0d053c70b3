using System.Diagnostics;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Processes;

/// <summary>How to start the running program again.</summary>
/// <param name="FileName">Executable.</param>
/// <param name="Arguments">Arguments in front of those of the command line (the entry assembly, under the <c>dotnet</c> host).</param>
public sealed record ProgramStart(string FileName, IReadOnlyList<string> Arguments)
{
    /// <summary>This very program.</summary>
    public static ProgramStart Current()
    {
        string host = Environment.ProcessPath ?? throw new InvalidOperationException("the path of this process is not known");
        bool isDotnet = Path.GetFileNameWithoutExtension(host).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        return new ProgramStart(host, isDotnet ? [Environment.GetCommandLineArgs()[0]] : []);
    }
}

/// <summary>
/// A child process that runs a node. It ends when its standard input closes, so it never outlives this process, however that ends. Its
/// first lines of output say its node id, and that it has joined; every other line is the user code's.
/// </summary>
public sealed class NodeProcess : IAsyncDisposable
{
    /// <summary>Set for children: they announce themselves, watch their standard input, and leave Ctrl-C to the parent.</summary>
    public const string ChildVariable = "DISTOPT_CHILD";

    public const string SecretVariable = "DISTOPT_SECRET";

    /// <summary>All settings of a child that runs attempts at trials, as YAML.</summary>
    public const string SettingsVariable = "DISTOPT_CHILD_SETTINGS";

    /// <summary>Node id of the parent of such a child.</summary>
    public const string ParentVariable = "DISTOPT_CHILD_PARENT";

    /// <summary>Of at most 1000.</summary>
    private const string OomScore = "900";

    /// <summary>In front of the node id that it will have, before it joins.</summary>
    public const string Identification = "distopt-node-id ";

    /// <summary>In front of its node id, once it has joined.</summary>
    public const string Announcement = "distopt-node ";

    private readonly Process _process;
    private readonly LastOutput _output = new();
    private readonly TaskCompletionSource<NodeId> _announced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _ending;
    private volatile string? _killed;
    private volatile string? _node;

    private NodeProcess(Process process, int index) => (_process, Index) = (process, index);

    public int Index { get; }

    public int Pid { get; private set; }

    /// <summary>Its node id, as soon as it has one; whether it has joined as that is not said by it.</summary>
    public NodeId? Node => _node is { } id ? new NodeId(id) : null;

    /// <summary>Its node id, once it has joined.</summary>
    public Task<NodeId> Announced => _announced.Task;

    /// <summary>Completes when the process has ended.</summary>
    public Task Exited { get; private set; } = Task.CompletedTask;

    /// <summary>Whether it ended although nobody asked it to.</summary>
    public bool Died => _process.HasExited && !_ending;

    /// <summary>How it ended, for people; it has.</summary>
    public string End => $"process {Index} (pid {Pid}) {_killed ?? $"ended with {ExitStatus.Describe(_process.ExitCode)}"}";

    /// <summary>
    /// What it wrote last beside its announcement, oldest first. A child's own node passes on what user code writes, so this is what native code
    /// wrote.
    /// </summary>
    public IReadOnlyList<string> LastLines => _output.Lines;

    /// <summary>What the runtime said of its end: an unhandled exception with its stack, say; null where it said nothing.</summary>
    public string? Report => _output.Report;

    /// <summary>What is known about its end, for people.</summary>
    public string Describe()
    {
        var lines = LastLines.Concat(Report is { } report ? [report] : []).ToList();
        return lines.Count == 0 ? End : $"{End}; its last lines:{Environment.NewLine}{string.Join(Environment.NewLine, lines)}";
    }

    public static NodeProcess Start(ProgramStart program, int index, IReadOnlyList<string> arguments, string secret, Action<NodeProcess, string, string> line,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program.FileName)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in program.Arguments.Concat(arguments)) start.ArgumentList.Add(argument);
        start.Environment[ChildVariable] = "1";
        start.Environment[SecretVariable] = secret;
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var process = new Process { StartInfo = start };
        var child = new NodeProcess(process, index);
        process.OutputDataReceived += (_, e) => child.OnLine("stdout", e.Data, line);
        process.ErrorDataReceived += (_, e) => child.OnLine("stderr", e.Data, line);
        process.Start();
        child.Pid = process.Id;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        child.Exited = process.WaitForExitAsync().ContinueWith(
            _ => child._announced.TrySetException(new InvalidOperationException(child.Describe())), TaskScheduler.Default);
        return child;
    }

    /// <summary>Asks it to end, and kills it if it has not within the time.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        _ending = true;
        if (_process.HasExited) return;
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // it ended just now: nothing is left to close
        }
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await _process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Physical memory that it has, in bytes; 0 where it has ended.</summary>
    public long ResidentBytes()
    {
        try
        {
            _process.Refresh();
            return _process.HasExited ? 0 : _process.WorkingSet64;
        }
        catch (InvalidOperationException)
        {
            return 0; // it ended just now
        }
    }

    /// <summary>Ends it at once, with all its own children.</summary>
    /// <param name="why">Why, for people, in words that go on from <c>process 1</c>.</param>
    public void Kill(string why)
    {
        if (_process.HasExited) return;
        _killed ??= why;
        _process.Kill(entireProcessTree: true);
    }

    /// <summary>Where the system runs out of memory, it shall end this one rather than any other (Linux).</summary>
    public void PreferForKill(ILogger log)
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            File.WriteAllText($"/proc/{Pid}/oom_score_adj", OomScore);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // it has ended, or this process may not: then its own memory limit has to do
            log.LogDebug(e, "oom_score_adj of process {Pid} was not set", Pid);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(false);
        // nobody may be waiting for an announcement that never came
        _ = _announced.Task.Exception;
        _process.Dispose();
    }

    private void OnLine(string source, string? text, Action<NodeProcess, string, string> line)
    {
        if (text is null) return;
        if (source == "stdout" && text.StartsWith(Identification, StringComparison.Ordinal))
        {
            _node = text[Identification.Length..];
            return;
        }
        if (source == "stdout" && text.StartsWith(Announcement, StringComparison.Ordinal))
        {
            _announced.TrySetResult(new NodeId(text[Announcement.Length..]));
            return;
        }
        _output.Add(source == "stderr", text);
        line(this, source, text);
    }
}
