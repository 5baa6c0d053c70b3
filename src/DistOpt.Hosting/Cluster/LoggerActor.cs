using Akka.Actor;
using Akka.Event;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Cluster;

/// <summary>Passes Akka's warnings and errors to the host's logger.</summary>
internal sealed class LoggerActor : ReceiveActor
{
    public LoggerActor(ILogger logger)
    {
        Receive<Error>(e => logger.LogError(e.Cause, "{Source}: {Message}", e.LogSource, e.Message));
        Receive<Warning>(w => logger.LogWarning(w.Cause, "{Source}: {Message}", w.LogSource, w.Message));
        Receive<Info>(i => logger.LogDebug("{Source}: {Message}", i.LogSource, i.Message));
    }

    public static Props Props(ILogger logger) => Akka.Actor.Props.Create(() => new LoggerActor(logger));
}

/// <summary>Gives an actor system a logger of the host.</summary>
internal static class AkkaLogging
{
    public static void Attach(ActorSystem system, ILoggerFactory loggers)
    {
        var logger = loggers.CreateLogger("Akka");
        var actor = system.ActorOf(LoggerActor.Props(logger), "logger");
        system.EventStream.Subscribe(actor, typeof(Error));
        system.EventStream.Subscribe(actor, typeof(Warning));
        system.EventStream.Subscribe(actor, typeof(Info));
    }
}
