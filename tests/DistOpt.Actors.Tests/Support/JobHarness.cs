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

/// <summary>Several nodes in one actor system, joined by a local tensor network; the first one coordinates.</summary>
internal sealed class JobHarness : IAsyncDisposable
{
    private readonly ActorSystem _system;
    private readonly LocalTensorNetwork _network = new();
    private readonly List<NodeServices> _services = [];

    public JobHarness(IReadOnlyList<LinearRuntime> runtimes, int slots = 100, string hocon = "", bool isAlone = false)
    {
        _system = ActorSystem.Create("test", ConfigurationFactory.ParseString(
            "akka { stdout-loglevel = OFF\n loglevel = OFF\n loggers = [] }\n" + hocon).WithFallback(NodeServices.Hocon));
        var local = new LocalNodes();
        var ids = runtimes.Select((_, i) => new NodeId($"node-{i}")).ToList();
        for (int i = 0; i < ids.Count; i++)
        {
            var services = new NodeServices
            {
                Name = $"name-{i}",
                Router = new LocalNodeRouter(ids[i], local),
                Channel = _network.Open(ids[i]),
                IsAlone = isAlone,
                Runtimes = new JobRuntimes(runtimes[i]),
                Specs = new SameSpec(this),
                Optimizer = spec => OptimizerCatalog.Default.Get(spec.Optimizer.Kind)(spec.Optimizer.Options!),
                Schedule = spec => ScheduleCatalog.Default.Get(spec.Schedule.Kind)(spec.Schedule.Options!),
            };
            _services.Add(services);
            var agent = _system.ActorOf(NodeAgentActor.Props(services), $"agent-{i}");
            local.Add(ids[i], agent);
            if (i == 0)
            {
                Coordinator = _system.ActorOf(JobCoordinatorActor.Props(services), "jobs");
                agent.Tell(new CoordinatorHere(Coordinator));
            }
        }
        for (int i = 0; i < ids.Count; i++)
        {
            var offer = new NodeOffer(new WirePeer(ids[i], "", 0), $"name-{i}", ["worker", "server"], slots, ProtocolVersion.Current);
            _services[i].Router.Send(ids[0], default, NodeActors.Jobs, offer);
        }
    }

    public IActorRef Coordinator { get; } = null!;

    public TrainingSpec Spec { get; private set; } = new();

    /// <summary>A resolved spec for <see cref="LinearRuntime"/>.</summary>
    public static TrainingSpec SpecOf(int workers = 2, int servers = 1, int shards = 4, int epochs = 2, int batch = 10) => new TrainingSpec
    {
        Optimizer = new PluginSpec("adam", new AdamOptions { LearningRate = 1e-3 }),
        Schedule = new PluginSpec("constant", Activator.CreateInstance(ScheduleCatalog.Default.Entries.Single(e => e.Name == "constant").OptionsType)),
        Batch = new PluginSpec("fixed", new FixedBatchOptions { Size = batch }),
        Training = new TrainingSection { Workers = workers, Servers = servers, GradientShards = shards, Epochs = epochs },
        Evaluate = new EvaluateSection { BatchSize = 7 },
    };

    public async Task<(JobEnded End, RecordingSink Sink)> RunAsync(TrainingSpec spec, CancellationToken cancellationToken, string job = "job-1")
    {
        Spec = spec;
        var sink = new RecordingSink();
        var ended = new TaskCompletionSource<JobEnded>(TaskCreationOptions.RunContinuationsAsynchronously);
        var submitter = _system.ActorOf(Props.Create(() => new Submitter(Coordinator, ended)));
        submitter.Tell(new SubmitJob(new JobId(job), spec, _ => sink));
        return (await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken), sink);
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

    private sealed class Submitter : ReceiveActor
    {
        public Submitter(IActorRef coordinator, TaskCompletionSource<JobEnded> ended)
        {
            Receive<SubmitJob>(submit => coordinator.Tell(submit));
            Receive<JobEnded>(end => ended.TrySetResult(end));
        }
    }
}
