using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Training;
using DistOpt.Hosting.Journal;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Local;

/// <summary>An actor system of this process alone, with one node that has every role and a job coordinator that knows it.</summary>
internal sealed class LocalNode : IAsyncDisposable
{
    private const string Hocon = """
        akka {
          actor.provider = local
          stdout-loglevel = OFF
          loglevel = OFF
          loggers = []
          coordinated-shutdown {
            run-by-clr-shutdown-hook = off
            run-by-actor-system-terminate = off
          }
        }
        """;

    private readonly LocalTensorNetwork _network = new();

    /// <param name="journal">What persistent actors store in; null = there are none.</param>
    /// <param name="failed">Told why, from any thread, where the job coordinator stops before the node: no job runs any more. Null = nobody is.</param>
    public LocalNode(JobParts parts, TimeProvider time, SqlJournal? journal = null, Action<Exception>? failed = null)
    {
        var config = ConfigurationFactory.ParseString(Hocon + NodeServices.Hocon);
        System = journal is null ? ActorSystem.Create("distopt", config)
            : ActorSystem.Create("distopt", BootstrapSetup.Create().WithConfig(config.WithFallback(SqlJournal.Hocon)).And(journal.Connections()));
        var self = new NodeId("local");
        var nodes = new LocalNodes();
        var services = new NodeServices
        {
            Name = "local",
            Router = new LocalNodeRouter(self, nodes),
            Channel = _network.Open(self),
            Runtimes = new JobRuntimes(parts.Runtimes),
            Specs = parts.Specs,
            Optimizer = parts.Optimizer,
            Schedule = parts.Schedule,
            IsAlone = true,
            Time = time,
        };
        var agent = System.ActorOf(NodeAgentActor.Props(services), NodeAgentActor.Name);
        Coordinator = System.ActorOf(Props.Create(() => new LocalCoordinatorActor(services, failed)), LocalCoordinatorActor.Name);
        nodes.Add(self, agent);
        agent.Tell(new CoordinatorHere(Coordinator));
        var offer = new NodeOffer(new WirePeer(self, "", 0), "local", ["coordinator", "server", "worker"], int.MaxValue, ProtocolVersion.Current.ToString());
        services.Router.Send(self, default, NodeActors.Jobs, offer);
    }

    public ActorSystem System { get; }

    /// <summary>Passes messages on to the job coordinator.</summary>
    public IActorRef Coordinator { get; }

    public async ValueTask DisposeAsync()
    {
        await System.Terminate().ConfigureAwait(false);
        _network.Dispose();
    }
}
