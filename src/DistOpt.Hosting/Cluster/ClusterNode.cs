using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Control;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Security;
using DistOpt.Hosting.Studies;
using DistOpt.Hosting.Telemetry;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Cluster;

/// <summary>Why a node ended.</summary>
public enum NodeEnd
{
    /// <summary>It was asked to stop.</summary>
    Stopped,

    /// <summary>The cluster downed it (exit code 3).</summary>
    Downed,

    /// <summary>It could not join (exit code 4).</summary>
    NotJoined,
}

/// <summary>
/// A node of a cluster in this process: control plane (Akka.Remote and Akka.Cluster), tensor channel, node agent, and on coordinator nodes the
/// job coordinator. Never exits the process by itself.
/// </summary>
public sealed class ClusterNode : IAsyncDisposable
{
    private const string SystemName = "distopt";

    /// <summary>All phases of a shutdown in good order fit in.</summary>
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(60);

    /// <summary>Shorter than what probes usually wait for.</summary>
    private static readonly TimeSpan ReadyTime = TimeSpan.FromSeconds(2);

    private readonly ActorSystem _system;
    private readonly ITensorChannel _channel;
    private readonly TaskCompletionSource<NodeEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IActorRef _membership;
    private readonly IActorRef? _trials;
    private readonly StrongBox<CoordinatorPlace> _place;
    private readonly NodeSignals _signals;
    private volatile bool _stopping;
    private volatile bool _leaving;

    private ClusterNode(NodeOptions options, NodeTls? tls, ActorSystem system, ITensorChannel channel, NodeTelemetry telemetry, NodeId id,
        NodeActorRefs actors, RunDirectorySinks sinks, StrongBox<CoordinatorPlace> place, NodeSignals signals)
    {
        (Telemetry, Sinks, _place, _signals) = (telemetry, sinks, place, signals);
        (Options, Tls, _system, _channel, Id) = (options, tls, system, channel, id);
        (Agent, Coordinator, _membership, _trials) = actors;
        system.WhenTerminated.ContinueWith(_ => _ended.TrySetResult(EndOf(system)), TaskScheduler.Default);
    }

    public NodeOptions Options { get; }

    public NodeId Id { get; }

    /// <summary>Control address as <c>host:port</c>, with the port that was taken.</summary>
    public string Endpoint => Id.Value[..Id.Value.IndexOf('#', StringComparison.Ordinal)];

    /// <summary>Where the tensor channel listens.</summary>
    public int TensorPort => _channel.Self.Port;

    /// <summary>
    /// Stands for the job coordinator, wherever in the cluster that is; null where the node has not the role. Asking it fails with
    /// <see cref="CoordinatorGoneException"/> while it is on another node.
    /// </summary>
    public IActorRef? Coordinator { get; }

    /// <summary>Where the job coordinator is now; known to coordinator nodes.</summary>
    public CoordinatorPlace CoordinatorPlace => Volatile.Read(ref _place.Value!);

    internal ActorSystem System => _system;

    internal ITensorChannel TensorChannel => _channel;

    internal IActorRef Agent { get; }

    internal RunDirectorySinks Sinks { get; }

    internal NodeTelemetry Telemetry { get; }

    /// <summary>Null where the program runs no studies.</summary>
    internal StudyParts? Studies { get; private init; }

    /// <summary>The node's certificate and the cluster's CA; null where the node runs without.</summary>
    internal NodeTls? Tls { get; }

    private sealed record NodeActorRefs(IActorRef Agent, IActorRef? Coordinator, IActorRef Membership, IActorRef? Trials);

    /// <summary>Completes when the node has ended, for whatever reason.</summary>
    public Task<NodeEnd> Ended => _ended.Task;

    /// <summary>Completes when somebody wants the node to leave (<c>distopt drain</c>): its host then stops it.</summary>
    public Task DrainAsked => _signals.Drain.Task;

    private TimeProvider Time { get; init; } = TimeProvider.System;

    private ILogger Log { get; init; } = NullLogger.Instance;

