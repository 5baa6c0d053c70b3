using System.Collections.Immutable;
using System.ComponentModel;
using System.Globalization;
using Akka.Actor;
using Akka.Cluster;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Processes;

/// <summary>What the children of a worker node are started with, and what they may use.</summary>
/// <param name="Program">The same build as this process; it understands the <c>node</c> command.</param>
/// <param name="Options">The node's own settings, of which theirs are made.</param>
/// <param name="Count">Children at once, at least 1.</param>
/// <param name="MemoryBytes">Physical memory of each whose attempt does not say how much it needs.</param>
internal sealed record TrialProcessSettings(ProgramStart Program, NodeOptions Options, int Count, long MemoryBytes)
{
    /// <summary>What is reckoned with for each: where they may have more in sum than there is, that is their node's wish.</summary>
    public long ShareBytes => Math.Min(MemoryBytes, Options.WorkerMemoryBytes / Count);

    /// <summary>Ids of the node's GPUs.</summary>
    public ImmutableArray<string> Devices { get; init; } = [];

    /// <summary><see cref="NodeHost.ChildrenDoNotStart"/>.</summary>
    public Action<string>? DoNotStart { get; init; }

    /// <summary>Null where the node runs none.</summary>
    public static TrialProcessSettings? Of(NodeOptions options, NodeHost host)
    {
        if (host.Program is not { } program || options.Parent is not null || !options.Roles.Contains(NodeOptions.Worker)) return null;
        int count = options.TrialProcessesAtOnce;
        if (count == 0) return null;
        return new TrialProcessSettings(program, options, count, options.TrialMemoryBytes ?? options.WorkerMemoryBytes / count)
        {
            Devices = options.Devices,
            DoNotStart = host.ChildrenDoNotStart,
        };
    }

    /// <summary>Settings of a child: a node of the same cluster on the same machine with the one role of children.</summary>
    /// <param name="parent">Control address of this node.</param>
    /// <param name="index">Number among the children that live.</param>
    /// <param name="gpus">Devices that it has.</param>
    public NodeOptions Child(string parent, int index, int gpus)
    {
        int port = Options.TrialPortRange is { } ports ? ports.First + (2 * index) : 0;
        return Options with
        {
            Roles = [NodeOptions.Trial],
            Join = [.. Options.Join.Prepend(parent).Distinct(StringComparer.Ordinal)],
            Port = port,
            TensorPort = port == 0 ? 0 : port + 1,
            ApiPort = 0,
            Journal = null,
            Token = null,
            TokenFile = null,
            TrialProcesses = null,
            MemoryBytes = null,
            TrialMemoryBytes = null,
            Gpus = gpus,
            TrialPorts = null,
            // its attempt goes on elsewhere: there is nothing to hand over
            LeaveTimeout = 0,
        };
    }
}

/// <summary>
/// The warm child processes of a worker node, in which attempts at trials run: starts as many as the job coordinator wants, starts those that end anew, kills
/// those that take too much memory, and tells how each one ended. Each sees the GPUs that it was started with and no others, and nobody else has them before
/// it has ended.
/// </summary>
internal sealed class TrialProcessesActor : ReceiveActor, IWithTimers
{
    /// <summary>A runaway allocation fills some 100 MB in this time.</summary>
    private static readonly TimeSpan MemoryInterval = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // those that have joined are started anew after the first of these
    private static readonly RetryBackoff Backoff = new(0.5, 60);

    /// <summary>After so many that end before any has joined, it is the program and no accident.</summary>
    private const int FailuresMax = 3;

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ClusterNodeRouter _router;
    private readonly TrialProcessSettings _settings;
    private readonly ILogger _log;
    private readonly List<Child> _children = [];
    private readonly DeviceLedger _devices;

    // GPUs of each child that there shall be
    private IReadOnlyList<int> _wanted = [];
    private int _failures;
    private bool _hasJoined;
    private bool _isStopping;

