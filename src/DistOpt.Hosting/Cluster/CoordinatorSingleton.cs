using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Pattern;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Training;
using DistOpt.Core.Jobs;
using DistOpt.Core.Specs;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// The job coordinator as a cluster singleton: one in the cluster, on the oldest coordinator node. The singleton's manager never starts again
/// what has stopped, hence the supervisor in between.
/// </summary>
internal static class CoordinatorSingleton
{
    /// <summary>Of the actor by which coordinator nodes hand the singleton over to each other.</summary>
    public const string ManagerName = "coordinator";

    /// <summary>Begins the names of roles that say which journal a node has.</summary>
    private const string JournalRole = "journal-";

    /// <summary>Time between attempts to start it again: longer from one to the next.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

    /// <summary>Roles of the member: those of the settings, and which journal it has.</summary>
    /// <param name="journalId">Id of the node's journal; a random one where it keeps nothing.</param>
    public static Config Roles(NodeOptions options, string journalId) => ConfigurationFactory.ParseString("akka.cluster.roles = ["
        + string.Join(", ", options.Roles.Contains(NodeOptions.Coordinator) ? options.Roles.Add(JournalRole + journalId) : options.Roles) + "]");

    /// <summary>Defaults of the package.</summary>
    public static Config Defaults() => ClusterSingleton.DefaultConfig();

    /// <summary>Starts the manager; the coordinator itself starts where and when the cluster wants it.</summary>
    public static void Start(ActorSystem system, NodeServices services, NodeOptions options, JobCoordinatorSetup setup)
    {
        var limits = new JobCoordinatorLimits(options.JobsMax) { Ledger = new JobLedgerLimits(options.EndedJobsKept) };
        var supervisor = BackoffSupervisor.Props(Backoff.OnStop(JobCoordinatorActor.Props(services, limits, setup), JobCoordinatorActor.Name,
                FirstPause, LongestPause, 0.2, -1)
            .WithSupervisorStrategy(new OneForOneStrategy(_ => Directive.Stop)));
        system.ActorOf(ClusterSingletonManager.Props(supervisor, PoisonPill.Instance, ClusterSingletonManagerSettings.Create(system)), ManagerName);
    }

    /// <summary>
    /// A node whose journal is another than that of the coordinator nodes before it could take over without knowing their jobs.
    /// </summary>
    /// <exception cref="SpecException">There is such a node.</exception>
    public static void CheckJournals(Akka.Cluster.Cluster cluster, string journalId, string place)
    {
        foreach (var member in cluster.State.Members)
        {
            if (!member.HasRole(NodeOptions.Coordinator) || member.HasRole(JournalRole + journalId) || !member.IsOlderThan(cluster.SelfMember)) continue;
            throw new SpecException("journal", $"is {place}, but the coordinator at {member.Address.Host}:{member.Address.Port} has another: a SQLite file "
                + "belongs to one machine; give all coordinators one PostgreSQL database, or start this node without the role coordinator");
        }
    }
}