    /// <summary>Starts the node and waits until it is a member of the cluster.</summary>
    /// <param name="program">
    /// What a node starts as child processes: a program of the same build that understands the commands <c>node</c> (attempts at trials run in those) and
    /// <c>rehearse-opening</c> (models that a former process of this node has ended with are opened there first). Null = it does neither.
    /// </param>
    /// <param name="identified">Told what the node will be in the cluster, before it joins.</param>
    /// <exception cref="SpecException">Settings out of bounds, or a port in use.</exception>
    /// <exception cref="TimeoutException">The cluster could not be joined in <see cref="NodeOptions.JoinTimeout"/>.</exception>
    /// <exception cref="JoinRefusedException">The cluster runs a version that does not work with this one.</exception>
    public static Task<ClusterNode> StartAsync(NodeOptions options, JobParts parts, ILoggerFactory loggers, TimeProvider time,
        CancellationToken cancellationToken, ProgramStart? program = null, Action<NodeId>? identified = null) =>
        StartHostedAsync(options, parts, loggers, time, new NodeHost { Program = program, Identified = identified }, cancellationToken);

    /// <inheritdoc cref="StartAsync"/>
    /// <param name="host">What it has of this program.</param>
    internal static async Task<ClusterNode> StartHostedAsync(NodeOptions options, JobParts parts, ILoggerFactory loggers, TimeProvider time, NodeHost host,
        CancellationToken cancellationToken)
    {
        var violations = options.Validate().Concat(PortsInUse(options)).ToList();
        var tls = NodeTls.Load(options, violations);
        var overlay = options.Akka is { } file ? AkkaOverlay.Load(file, violations) : null;
        if (violations.Count > 0) throw new SpecException(violations);
        var bind = await AddressOfAsync(options.Bind, cancellationToken).ConfigureAwait(false);
        var journal = SqlJournal.Of(options);
        string journalId = journal?.Prepare() ?? $"none-{Guid.NewGuid():n}";
        var versions = new VersionGate(options.Build);
        var setup = NodeConfiguration.Setup(options, overlay, bind, tls, versions, loggers.CreateLogger<ControlTransport>(), (journalId, journal), host.Events);
        var system = ActorSystem.Create(SystemName, setup);
        TcpTensorChannel? channel = null;
        NodeTelemetry? telemetry = null;
        try
        {
            AkkaLogging.Attach(system, loggers);
            var cluster = Akka.Cluster.Cluster.Get(system);
            versions.UseMembers(() => MemberVersions.Of(cluster.State));
            var id = MembershipActor.IdOf(cluster.SelfUniqueAddress);
            host.Identified?.Invoke(id);
            string name = options.Parent is { } parent ? string.Create(CultureInfo.InvariantCulture, $"{parent.Address}/{Environment.ProcessId}")
                : $"{cluster.SelfAddress.Host}:{cluster.SelfAddress.Port}";
            channel = OpenChannel(options, bind, tls, id, loggers, time);
            telemetry = new NodeTelemetry(options, id.Value);
            telemetry.Observe(channel, system, cluster);
            var router = new ClusterNodeRouter(id, system, NodeConfiguration.Protocol(options));
            var services = new NodeServices
            {
                Name = name,
                Router = router,
                Channel = channel,
                Runtimes = new JobRuntimes(Guarded(options, parts, host.Program, loggers)),
                Specs = parts.Specs,
                Optimizer = parts.Optimizer,
                Schedule = parts.Schedule,
                Time = time,
                Meter = telemetry.Meter,
                HoldsOneJob = options.Parent is not null,
                ReturnMemory = options.Parent is null ? null : ProcessMemory.Return,
            };
            var agent = system.ActorOf(NodeAgentActor.Props(services), NodeAgentActor.Name);
            router.Attach(agent);
            var sinks = new RunDirectorySinks(parts.Specs.Write, time);
            bool coordinates = options.Roles.Contains(NodeOptions.Coordinator);
            var peers = journal is null ? null : new KnownPeers(Path.Combine(Path.GetFullPath(options.DataRoot ?? "."), "coordinator", "peers"));
            // the relay may speak before the node exists
            var place = new StrongBox<CoordinatorPlace>(CoordinatorPlace.Nowhere);
            var relay = CoordinatorRelayActor.Props(router, peers, p => Volatile.Write(ref place.Value!, p));
            var coordinator = coordinates ? system.ActorOf(relay, CoordinatorRelayActor.Name) : null;
            if (coordinator is not null) agent.Tell(new CoordinatorHere(coordinator));
            var self = channel.Self;
            var trialSettings = TrialProcessSettings.Of(options, host);
            var offer = new NodeOffer(new WirePeer(self.Node, self.Host, self.Port), name, [.. options.Roles],
                options.WorkerSlots ?? Environment.ProcessorCount, options.Build.Version.ToString())
            {
                Parent = options.Parent,
                TrialProcesses = trialSettings?.Count ?? 0,
                MemoryBytes = options.WorkerMemoryBytes,
                TrialMemoryBytes = trialSettings?.ShareBytes ?? 0,
                Gpus = options.Devices.Length,
            };
            var trialLog = loggers.CreateLogger<TrialProcessesActor>();
            var trials = trialSettings is null ? null
                : system.ActorOf(Props.Create(() => new TrialProcessesActor(router, trialSettings, trialLog)), "trial-processes");
            var signals = new NodeSignals();
            var meter = telemetry.Meter;
            var membership = system.ActorOf(Props.Create(() => new MembershipActor(router, channel, offer, agent, coordinator, signals, meter, trials)), "membership");
            agent.Tell(new HostHere(membership), ActorRefs.NoSender);
            system.ActorOf(Props.Create(() => new EndedProcessActor(time, coordinator)), "ended-processes");
            // whoever has it has taken this node for dead
            if (journal is not null) journal.OnLost = () => cluster.Down(cluster.SelfAddress);
            if (coordinates)
            {
                var studies = parts.Studies is null ? null : new ClusterStudySessions(parts.Studies, sinks, time);
                CoordinatorSingleton.Start(system, services, options,
                    new JobCoordinatorSetup { Journal = journal, Sinks = sinks, Studies = studies, Relay = coordinator });
            }
            await JoinAsync(cluster, options, peers?.Load() ?? [], signals.Joined.Task, versions, time, cancellationToken).ConfigureAwait(false);
            await MemberVersions.CheckAsync(cluster, versions.Own).ConfigureAwait(false);
            var led = options.Join.Length == 0 ? peers : null;
            if (coordinates) await CheckJournalsAsync(cluster, journalId, journal?.Place ?? NodeOptions.NoJournal, led).ConfigureAwait(false);
            var actors = new NodeActorRefs(agent, coordinator, membership, trials);
            return new ClusterNode(options, tls, system, channel, telemetry, id, actors, sinks, place, signals)
            { Time = time, Studies = parts.Studies, Log = loggers.CreateLogger<ClusterNode>() };
        }
        catch
        {
            await EndAsync(system.Terminate(), time, loggers.CreateLogger<ClusterNode>()).ConfigureAwait(false);
            if (channel is not null) await channel.DisposeAsync().ConfigureAwait(false);
            telemetry?.Dispose();
            tls?.Dispose();
            throw;
        }
    }

