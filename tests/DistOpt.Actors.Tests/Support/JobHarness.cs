using System.Collections.Concurrent;
using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Training;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Support;

/// <summary>
/// Several nodes in one actor system, joined by a local tensor network; the first one coordinates. Nodes can be killed and others can join.
/// </summary>
internal sealed class JobHarness : IAsyncDisposable
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<JobId, bool> _submitted = new();
    private readonly ActorSystem _system;
    private readonly LocalTensorNetwork _network = new();
    private readonly LocalNodes _local;
    private readonly List<Node> _nodes = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _slots;
    private readonly bool _isAlone;
    private readonly DurableSinks? _durable;
    private readonly System.Collections.Concurrent.ConcurrentDictionary<int, bool> _dead = [];
    private readonly TaskCompletionSource<NodeId> _stopIsSent = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Those who have begun to leave, and tell every coordinator so.</summary>
    private readonly System.Collections.Concurrent.ConcurrentDictionary<int, bool> _leaving = [];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _coordinatorNode;

    // by node and actor: questions that were delivered, and answers that were given
    private readonly System.Collections.Concurrent.ConcurrentDictionary<(NodeId Node, string Actor), int> _asked = [];
    private readonly System.Collections.Concurrent.ConcurrentDictionary<(NodeId Node, string Actor), int> _answered = [];
    private readonly System.Collections.Concurrent.ConcurrentDictionary<NodeId, long> _linesSeen = [];
    private int _probes;

    /// <summary>Environment variable by which the turns of all actors come late at random: see <see cref="DelayingExecutorConfigurator"/>.</summary>
    private const string DelaysVariable = "DISTOPT_TEST_DELAYS";

    private static TimeSpan Patience => Eventually.Patience;

    /// <param name="roles">Roles of each node; null = worker and server for all.</param>
    /// <param name="isJournaled">Whether the coordinator remembers its jobs in a journal (in memory), so that another can go on with them.</param>
    public JobHarness(IReadOnlyList<LinearRuntime> runtimes, int slots = 100, string hocon = "", bool isAlone = false, IReadOnlyList<string[]>? roles = null,
        bool isJournaled = false)
    {
        (_slots, _isAlone) = (slots, isAlone);
        if (isJournaled) _durable = new DurableSinks();
        if (Environment.GetEnvironmentVariable(DelaysVariable) == "1") hocon = DelayingExecutorConfigurator.Hocon + "\n" + hocon;
        _system = ActorSystem.Create("test", ConfigurationFactory.ParseString(
            "akka { stdout-loglevel = OFF\n loglevel = OFF\n loggers = []\n persistence { journal.plugin = akka.persistence.journal.inmem\n "
            + "snapshot-store.plugin = akka.persistence.snapshot-store.inmem } }\n" + hocon).WithFallback(NodeServices.Hocon));
        _local = new LocalNodes
        {
            OnDelivery = (to, delivery) =>
            {
                Wires.Add(delivery);
                if (delivery.Body is AskWaiting) _asked.AddOrUpdate((to, delivery.Actor), 1, (_, n) => n + 1);
                if (delivery.Body is LinesSeen seen) _linesSeen.AddOrUpdate(to, seen.Last, (_, last) => Math.Max(last, seen.Last));
                Trace.Enqueue($"{delivery.From}->{to} {delivery.Actor} {delivery.Body}");
                Tell();
            },
        };
        for (int i = 0; i < runtimes.Count; i++) Add(runtimes[i], roles?[i]);
        BeginCoordinator(0);
    }

    /// <summary>Every control message so far.</summary>
    public System.Collections.Concurrent.ConcurrentBag<NodeDelivery> Wires { get; } = [];

    public System.Collections.Concurrent.ConcurrentQueue<string> Trace { get; } = new();

    public string? CheckpointDirectory { get; set; }

    public bool Resumes { get; set; }

    /// <summary>Set where the next jobs are attempts at a trial.</summary>
    public TrialPart? Trial { get; set; }

    /// <summary>Bytes that a node keeps when it was asked to give back what it can, by its number.</summary>
    public Func<int, long> KeptMemory { get; set; } = _ => 0;

    /// <summary>How nodes see a path of shared storage, by node number and path.</summary>
    public Func<int, string, string> SharedFolder { get; set; } = (_, path) => path;

    /// <summary>A node joins. Returns its number.</summary>
    public int Join(LinearRuntime runtime, params string[] roles)
    {
        int index = Add(runtime, roles.Length == 0 ? null : roles);
        Offer(index);
        return index;
    }

    /// <summary>A worker node that can start child processes joins. Returns its number.</summary>
    public int JoinHost(LinearRuntime runtime, int slots, int processes, long? memory = null, int? gpus = null)
    {
        int index = Add(runtime, ["worker", "server"]);
        _nodes[index] = _nodes[index] with { Slots = slots, TrialProcesses = processes, MemoryBytes = memory, Gpus = gpus };
        Offer(index);
        return index;
    }

    /// <summary>A child process of a node joins. Returns its number.</summary>
    public int JoinChild(LinearRuntime runtime, int parent, int gpus = 0)
    {
        int index = Add(runtime, ["trial"], _nodes[parent].Id);
        _nodes[index] = _nodes[index] with { Gpus = gpus };
        Offer(index);
        return index;
    }

    /// <summary>A node says again what it offers, as it does every few seconds.</summary>
    public void Offer(int index)
    {
        var node = _nodes[index];
        var offer = new NodeOffer(new WirePeer(node.Id, "", 0), node.Services.Name, node.Roles, node.Slots, ProtocolVersion.Current.ToString())
        {
            Leaving = _leaving.ContainsKey(index),
            Parent = node.Parent,
            TrialProcesses = node.TrialProcesses,
            MemoryBytes = node.MemoryBytes,
            Gpus = node.Gpus,
            TrialMemoryBytes = node.MemoryBytes / node.TrialProcesses ?? 0,
        };
        node.Services.Router.Send(_nodes[_coordinatorNode].Id, default, NodeActors.Jobs, offer);
    }

    /// <summary>A node dies at once, and nobody hears of it yet.</summary>
    public Task DieAsync(int index) => StopAsync(index);

    /// <summary>A node dies at once, with everything on it; the coordinator hears of it.</summary>
    public async Task KillAsync(int index)
    {
        var node = _nodes[index];
        await StopAsync(index);
        Coordinator.Tell(new NodeGone(node.Id, "it was killed"), ActorRefs.NoSender);
    }

    /// <summary>A node wants to leave: it hands over, hears that nobody needs it any more, and only then ends.</summary>
    public async Task LeaveAsync(int index, CancellationToken cancellationToken)
    {
        var node = _nodes[index];
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Agent.Tell(new HostHere(_system.ActorOf(Props.Create(() => new Host(released)))), ActorRefs.NoSender);
        _leaving[index] = true;
        Offer(index);
        await released.Task.WaitAsync(Patience, cancellationToken);
        await StopAsync(index);
        Coordinator.Tell(new NodeGone(node.Id, "it left"), ActorRefs.NoSender);
    }

    /// <summary>The coordinator takes a node for dead that is not: it goes on and reaches everybody.</summary>
    public void Suspect(int index) => Coordinator.Tell(new NodeGone(_nodes[index].Id, "it was thought dead"), ActorRefs.NoSender);

    /// <summary>What servers and replicas have said of whom they wait for, also what reached nobody.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<(NodeId From, Waiting What)> Said { get; } = new();

    private void OnAnswer(NodeId from, Waiting waiting)
    {
        Said.Enqueue((from, waiting));
        // "server 0 on name-1", also as a backup, or "replica 2 on name-1"
        string[] words = waiting.Actor.Split(" on ")[0].Split(' ');
        string actor = words[^2] == "server" ? NodeActors.Server(int.Parse(words[^1], CultureInfo.InvariantCulture)) : NodeActors.Replica;
        _answered.AddOrUpdate((from, actor), 1, (_, n) => n + 1);
        Tell();
    }

    private void Tell() => Interlocked.Exchange(ref _news, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    public NodeId IdOf(int index) => _nodes[index].Id;

    /// <summary>Tensor frames that wait at a node for somebody to listen.</summary>
    public int Unclaimed(int index) => _network.Unclaimed(_nodes[index].Id);

    /// <summary>Sees every tensor frame before it is sent, with the channel of its sender.</summary>
    public Action<ITensorChannel, TensorPeer, TensorHeader, IWireMessage?, TensorLease>? OnFrame { get; set; }

    /// <summary>Sees who listens for tensor frames.</summary>
    public Action<TensorAddress, ITensorReceiver>? OnListen { get; set; }

    /// <summary>Tensor frames of a node that are lost on the way, since it dies before all that it has sent is out.</summary>
    public Func<NodeId, TensorHeader, bool>? Loses { get; set; }

    /// <summary>Tensor frames that do not go out before <see cref="LetGo"/>.</summary>
    public Func<TensorHeader, bool>? Holds { get; set; }

    private readonly System.Collections.Concurrent.ConcurrentQueue<(TensorHeader Header, Action Send)> _held = new();

    /// <summary>Control messages that do not go out before <see cref="LetGoMessages"/>.</summary>
    public Func<IWireMessage, bool>? HoldsMessage { get; set; }

    private readonly System.Collections.Concurrent.ConcurrentQueue<Action> _heldMessages = new();

    // whoever is about to hold something has either done so before it is let go, or sees that nothing is held any more
    private readonly Lock _holding = new();

    /// <summary>Sends all control messages that were held, and holds no more.</summary>
    public void LetGoMessages()
    {
        lock (_holding) HoldsMessage = null;
        while (_heldMessages.TryDequeue(out var send)) send();
    }

    /// <summary>Sends what was held, of the frames that are meant; others stay.</summary>
    public void LetGo(Func<TensorHeader, bool> isMeant)
    {
        lock (_holding)
        {
            var holds = Holds;
            Holds = h => holds?.Invoke(h) == true && !isMeant(h);
        }
        for (int i = _held.Count; i > 0 && _held.TryDequeue(out var held); i--)
        {
            if (isMeant(held.Header)) held.Send();
            else _held.Enqueue(held);
        }
    }

    /// <summary>The clock of all nodes; their timers are those of the actor system.</summary>
    public ShiftedTime Time { get; } = new();

    /// <summary>
    /// Puts the clock forward, again and again, until the job says for whom it waits: at first something may still be under way that is progress.
    /// Wants a <c>worker_timeout</c> that is longer than that.
    /// </summary>
    public async Task<JobStatus> WaitingAsync(Func<string, bool> isAsWanted, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        using var now = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        await _ready.Task.WaitAsync(limit.Token);
        string? latest = null;
        while (true)
        {
            var list = await Coordinator.Ask<JobList>(new ListJobs(), limit.Token);
            if (list.Jobs.FirstOrDefault(j => j.Waiting is { } whom && isAsWanted(whom)) is { } status) return status;
            if (list.Jobs.FirstOrDefault(j => j.SummaryJson is not null) is { } ended) Assert.Fail(ended.SummaryJson!);
            latest = list.Jobs.FirstOrDefault(j => j.Waiting is not null)?.Waiting ?? latest;
            Time.Advance(TimeSpan.FromSeconds(5));
            await now.WaitForNextTickAsync(CancellationToken.None);
            if (limit.IsCancellationRequested) Assert.Fail($"the job waits for {latest ?? "nobody"}");
        }
    }

    /// <summary>The timers of all actors, where they are a test scheduler's (<see cref="VirtualTimers"/>).</summary>
    public Akka.TestKit.TestScheduler Scheduler => (Akka.TestKit.TestScheduler)_system.Scheduler;

    /// <summary>Settings with which no timer goes off by itself.</summary>
    public const string VirtualTimers = "akka.scheduler.implementation = \"Akka.TestKit.TestScheduler, Akka.TestKit\"\n";

    /// <summary>From now on nothing that it sends goes out and nothing reaches it, however long its actors take to stop.</summary>
    private void Die(int index)
    {
        _dead[index] = true;
        _local.Remove(_nodes[index].Id);
    }

    private async Task StopAsync(int index)
    {
        var node = _nodes[index];
        Die(index);
        Trace.Enqueue($"KILL {node.Id}");
        await node.Agent.GracefulStop(Patience);
    }

    /// <summary>The coordinator's node dies at once; what it had sent and not stored is lost.</summary>
    public async Task KillCoordinatorAsync()
    {
        Die(_coordinatorNode);
        await Coordinator.GracefulStop(Patience);
        await StopAsync(_coordinatorNode);
    }

    /// <summary>Another node takes the coordinator's place and reads the journal. Returns its number.</summary>
    public int RestartCoordinator(LinearRuntime runtime, params string[] roles)
    {
        int index = Add(runtime, roles);
        BeginCoordinator(index);
        return index;
    }

    private void BeginCoordinator(int index)
    {
        _coordinatorNode = index;
        var node = _nodes[index];
        if (_durable is null)
        {
            Coordinator = _system.ActorOf(JobCoordinatorActor.Props(node.Services), $"jobs-{index}");
            Ready(Coordinator);
            return;
        }
        Action<IActorRef> onReady = Ready;
        var ready = _system.ActorOf(Props.Create(() => new Relay(onReady)));
        Coordinator = _system.ActorOf(JobCoordinatorActor.Props(node.Services, null,
            new JobCoordinatorSetup { Journal = _durable, Sinks = _durable, Relay = ready }), $"jobs-{index}");

        void Ready(IActorRef coordinator)
        {
            node.Agent.Tell(new CoordinatorHere(coordinator));
            var alive = Enumerable.Range(0, _nodes.Count).Where(i => !_dead.ContainsKey(i)).ToList();
            coordinator.Tell(new NodesPresent(alive.Select(i => _nodes[i].Id).ToHashSet()), ActorRefs.NoSender);
            foreach (int i in alive) Offer(i);
            _ready.TrySetResult();
        }
    }

    /// <summary>Waits until every server of the job that is running has a backup which can take over.</summary>
    public async Task SeededAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var news = Volatile.Read(ref _news).Task;
            var list = await Coordinator.Ask<JobList>(new ListJobs(), cancellationToken);
            if (list.Jobs.All(j => j is { State: "training", Unprotected: null, Step: > 0 } or { SummaryJson: not null })) return;
            await news.WaitAsync(Patience, cancellationToken);
        }
    }

    /// <summary>Interrupts the job that is running, and waits until the server that plans steps has taken that in.</summary>
    public async Task InterruptAsync(CancellationToken cancellationToken)
    {
        Coordinator.Tell(new StopJob(new JobId("job-1"), StopReason.Interrupted), ActorRefs.NoSender);
        await StopIsKnownAsync(cancellationToken);
    }

    /// <summary>Waits until the server that plans steps has taken in that the run is to stop, whoever decided it.</summary>
    public async Task StopIsKnownAsync(CancellationToken cancellationToken)
    {
        var planner = await _stopIsSent.Task.WaitAsync(Patience, cancellationToken);
        await TakenInAsync(_nodes.FindIndex(n => n.Id == planner), NodeActors.Server(0), cancellationToken);
    }

    /// <summary>
    /// Waits until a server, or the replica of a node, has taken in everything that was delivered to it before: it takes messages in turn, and what it
    /// is asked now it answers after them.
    /// </summary>
    public async Task TakenInAsync(int node, string actor, CancellationToken cancellationToken)
    {
        var key = (IdOf(node), actor);
        SendAs(_coordinatorNode, node, actor, new AskWaiting());
        int asked = _asked[key];
        await UntilAsync(() => _answered.GetValueOrDefault(key) >= asked, cancellationToken);
    }

    /// <summary>Asks a server, or the replica of a node, whom it waits for, until it says what is wanted.</summary>
    public async Task<Waiting> SaysAsync(int node, string actor, Func<Waiting, bool> isWanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            int said = Said.Count;
            await TakenInAsync(node, actor, cancellationToken);
            if (Said.Skip(said).Where(s => s.From == IdOf(node) && isWanted(s.What)).Select(s => s.What).FirstOrDefault() is { } found) return found;
        }
    }

    /// <summary>Waits until the coordinator of the job, whose training has begun, has taken in everything that was told to it before.</summary>
    public async Task CoordinatorIsDoneAsync(CancellationToken cancellationToken)
    {
        // lines are no progress of the job; that they are logged is told to whoever wrote them
        int probe = Interlocked.Increment(ref _probes);
        var line = new LogLines([new WireLogLine("test", "test", "information", "a question of the test")]) { First = probe, Stream = ProbeStream };
        SendAs(_coordinatorNode, _coordinatorNode, NodeActors.Training, line);
        await HeardAsync(w => w.Body is LinesSeen { Stream: ProbeStream } seen && seen.Last >= probe, 1, cancellationToken);
    }

    private const long ProbeStream = 999_999;

    /// <summary>Waits until so many lines that a node wrote are in the job's log.</summary>
    public Task LoggedAsync(int node, long lines, CancellationToken cancellationToken) =>
        UntilAsync(() => _linesSeen.GetValueOrDefault(IdOf(node)) >= lines, cancellationToken);

    /// <summary>Waits until all nodes that are alive are known to the coordinator: what it would do with some of them is not what it does with all.</summary>
    private async Task PresentAsync(CancellationToken cancellationToken)
    {
        // children are told with their parents
        while ((await NodesAsync(cancellationToken)).Nodes.Sum(n => 1 + n.TrialProcesses) < _nodes.Count - _dead.Count) await Task.Yield();
    }

    /// <summary>Waits until so many messages of a kind have been delivered.</summary>
    public Task HeardAsync(Func<NodeDelivery, bool> isMeant, int count, CancellationToken cancellationToken) =>
        UntilAsync(() => Wires.Count(isMeant) >= count, cancellationToken);

    /// <summary>Looks again with every message that is delivered or answered.</summary>
    private async Task UntilAsync(Func<bool> holds, CancellationToken cancellationToken)
    {
        while (true)
        {
            var news = Volatile.Read(ref _news).Task;
            if (holds()) return;
            await news.WaitAsync(Patience, cancellationToken);
        }
    }

    /// <summary>User code of a node writes a line.</summary>
    public void Write(int index, string text) =>
        _nodes[index].Agent.Tell(new NodeOutput([new WireLogLine(_nodes[index].Services.Name, "stdout", "information", text)]), ActorRefs.NoSender);

    /// <summary>The status of the job that is running, once it is as wanted.</summary>
    public async Task<JobStatus> StatusAsync(Func<JobStatus, bool> isAsWanted, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        while (true)
        {
            // attempts at trials are not among those that are listed
            foreach (var job in _submitted.Keys)
                if ((await Coordinator.Ask<JobFound>(new FindJob(job), limit.Token)).Status is { } status && isAsWanted(status)) return status;
        }
    }

    /// <summary>The nodes that the coordinator knows.</summary>
    public Task<NodeList> NodesAsync(CancellationToken cancellationToken) => Coordinator.Ask<NodeList>(new ListNodes(), cancellationToken);

    /// <summary>From the host, to the coordinator.</summary>
    public void Tell(NodeGone gone) => Coordinator.Tell(gone, ActorRefs.NoSender);

    /// <summary>A message that a node, dead or alive, has sent.</summary>
    public void SendAs(int from, int to, string actor, IWireMessage body, string job = "job-1") =>
        _nodes[from].Line.Send(_nodes[to].Id, new JobId(job), actor, body);

    /// <param name="Line">Sends for it whether it is dead or alive, and nothing is held.</param>
    private sealed record Node(NodeId Id, NodeServices Services, INodeRouter Line, IActorRef Agent, string[] Roles, NodeId? Parent, int Slots)
    {
        public int TrialProcesses { get; init; }

        public long? MemoryBytes { get; init; }

        public int? Gpus { get; init; }
    }

    private int Add(LinearRuntime runtime, string[]? roles, NodeId? parent = null)
    {
        int i = _nodes.Count;
        var id = new NodeId($"node-{i}");
        var line = new LocalNodeRouter(id, _local);
        var services = new NodeServices
        {
            Name = $"name-{i}",
            Router = new WatchedRouter(line, this, i),
            Channel = new WatchedChannel(_network.Open(id), this, i),
            SharedFolder = path => SharedFolder(i, path),
            IsAlone = _isAlone,
            HoldsOneJob = parent is not null,
            ReturnMemory = () => KeptMemory(i),
            Time = Time,
            Runtimes = new JobRuntimes(runtime),
            Specs = new SameSpec(this),
            Optimizer = spec => OptimizerCatalog.Default.Get(spec.Optimizer.Kind)(spec.Optimizer.Options!),
            Schedule = spec => ScheduleCatalog.Default.Get(spec.Schedule.Kind)(spec.Schedule.Options!),
        };
        var agent = _system.ActorOf(NodeAgentActor.Props(services), $"agent-{i}");
        _local.Add(id, agent);
        _nodes.Add(new Node(id, services, line, agent, roles ?? ["worker", "server"], parent, _slots));
        return i;
    }

    public IActorRef Coordinator { get; private set; } = ActorRefs.Nobody;

    public TrainingSpec Spec { get; private set; } = new();

    /// <summary>A resolved spec for <see cref="LinearRuntime"/>.</summary>
    public static TrainingSpec SpecOf(int workers = 2, int servers = 1, int shards = 4, int epochs = 2, int batch = 10) => new TrainingSpec
    {
        Optimizer = new OptimizerSpec("adam", new AdamOptions { LearningRate = 1e-3 }),
        Schedule = new ScheduleSpec { Options = new ConstantScheduleOptions() },
        Batch = new BatchSpec("fixed", new FixedBatchOptions { Size = batch }),
        Training = new TrainingSection { Workers = workers, Servers = servers, GradientShards = shards, Epochs = epochs },
        Evaluate = new EvaluateSection { BatchSize = 7 },
    };

    /// <summary>The spec with an update that wants norms of whole tensors twice a step, and clipping by the global norm.</summary>
    public static TrainingSpec WithNorms(TrainingSpec spec) => spec with
    {
        Optimizer = new OptimizerSpec("lamb", new LambOptions { LearningRate = 1e-2, WeightDecay = 0.01 }),
        Regularization = new RegularizationSection { L2 = 1e-4, Biases = true },
        Clip = new ClipSection { GlobalNorm = 1 },
    };

    public async Task<(JobEnded End, RecordingSink Sink)> RunAsync(TrainingSpec spec, CancellationToken cancellationToken, string job = "job-1",
        RecordingSink? sink = null, TrialPart? trial = null)
    {
        Spec = spec;
        sink ??= new RecordingSink();
        await PresentAsync(cancellationToken);
        var ended = new TaskCompletionSource<JobEnded>(TaskCreationOptions.RunContinuationsAsynchronously);
        var submitter = _system.ActorOf(Props.Create(() => new Submitter(Coordinator, ended, Waits)));
        _submitted[new JobId(job)] = true;
        submitter.Tell(new SubmitJob(new JobId(job), spec, _ => sink, CheckpointDirectory, Resumes) { Trial = trial ?? Trial });
        return (await ended.Task.WaitAsync(2 * Patience, cancellationToken), sink);
    }

    /// <summary>Runs a job until one of its runtimes is about to compute the step, and interrupts it there.</summary>
    public async Task<RunSummary> InterruptAsync(TrainingSpec spec, LinearRuntime runtime, long step, CancellationToken cancellationToken)
    {
        var gate = new StepGate(step);
        runtime.BeforeLeaf = gate.Pass;
        var run = RunAsync(spec, cancellationToken);
        await gate.Reached(cancellationToken);
        await InterruptAsync(cancellationToken);
        gate.Release();
        var (end, _) = await run;
        Assert.True(end.Summary.Status == RunStatus.Interrupted, $"{end.Summary.Status} {end.Summary.Error}");
        return end.Summary;
    }

    /// <summary>Runs a job that outlives its coordinator.</summary>
    public async Task<(RunSummary Summary, RecordingSink Sink)> RunDurableAsync(TrainingSpec spec, string directory, CancellationToken cancellationToken,
        string job = "job-1")
    {
        Spec = spec;
        var id = new JobId(job);
        await _ready.Task.WaitAsync(Patience, cancellationToken);
        await PresentAsync(cancellationToken);
        _submitted[id] = true;
        await Coordinator.Ask<JobAccepted>(new SubmitDurableJob(id, spec, directory, null), Patience, cancellationToken);
        await _durable!.EndOf(id).WaitAsync(2 * Patience, cancellationToken);
        return (_durable.Sink.Summary!, _durable.Sink);
    }

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _network.Dispose();
    }

    private sealed class SameSpec(JobHarness owner) : ISpecCodec
    {
        public TrainingSpec Read(string yaml) => owner.Spec;

        public string Write(TrainingSpec spec) => "the spec of the harness";
    }

    /// <summary>What submitters of attempts at trials were told that those wait for.</summary>
    public ConcurrentQueue<JobWaits> Waits { get; } = new();

    private sealed class Submitter : ReceiveActor
    {
        public Submitter(IActorRef coordinator, TaskCompletionSource<JobEnded> ended, ConcurrentQueue<JobWaits> waits)
        {
            Receive<JobWaits>(waits.Enqueue);
            Receive<SubmitJob>(submit => coordinator.Tell(submit));
            Receive<JobEnded>(end => ended.TrySetResult(end));
        }
    }

    private sealed class WatchedRouter(INodeRouter inner, JobHarness owner, int index) : INodeRouter
    {
        public NodeId Self => inner.Self;

        public void Send(NodeId to, JobId job, string actor, IWireMessage body)
        {
            if (body is Waiting waiting) owner.OnAnswer(Self, waiting);
            if (owner._dead.ContainsKey(index)) return;
            lock (owner._holding)
            {
                if (owner.HoldsMessage?.Invoke(body) == true)
                {
                    owner._heldMessages.Enqueue(() => inner.Send(to, job, actor, body));
                    return;
                }
            }
            inner.Send(to, job, actor, body);
            if (body is RequestStop) owner._stopIsSent.TrySetResult(to);
        }
    }

    private sealed class WatchedChannel(ITensorChannel inner, JobHarness owner, int index) : ITensorChannel
    {
        public TensorPeer Self => inner.Self;

        public IDisposable Listen(TensorAddress address, ITensorReceiver receiver)
        {
            owner.OnListen?.Invoke(address, receiver);
            return inner.Listen(address, receiver);
        }

        public void Send(TensorPeer to, in TensorHeader header, IWireMessage? meta, TensorLease payload)
        {
            if (owner._dead.ContainsKey(index))
            {
                payload.Dispose();
                return;
            }
            owner.OnFrame?.Invoke(inner, to, header, meta, payload);
            if (owner.Loses?.Invoke(inner.Self.Node, header) == true)
            {
                payload.Dispose();
                return;
            }
            var sent = header;
            lock (owner._holding)
            {
                if (owner.Holds?.Invoke(sent) == true)
                {
                    owner._held.Enqueue((sent, () => inner.Send(to, sent, meta, payload)));
                    return;
                }
            }
            inner.Send(to, header, meta, payload);
        }

        public void Forget(NodeId node) => inner.Forget(node);

        public void ForgetJob(ulong job) => inner.ForgetJob(job);
    }

    private sealed class Host : ReceiveActor
    {
        public Host(TaskCompletionSource released) => Receive<NodeDelivery>(d =>
        {
            if (d.Body is NodeReleased) released.TrySetResult();
        });
    }

    private sealed class Relay : ReceiveActor
    {
        public Relay(Action<IActorRef> ready) => Receive<CoordinatorReady>(r => ready(r.Coordinator));
    }

    /// <summary>The run directory of one durable job, which stays when coordinators go.</summary>
    private sealed class DurableSinks : IJobSinks, IJobJournal
    {
        private readonly System.Collections.Concurrent.ConcurrentDictionary<JobId, TaskCompletionSource> _ends = new();

        public RecordingSink Sink { get; } = new();

        public Task EndOf(JobId job) => _ends.GetOrAdd(job, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public IRunSink Open(JobId job, TrainingSpec spec, string directory, IJobRuntime runtime, bool recovered) => Sink;

        public RunSummary? FindEnd(JobId job, string directory) => Sink.Summary;

        public void Ended(JobId job)
        {
            _ = EndOf(job);
            _ends[job].TrySetResult();
        }

        public Task TakeAsync() => Task.CompletedTask;

        public Task<bool> IsHeldAsync() => Task.FromResult(true);

        public void Release() { }
    }
}
