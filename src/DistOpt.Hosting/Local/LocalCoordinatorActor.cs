using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Training;

namespace DistOpt.Hosting.Local;

/// <summary>
/// Stands for the job coordinator of this process. One that breaks does not begin anew, since it would know of no job and no node: whoever waits for jobs is to
/// hear why there are none.
/// </summary>
internal sealed class LocalCoordinatorActor : ReceiveActor
{
    public const string Name = "coordinator";

    private readonly Action<Exception>? _failed;

    /// <param name="failed">Told once or twice why the coordinator has stopped, the cause first; null = nobody is.</param>
    public LocalCoordinatorActor(NodeServices services, Action<Exception>? failed)
    {
        _failed = failed;
        var coordinator = Context.Watch(Context.ActorOf(JobCoordinatorActor.Props(services), JobCoordinatorActor.Name));
        Receive<Terminated>(_ => _failed?.Invoke(new InvalidOperationException("the job coordinator has stopped")));
        ReceiveAny(coordinator.Forward);
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        _failed?.Invoke(new InvalidOperationException($"the job coordinator broke: {error.Message}", error));
        return Directive.Stop;
    });
}