    /// <summary>Runs a job on the cluster and waits for its end.</summary>
    /// <exception cref="SpecException">Bad input, found before the sink heard of the run.</exception>
    /// <exception cref="InvalidOperationException">This node is no coordinator, the job was rejected, or the node stopped before its end.</exception>
    public Task<RunSummary> RunJobAsync(JobId job, TrainingSpec spec, Func<IJobRuntime, IRunSink> sink, JobStorage storage,
        params IReadOnlyList<(CancellationToken Token, StopReason Reason)> stops)
    {
        var coordinator = Coordinator ?? throw new InvalidOperationException("jobs run from a node with the coordinator role");
        var submission = new SubmitJob(job, spec, sink, storage.CheckpointDirectory, storage.Resumes);
        return JobSubmission.RunAsync(_system, coordinator, submission, stops, storage.Requests);
    }

    /// <summary>Passes lines that user code wrote on this node to the jobs that run here.</summary>
    public void Output(string source, string level, string text) =>
        Agent.Tell(new NodeOutput([new WireLogLine(Endpoint, source, level, text)]), ActorRefs.NoSender);

    /// <summary>Passes a line that someone else wrote to every job of the local job coordinator.</summary>
    public void OutputOf(string who, string source, string level, string text) =>
        Coordinator?.Tell(new OutsideOutput(new WireLogLine(who, source, level, text)), ActorRefs.NoSender);

