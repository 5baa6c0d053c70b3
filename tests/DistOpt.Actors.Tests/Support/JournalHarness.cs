using System.Collections.Concurrent;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Akka.Pattern;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Training;
using DistOpt.Core.Jobs;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Support;

/// <summary>One node whose job coordinator has a journal in memory and is begun anew when it stops, as a cluster does it.</summary>
internal sealed class JournalHarness : IAsyncDisposable, ISpecCodec, IJobSinks, IJobJournal
{
    private readonly ActorSystem _system;
    private readonly LocalTensorNetwork _network = new();
    private readonly Channel<IActorRef> _ready = Channel.CreateUnbounded<IActorRef>();
    private readonly ConcurrentDictionary<string, TrainingSpec> _specs = new();
    private readonly string _runs = Directory.CreateTempSubdirectory("distopt-").FullName;
    private readonly INodeRouter _router;
    private readonly IReadOnlyList<JobEvent>? _stored;

    /// <param name="stored">What a former coordinator has left in the journal.</param>
    /// <param name="studies">What studies are run from.</param>
    public JournalHarness(JournalSwitch journal, int slots = 8, IReadOnlyList<JobEvent>? stored = null, IStudySessions? studies = null)
    {
        _stored = stored;
        SwitchJournal.Switch = journal;
        _system = ActorSystem.Create("test", ConfigurationFactory.ParseString(SwitchJournal.Hocon + """

            akka {
              stdout-loglevel = OFF
              loglevel = OFF
              loggers = []
            }
            """).WithFallback(NodeServices.Hocon));
        var id = new NodeId("node");
        var local = new LocalNodes();
        _router = new LocalNodeRouter(id, local);
        var services = new NodeServices
        {
            Name = "node",
            Router = _router,
            Channel = _network.Open(id),
            Runtimes = new JobRuntimes(new LinearRuntime()),
            Specs = this,
            Optimizer = spec => OptimizerCatalog.Default.Get(spec.Optimizer.Kind)(spec.Optimizer.Options!),
            Schedule = spec => ScheduleCatalog.Default.Get(spec.Schedule.Kind)(spec.Schedule.Options!),
        };
        var agent = _system.ActorOf(NodeAgentActor.Props(services), "agent");
        local.Add(id, agent);
        var offer = new NodeOffer(new WirePeer(id, "", 0), "node", ["worker", "server"], slots, ProtocolVersion.Current.ToString());
        Action<IActorRef> onReady = ready =>
        {
            agent.Tell(new CoordinatorHere(ready));
            ready.Tell(new NodeDelivery(default, NodeActors.Jobs, id, offer));
            _ready.Writer.TryWrite(ready);
        };
        var relay = _system.ActorOf(Props.Create(() => new Relay(onReady)));
        var setup = new JobCoordinatorSetup { Journal = this, Sinks = this, Studies = studies, Relay = relay };
        _system.ActorOf(BackoffSupervisor.Props(Backoff.OnStop(JobCoordinatorActor.Props(services, null, setup), "jobs",
            TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(10), 0, -1)));
    }

    /// <summary>Every sink that was opened, and whether for a job that was taken up again.</summary>
    public ConcurrentQueue<(JobId Job, bool Recovered, RecordingSink Sink)> Opened { get; } = new();

    /// <summary>Where <see cref="SubmitAsync"/> has a job write.</summary>
    public string DirectoryOf(string job) => Path.Combine(_runs, job);

    /// <summary>Summaries that run directories hold.</summary>
    public ConcurrentDictionary<string, RunSummary> Ends { get; } = new();

    /// <summary>Names of specs that this build no longer reads.</summary>
    public ConcurrentBag<string> Unreadable { get; } = [];

    public int Taken { get; private set; }

    public int Released { get; private set; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The next coordinator that has read its journal.</summary>
    public async Task<IActorRef> ReadyAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Eventually.Patience);
        return await _ready.Reader.ReadAsync(limit.Token);
    }

    public Task<object> SubmitAsync(IActorRef coordinator, string job, string? key = null, int workers = 2, int epochs = 2, string? name = null)
    {
        var spec = JobHarness.SpecOf(workers, epochs: epochs, shards: Math.Max(4, workers)) with { Name = name ?? job };
        return coordinator.Ask<object>(new SubmitDurableJob(new JobId(job), spec, DirectoryOf(job), key), Eventually.Patience, Token);
    }

    public static async Task<IReadOnlyList<JobStatus>> JobsAsync(IActorRef coordinator) =>
        (await coordinator.Ask<JobList>(new ListJobs(), Eventually.Patience, Token)).Jobs;

    /// <summary>The status of a job once it has ended.</summary>
    public static async Task<JobStatus> EndedAsync(IActorRef coordinator, string job)
    {
        while (true)
        {
            var found = await coordinator.Ask<JobFound>(new FindJob(new JobId(job)), Eventually.Patience, Token);
            if (found.Status!.SummaryJson is not null) return found.Status;
        }
    }

    TrainingSpec ISpecCodec.Read(string yaml)
    {
        if (Unreadable.Contains(_specs[yaml].Name)) throw new SpecException("model.kind", "'gone' is not known");
        return _specs[yaml];
    }

    string ISpecCodec.Write(TrainingSpec spec)
    {
        string text = SpecWriter.Write(spec);
        _specs[text] = spec;
        return text;
    }

    IRunSink IJobSinks.Open(JobId job, TrainingSpec spec, string directory, IJobRuntime runtime, bool recovered)
    {
        Assert.Equal(job.Value, Path.GetFileName(directory));
        var sink = new RecordingSink();
        Opened.Enqueue((job, recovered, sink));
        return sink;
    }

    RunSummary? IJobSinks.FindEnd(JobId job, string directory) => Ends.GetValueOrDefault(directory);

    void IJobSinks.Ended(JobId job) { }

    async Task IJobJournal.TakeAsync()
    {
        if (++Taken > 1 || _stored is not { } events) return;
        foreach (var submitted in events.OfType<JobEvent.Submitted>())
            _specs[submitted.SpecYaml] = JobHarness.SpecOf(epochs: 1_000_000) with { Name = submitted.Name };
        var done = new TaskCompletionSource();
        var writer = _system.ActorOf(Props.Create(() => new Writer(events, done)));
        await done.Task;
        await writer.GracefulStop(Eventually.Patience);
    }

    Task<bool> IJobJournal.IsHeldAsync() => Task.FromResult(true);

    void IJobJournal.Release() => Released++;

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _network.Dispose();
        Directory.Delete(_runs, recursive: true);
    }

    private sealed class Writer : ReceiveActor
    {
        public Writer(IReadOnlyList<JobEvent> events, TaskCompletionSource done)
        {
            var journal = Context.ActorOf(Props.Create(() => new JobJournalActor(new JobLedgerLimits())));
            Receive<JournalRecovered>(_ => journal.Tell(new StoreEvents(1, events)));
            Receive<EventsStored>(_ => done.TrySetResult());
        }
    }

    private sealed class Relay : ReceiveActor
    {
        public Relay(Action<IActorRef> ready) => Receive<CoordinatorReady>(r => ready(r.Coordinator));
    }
}
