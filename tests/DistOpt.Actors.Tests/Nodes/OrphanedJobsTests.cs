using Akka.Actor;
using Akka.Configuration;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Nodes;

/// <summary>What a coordinator that is gone has left on a node.</summary>
public sealed class OrphanedJobsTests : IAsyncDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("test", ConfigurationFactory.ParseString("""
        akka {
          stdout-loglevel = OFF
          loglevel = OFF
          loggers = []
        }
        """).WithFallback(NodeServices.Hocon));

    private readonly LocalTensorNetwork _network = new();
    private readonly IActorRef _agent;
    private readonly IActorRef _child;

    public OrphanedJobsTests()
    {
        var self = new NodeId("node");
        var services = new NodeServices
        {
            Name = "node",
            Router = new LocalNodeRouter(self, new LocalNodes()),
            Channel = _network.Open(self),
            Runtimes = new JobRuntimes(new LinearRuntime()),
            Specs = new AnySpec(),
            Optimizer = spec => OptimizerCatalog.Default.Get(spec.Optimizer.Kind)(spec.Optimizer.Options!),
            Schedule = spec => ScheduleCatalog.Default.Get(spec.Schedule.Kind)(spec.Schedule.Options!),
        };
        _agent = _system.ActorOf(NodeAgentActor.Props(services));
        _child = _system.ActorOf(NodeAgentActor.Props(services with { HoldsOneJob = true }));
    }

    [Fact]
    public async Task A_node_ends_what_the_coordinator_before_has_left_and_the_next_one_does_not_know()
    {
        foreach (string job in (string[])["kept", "lost"]) Tell("first", job, new PrepareJob("", new WirePeer(new NodeId("first"), "", 0)));
        Tell("second", "new", new PrepareJob("", new WirePeer(new NodeId("second"), "", 0)));
        Assert.Equal(3, await LoadAsync());

        // its own jobs it knows better than the list, which may be older
        Tell("second", "", new LiveJobs(["kept"]));

        Assert.Equal(2, await LoadAsync());
        Tell("second", "", new LiveJobs([]));
        Assert.Equal(1, await LoadAsync());
    }

    [Fact]
    public async Task A_child_whose_attempt_has_given_way_to_another_goes_on_with_that_when_a_coordinator_says_what_there_is()
    {
        foreach (string job in (string[])["former", "latter"])
            _child.Tell(Delivery("first", job, new PrepareJob("", new WirePeer(new NodeId("first"), "", 0))));

        _child.Tell(Delivery("second", "", new LiveJobs(["latter"])));

        Assert.Equal(1, (await _child.Ask<NodeLoad>(new AskLoad(), Eventually.Patience, TestContext.Current.CancellationToken)).Jobs);
    }

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _network.Dispose();
    }

    private void Tell(string from, string job, IWireMessage body) => _agent.Tell(Delivery(from, job, body));

    private static NodeDelivery Delivery(string from, string job, IWireMessage body) => new(new JobId(job), NodeActors.Agent, new NodeId(from), body);

    private async Task<int> LoadAsync() => (await _agent.Ask<NodeLoad>(new AskLoad(), Eventually.Patience, TestContext.Current.CancellationToken)).Jobs;

    private sealed class AnySpec : ISpecCodec
    {
        public TrainingSpec Read(string yaml) => JobHarness.SpecOf();

        public string Write(TrainingSpec spec) => "";
    }
}