    /// <summary>
    /// Tells the local job coordinator, and the cluster, that a node's process has ended, sooner than the cluster would notice: members that are
    /// missing keep others from joining.
    /// </summary>
    public void ReportGone(NodeGone gone)
    {
        Coordinator?.Tell(gone, ActorRefs.NoSender);
        var cluster = Akka.Cluster.Cluster.Get(_system);
        var member = cluster.State.Members.FirstOrDefault(m => MembershipActor.IdOf(m.UniqueAddress) == gone.Node);
        if (member is not null) cluster.Down(member.Address);
    }

    /// <summary>Ends a job of the local job coordinator as failed.</summary>
    internal void FailJob(JobId job, string why) => Coordinator?.Tell(new FailJob(job, why), ActorRefs.NoSender);

    /// <summary>Tells the coordinators where this node's HTTP API is reached.</summary>
    internal void AnnounceApi(string url) => _membership.Tell(new MembershipActor.AnnounceApi(url), ActorRefs.NoSender);

    /// <summary>The nodes that the local job coordinator knows.</summary>
    public async Task<IReadOnlyList<NodeStatus>> NodesAsync()
    {
        var coordinator = Coordinator ?? throw new InvalidOperationException("nodes are known to nodes with the coordinator role");
        return (await coordinator.Ask<NodeList>(new ListNodes(), TimeSpan.FromSeconds(10)).ConfigureAwait(false)).Nodes;
    }

    /// <summary>
    /// Why the node cannot be sent work now, or null when it can: it is Up in the cluster, and where it has the role, the job coordinator answers
    /// or the node that holds it is known.
    /// </summary>
    public async Task<string?> ReadinessAsync()
    {
        if (Ended.IsCompleted) return "the node has ended";
        if (_leaving || _stopping) return "the node is leaving";
        var status = Akka.Cluster.Cluster.Get(_system).SelfMember.Status;
        if (status != MemberStatus.Up) return $"the node is {status.ToString().ToLowerInvariant()} in the cluster, not up";
        if (Coordinator is null) return null;
        try
        {
            await Coordinator.Ask<NodeList>(new ListNodes(), ReadyTime).ConfigureAwait(false);
            return null;
        }
        catch (AskTimeoutException)
        {
            return $"the job coordinator did not answer within {ReadyTime.TotalSeconds:0} s";
        }
        catch (CoordinatorGoneException)
        {
            return CoordinatorPlace.ApiUrl is null ? "there is no job coordinator at the moment" : null;
        }
    }

    /// <summary>
    /// Takes no new work and hands over what the node has to others, at most for <see cref="NodeOptions.LeaveTimeout"/>; work goes on meanwhile.
    /// </summary>
    /// <returns>Whether nobody needs the node any more; false where that took too long or the node ended.</returns>
    public async Task<bool> HandOverAsync(CancellationToken cancellationToken = default)
    {
        _leaving = true;
        if (Ended.IsCompleted) return false;
        _membership.Tell(new MembershipActor.BeginLeaving(), ActorRefs.NoSender);
        try
        {
            var first = await Task.WhenAny(_signals.Released.Task, Ended)
                .WaitAsync(TimeSpan.FromSeconds(Options.LeaveTimeout), Time, cancellationToken).ConfigureAwait(false);
            return first == _signals.Released.Task;
        }
        catch (TimeoutException)
        {
            _system.Log.Warning("The node leaves, though jobs may still need it: they could not go on elsewhere within {0} s (leave_timeout)", Options.LeaveTimeout);
            return false;
        }
    }