    public TrialProcessesActor(ClusterNodeRouter router, TrialProcessSettings settings, ILogger log)
    {
        (_router, _settings, _log) = (router, settings, log);
        _devices = new DeviceLedger(settings.Devices);
        Receive<NodeDelivery>(delivery =>
        {
            if (delivery.Body is KeepTrialProcesses keep) OnKeep(keep);
        });
        Receive<Joined>(joined =>
        {
            (_failures, _hasJoined) = (0, true);
            _log.LogInformation("Child process {Pid} for trials has joined as {Node}", joined.Child.Process.Pid, joined.Node);
        });
        Receive<Exited>(exited => OnExited(exited.Child));
        Receive<CheckMemory>(_ => OnCheckMemory());
        Receive<StartMissing>(_ => StartThose());
        Receive<StopChildren>(_ =>
        {
            _isStopping = true;
            Timers.Cancel(nameof(StartMissing));
            Task.WhenAll(_children.Select(EndAsync)).PipeTo(Sender, Self, success: () => new ChildrenStopped());
        });
    }

    private sealed class Child(NodeProcess process, int gpus)
    {
        public NodeProcess Process { get; } = process;

        public int Gpus { get; } = gpus;

        /// <summary>Which it joins, or has joined, as.</summary>
        public NodeId? Node => Process.Node;

        public bool IsEnding { get; set; }

        /// <summary>What its attempt may take, in bytes; null = the share of each.</summary>
        public long? MemoryBytes { get; set; }

        /// <summary>The most that any of its attempts was allowed by its spec; 0 where none was.</summary>
        public long LargestBytes { get; set; }

        public bool IsBusy { get; set; }
    }

    private sealed record Joined(Child Child, NodeId Node) : INoSerializationVerificationNeeded;

    private sealed record Exited(Child Child) : INoSerializationVerificationNeeded;

    private sealed record CheckMemory : INoSerializationVerificationNeeded;

    private sealed record StartMissing : INoSerializationVerificationNeeded;

    /// <summary>From the host, which ends: answered by <see cref="ChildrenStopped"/>.</summary>
    public sealed record StopChildren : INoSerializationVerificationNeeded;

    public sealed record ChildrenStopped : INoSerializationVerificationNeeded;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("memory", new CheckMemory(), MemoryInterval);

    /// <summary>Also when the cluster has thrown this node out.</summary>
    protected override void PostStop()
    {
        foreach (var child in _children) _ = EndAsync(child);
    }

    private void OnKeep(KeepTrialProcesses keep)
    {
        if (_isStopping) return;
        foreach (var child in _children.Where(c => c is { IsEnding: false, Node: { } node } && keep.Ending.Contains(node)))
        {
            _log.LogInformation("Child process {Pid} for trials ends: no attempt needs it", child.Process.Pid);
            _ = EndAsync(child);
        }
        foreach (var child in _children.Where(c => c.Node is not null))
        {
            var attempt = keep.Busy.FirstOrDefault(b => b.Node == child.Node);
            (child.IsBusy, child.MemoryBytes) = (attempt is not null, attempt?.MemoryBytes);
            child.LargestBytes = Math.Max(child.LargestBytes, child.MemoryBytes ?? 0);
        }
        // a peer may say any number
        int count = Math.Clamp(keep.Count, 0, _settings.Count);
        var some = keep.Gpus.Where(g => g > 0).Take(count).ToList();
        _wanted = [.. some, .. Enumerable.Repeat(0, count - some.Count)];
        StartThose();
    }

    private void StartThose()
    {
        if (_isStopping || Timers.IsTimerActive(nameof(StartMissing))) return;
        foreach (var kind in _wanted.GroupBy(g => g))
        {
            while (_children.Count(c => !c.IsEnding && c.Gpus == kind.Key) < kind.Count())
            {
                // one that is not wanted any more may not have joined yet
                if (_children.Count(c => !c.IsEnding) >= _settings.Count) return;
                int index = Enumerable.Range(0, int.MaxValue).First(i => _children.All(c => c.Process.Index != i));
                // those that end still have their ports, and their devices
                if (_settings.Options.TrialPorts is not null && index >= _settings.Count) return;
                if (_devices.Take(index, kind.Key) is not { } devices) break;
                if (!Start(index, devices)) return;
            }
        }
    }

