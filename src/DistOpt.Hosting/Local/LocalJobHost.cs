using Akka.Actor;
using Akka.Configuration;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Training;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Local;

/// <summary>What any host of jobs needs to know of the build: how specs are read, and how their plug-ins are made.</summary>
/// <param name="Runtimes">Opens model and data.</param>
/// <param name="Specs">Specs to YAML and back, for nodes of other processes.</param>
public sealed record JobParts(
    IJobRuntimeFactory Runtimes,
    ISpecCodec Specs,
    Func<TrainingSpec, IOptimizer> Optimizer,
    Func<TrainingSpec, ILearningRateSchedule> Schedule);

/// <summary>Where a job's checkpoints are, and whether it goes on from one.</summary>
/// <param name="CheckpointDirectory">Folder of the job's checkpoints; null = none are written.</param>
/// <param name="Resumes">Whether it goes on from the newest sound one. Without any it begins anew; where none is sound it is refused.</param>
public sealed record JobStorage(string? CheckpointDirectory, bool Resumes = false)
{
    public static JobStorage None { get; } = new(null, false);

    /// <summary>By which the caller asks for checkpoints beside those that are due; null = it never does.</summary>
    public CheckpointRequests? Requests { get; init; }
}

/// <summary>Asks a running job for checkpoints. What is asked before the job runs is asked when it does. Thread-safe.</summary>
public sealed class CheckpointRequests
{
    private readonly Lock _lock = new();
    private Action? _listener;
    private bool _isAsked;

    /// <summary>Asks for a checkpoint after the next step that is not planned yet; several at once are one.</summary>
    public void Ask()
    {
        lock (_lock)
        {
            if (_listener is { } listener) listener();
            else _isAsked = true;
        }
    }

    /// <summary>For hosts: hears what is asked, until null is given.</summary>
    /// <param name="listener">Called for each; must not block.</param>
    public void Listen(Action? listener)
    {
        lock (_lock)
        {
            _listener = listener;
            if (!_isAsked || listener is null) return;
            _isAsked = false;
            listener();
        }
    }
}

/// <summary>
/// Runs one job in this process: the actors of a cluster in an actor system of one node, tensors handed over by reference. Leaves no thread
/// behind.
/// </summary>
public static class LocalJobHost
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

    /// <summary>Runs the job to its end.</summary>
    /// <param name="spec">The resolved spec.</param>
    /// <param name="storage">Of its checkpoints.</param>
    /// <param name="stops">Tokens, each with the reason why the job ends cleanly at the next step when it is cancelled.</param>
    /// <returns>The summary; its status says how the job ended.</returns>
    /// <exception cref="SpecException">Bad input, found before the sink heard of the run.</exception>
    public static async Task<RunSummary> RunAsync(JobId job, TrainingSpec spec, JobParts parts, IRunSink sink, JobStorage storage, TimeProvider time,
        params IReadOnlyList<(CancellationToken Token, StopReason Reason)> stops)
    {
        var system = ActorSystem.Create("distopt", ConfigurationFactory.ParseString(Hocon + NodeServices.Hocon));
        using var network = new LocalTensorNetwork();
        try
        {
            var self = new NodeId("local");
            var nodes = new LocalNodes();
            var services = new NodeServices
            {
                Name = "local",
                Router = new LocalNodeRouter(self, nodes),
                Channel = network.Open(self),
                Runtimes = new JobRuntimes(parts.Runtimes),
                Specs = parts.Specs,
                Optimizer = parts.Optimizer,
                Schedule = parts.Schedule,
                IsAlone = true,
                Time = time,
            };
            var agent = system.ActorOf(NodeAgentActor.Props(services), NodeAgentActor.Name);
            var coordinator = system.ActorOf(JobCoordinatorActor.Props(services), JobCoordinatorActor.Name);
            nodes.Add(self, agent);
            agent.Tell(new CoordinatorHere(coordinator));
            var offer = new NodeOffer(new WirePeer(self, "", 0), "local", ["coordinator", "server", "worker"], int.MaxValue, ProtocolVersion.Current.ToString());
            services.Router.Send(self, default, NodeActors.Jobs, offer);

            return await JobSubmission.RunAsync(system, coordinator, new SubmitJob(job, spec, _ => sink, storage.CheckpointDirectory,
                storage.Resumes), stops, storage.Requests).ConfigureAwait(false);
        }
        finally
        {
            await system.Terminate().ConfigureAwait(false);
        }
    }
}