    /// <summary>Stops everything.</summary>
    /// <param name="leave">
    /// Whether to hand over and leave the cluster in good order first, which takes seconds when others cannot be reached; false where the whole
    /// cluster ends.
    /// </param>
    public async Task StopAsync(bool leave = true)
    {
        if (leave && !_leaving) await HandOverAsync().ConfigureAwait(false);
        _stopping = true;
        await StopTrialsAsync().ConfigureAwait(false);
        if (leave) await CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClrExitReason.Instance).ConfigureAwait(false);
        else _ = _system.Terminate();
        await EndAsync(_system.WhenTerminated, Time, Log).ConfigureAwait(false);
        if (_channel is IAsyncDisposable open) await open.DisposeAsync().ConfigureAwait(false);
        Tls?.Dispose();
        // the last figures go out from here, which may take as long as a collector takes to answer
        await Task.Run(Telemetry.Dispose).ConfigureAwait(false);
    }

    /// <summary>A node that ends does not hang on an actor that does not stop, say in user code: it says so and goes.</summary>
    private static async Task EndAsync(Task terminated, TimeProvider time, ILogger log)
    {
        try
        {
            await terminated.WaitAsync(EndTime, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            log.LogError("The actors of this node have not stopped within {Seconds} s: what is left of them ends with the process", EndTime.TotalSeconds);
        }
    }

    /// <summary>They leave the cluster in good order, which they can do while this node is there.</summary>
    private async Task StopTrialsAsync()
    {
        if (_trials is null) return;
        var stopped = _trials.Ask<TrialProcessesActor.ChildrenStopped>(new TrialProcessesActor.StopChildren(), Timeout.InfiniteTimeSpan);
        // a node that was thrown out has ended them already
        await Task.WhenAny(stopped, _system.WhenTerminated).ConfigureAwait(false);
    }

    /// <summary>Leaves and stops, unless <see cref="StopAsync"/> was called before.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_stopping) await StopAsync().ConfigureAwait(false);
    }

    private NodeEnd EndOf(ActorSystem system) => _stopping ? NodeEnd.Stopped : CoordinatedShutdown.Get(system).ShutdownReason switch
    {
        CoordinatedShutdown.ClusterDowningReason => NodeEnd.Downed,
        CoordinatedShutdown.ClusterJoinUnsuccessfulReason => NodeEnd.NotJoined,
        _ => NodeEnd.Stopped,
    };

    /// <summary>What a process of this node has ended with is opened by a process of its own first, where one can be started.</summary>
    private static IJobRuntimeFactory Guarded(NodeOptions options, JobParts parts, ProgramStart? program, ILoggerFactory loggers)
    {
        // the end of a child is seen by its parent
        if (program is null || options.Parent is not null) return parts.Runtimes;
        string folder = Path.Combine(Path.GetFullPath(options.StateRoot ?? options.DataRoot ?? "."), "node", "opening");
        var marks = new OpeningMarks(folder, loggers.CreateLogger<OpeningMarks>());
        var rehearsal = new OpeningRehearsal(program, parts.Specs, folder, options.DataRoot, loggers.CreateLogger<OpeningRehearsal>());
        return new GuardedRuntimes(parts.Runtimes, parts.Specs, marks, rehearsal);
    }

    private static async Task JoinAsync(Akka.Cluster.Cluster cluster, NodeOptions options, IReadOnlyList<string> peers, Task joined, VersionGate versions,
        TimeProvider time, CancellationToken cancellationToken)
    {
        Address At(string endpoint) => Address.Parse($"{NodeConfiguration.Protocol(options)}://{SystemName}@{endpoint}");
        if (options.Join.Length > 0) cluster.JoinSeedNodes(options.Join.Select(At));
        else
        {
            var living = await LivingAsync(peers, time, cancellationToken).ConfigureAwait(false);
            if (living.Count == 0) cluster.Join(cluster.SelfAddress);
            // first in the list: it begins a cluster of its own where all others say that they are in none
            else cluster.JoinSeedNodes([cluster.SelfAddress, .. living.Select(At)]);
        }
        string whom = options.Join.Length == 0 ? "a cluster of its own" : string.Join(", ", options.Join);
        try
        {
            var limit = TimeSpan.FromSeconds(options.JoinTimeout);
            var first = await Task.WhenAny(joined, versions.Refused).WaitAsync(limit, time, cancellationToken).ConfigureAwait(false);
            if (first == versions.Refused) throw new JoinRefusedException($"could not join {whom}: {await versions.Refused.ConfigureAwait(false)}");
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"could not join {whom} within {options.JoinTimeout:0.#} s: check that a coordinator runs there and that its port is reachable");
        }
    }

    /// <summary>Those of the addresses at which somebody listens: only they are worth the wait for an answer (<c>seed-node-timeout</c>).</summary>
    private static async Task<IReadOnlyList<string>> LivingAsync(IReadOnlyList<string> peers, TimeProvider time, CancellationToken cancellationToken)
    {
        var answers = await Task.WhenAll(peers.Select(peer =>
        {
            int colon = peer.LastIndexOf(':');
            return PortProbe.AskAsync(peer[..colon].Trim('[', ']'), int.Parse(peer[(colon + 1)..], CultureInfo.InvariantCulture), time, cancellationToken);
        })).ConfigureAwait(false);
        return [.. peers.Where((_, i) => answers[i] == PortAnswer.Accepted)];
    }

    /// <param name="peers">Where the addresses come from that led to the cluster; null = from the node's settings.</param>
    private static async Task CheckJournalsAsync(Akka.Cluster.Cluster cluster, string journalId, string place, KnownPeers? peers)
    {
        try
        {
            CoordinatorSingleton.CheckJournals(cluster, journalId, place);
        }
        catch (SpecException e)
        {
            // the others must not take it for lost
            await CoordinatedShutdown.Get(cluster.System).Run(CoordinatedShutdown.ClrExitReason.Instance).ConfigureAwait(false);
            if (peers is null) throw;
            peers.Forget();
            throw new SpecException("journal", $"{e.Violations[0].Message}; where this node's former peers were there is another cluster now: "
                + $"it was led there by '{peers.Path}', which is deleted now, so that its next start begins a cluster of its own");
        }
    }

    private static TcpTensorChannel OpenChannel(NodeOptions options, IPAddress bind, NodeTls? tls, NodeId id, ILoggerFactory loggers, TimeProvider time)
    {
        return TcpTensorChannel.Start(id, new TcpTensorChannelOptions
        {
            Secret = TensorSecret(options, tls),
            Bind = bind,
            Port = options.TensorPort,
            AdvertisedHost = options.AdvertisedHost,
            MaximumFrameBytes = options.TensorFrameBytes,
            WindowBytes = options.TensorWindowBytes,
            MaximumWaitingFrames = options.TensorQueue,
            MaximumConnections = options.TensorConnections,
            MaximumHandshakes = options.TensorHandshakes,
            Wrap = tls is null ? null : new TensorTls(tls).WrapAsync,
            VerifyPeer = tls is null ? null : new TensorTls(tls).Problem,
        }, loggers.CreateLogger<TcpTensorChannel>(), time);
    }

    /// <summary>
    /// Without TLS a cluster is confined to loopback (NodeOptions.Validate); with it the certificates authenticate, and a secret of the cluster's
    /// own comes on top where one is set.
    /// </summary>
    internal static byte[] TensorSecret(NodeOptions options, NodeTls? tls) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"distopt tensor channel:{tls?.AuthorityHash}{options.Secret}"));

    /// <exception cref="SpecException">No address, and no name of one.</exception>
    internal static async Task<IPAddress> AddressOfAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var address)) return address;
        try
        {
            return (await Dns.GetHostAddressesAsync(host, cancellationToken).ConfigureAwait(false))[0];
        }
        catch (SocketException e)
        {
            throw new SpecException("bind", $"'{host}' is no address of this machine: {e.Message}");
        }
    }

    /// <summary>Ports are tried first, so that one in use is one clear line and not a stack from the depths of a transport.</summary>
    private static IEnumerable<SpecViolation> PortsInUse(NodeOptions options)
    {
        if (!IPAddress.TryParse(options.Bind == "localhost" ? "127.0.0.1" : options.Bind, out var address)) yield break;
        foreach (var (name, port) in new[] { ("port", options.Port), ("tensor-port", options.TensorPort), ("api-port", options.ApiPort) })
        {
            if (port == 0) continue;
            string? problem = null;
            try
            {
                using var listener = new TcpListener(address, port) { ExclusiveAddressUse = true };
                listener.Start();
                listener.Stop();
            }
            catch (SocketException e)
            {
                problem = e.SocketErrorCode == SocketError.AddressAlreadyInUse ? "is in use: stop what listens there, or choose another port (0 = any free one)"
                    : $"cannot be listened on at {address}: {e.Message}";
            }
            if (problem is not null) yield return new SpecViolation(name, $"{port} {problem}");
        }
    }
}