    private bool Start(int index, ImmutableArray<string> devices)
    {
        var settings = _settings.Child(_router.Self.Address, index, devices.Length);
        var environment = new Dictionary<string, string>
        {
            [NodeProcess.SettingsVariable] = SpecWriter.Write(settings),
            [NodeProcess.ParentVariable] = _router.Self.Value,
        };
        // as in Ray, one that was given none sees none; where the node has none, this is nobody's business
        if (_settings.Devices.Length > 0) environment[VisibleDevices.Variable] = string.Join(',', devices);
        NodeProcess process;
        try
        {
            process = NodeProcess.Start(_settings.Program, index, ["node"], settings.Secret ?? "", OnLine, environment);
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            _devices.Return(index);
            OnFailed(null, $"'{_settings.Program.FileName}' cannot be started: {e.Message}", [], null);
            return false;
        }
        var child = new Child(process, devices.Length);
        _children.Add(child);
        process.PreferForKill(_log);
        _log.LogInformation("Child process {Pid} for trials is started: at most {Memory} of memory{Devices}", process.Pid, Mebibytes(_settings.MemoryBytes),
            devices.IsEmpty ? "" : $", GPU {string.Join(',', devices)}");
        var self = Self;
        process.Announced.ContinueWith(announced => self.Tell(new Joined(child, announced.Result), ActorRefs.NoSender), CancellationToken.None,
            TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        process.Exited.ContinueWith(_ => self.Tell(new Exited(child), ActorRefs.NoSender), TaskScheduler.Default);
        return true;
    }

    private void OnLine(NodeProcess process, string source, string text) =>
        _log.Log(source == "stderr" ? LogLevel.Warning : LogLevel.Information, "Child process {Pid} for trials: {Text}", process.Pid, text);

    private void OnCheckMemory()
    {
        foreach (var child in _children)
        {
            long resident = child.Process.ResidentBytes();
            long most = Math.Min(child.MemoryBytes ?? _settings.MemoryBytes, _settings.Options.WorkerMemoryBytes);
            if (resident <= most) continue;
            // what an attempt that was allowed more has left behind is not held against the next one
            if (child is { IsBusy: false, Node: not null } && resident <= child.LargestBytes)
            {
                if (child.IsEnding) continue;
                _log.LogInformation("Child process {Pid} for trials ends: it has kept {Memory} of an attempt that was allowed so much",
                    child.Process.Pid, Mebibytes(resident));
                _ = EndAsync(child);
                continue;
            }
            string setting = child.MemoryBytes is null ? "trial_memory_bytes" : "training.worker_memory";
            child.Process.Kill($"was killed with {Mebibytes(resident)} of memory: over its memory limit of {Mebibytes(most)} ({setting})");
        }
    }

    private void OnExited(Child child)
    {
        if (!_children.Remove(child)) return;
        var process = child.Process;
        _devices.Return(process.Index);
        if (child.Node is { } node) Down(node, child.IsEnding);
        if (!child.IsEnding) OnFailed(child.Node, process.End, process.LastLines, process.Report);
        _ = process.DisposeAsync().AsTask();
        StartThose();
    }

    private void OnFailed(NodeId? node, string why, IReadOnlyList<string> lines, string? report)
    {
        _log.LogWarning("Child {Why}{Report}", why, report is null ? "" : Environment.NewLine + report);
        string? stack = report is { Length: > NodeFailure.StackMax } ? report[..NodeFailure.StackMax] : report;
        var last = new LastLines();
        foreach (string line in lines) last.Add(line);
        var ended = new TrialProcessEnded(node, why, [.. last.Snapshot()], stack);
        // each coordinator node knows where the job coordinator is
        foreach (var member in _cluster.State.Members.Where(m => m.Status == MemberStatus.Up && m.HasRole(NodeOptions.Coordinator)))
            _router.Send(MembershipActor.IdOf(member.UniqueAddress), default, NodeActors.Jobs, ended);
        Timers.StartSingleTimer(nameof(StartMissing), new StartMissing(), TimeSpan.FromSeconds(Backoff.Seconds(++_failures)));
        if (!_hasJoined && _failures == FailuresMax) _settings.DoNotStart?.Invoke($"{why}; {stack ?? lines.LastOrDefault() ?? "it wrote nothing"}");
    }

    /// <summary>Its process has ended, that is certain: until the cluster knows, nobody can join.</summary>
    /// <param name="hasLeft">Whether it was asked to leave, which it has then done unless it hung.</param>
    private void Down(NodeId node, bool hasLeft)
    {
        var member = _cluster.State.Members.FirstOrDefault(m => MembershipActor.IdOf(m.UniqueAddress) == node);
        if (member is not null && !(hasLeft && member.Status == MemberStatus.Exiting)) _cluster.Down(member.Address);
    }

    private static async Task EndAsync(Child child)
    {
        child.IsEnding = true;
        await child.Process.StopAsync(Patience).ConfigureAwait(false);
    }

    private static string Mebibytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024):0} MiB");
}
