using Akka.Actor;
using Akka.Event;
using Microsoft.Extensions.Logging;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// Passes what actors log to the host's loggers, with the ids that an actor logs under (job, worker, trial) as a scope. What Akka itself
/// tells under "information" is detail here.
/// </summary>
internal sealed class LoggerActor : ReceiveActor
{
    private readonly ILogger _akka;
    private readonly ILogger _own;

    public LoggerActor(ILoggerFactory loggers)
    {
        (_akka, _own) = (loggers.CreateLogger("Akka"), loggers.CreateLogger("DistOpt.Actors"));
        Receive<Error>(e => Pass(e, LogLevel.Error));
        Receive<Warning>(w => Pass(w, LogLevel.Warning));
        Receive<Info>(i => Pass(i, IsOwn(i) ? LogLevel.Information : LogLevel.Debug));
    }

    public static Props Props(ILoggerFactory loggers) => Akka.Actor.Props.Create(() => new LoggerActor(loggers));

    private static bool IsOwn(LogEvent log) => log.LogClass?.Assembly.GetName().Name?.StartsWith("DistOpt.", StringComparison.Ordinal) ?? false;

    private void Pass(LogEvent log, LogLevel level)
    {
        bool isOwn = IsOwn(log);
        using var scope = isOwn && log.TryGetProperties(out var ids) && ids is { Count: > 0 } ? _own.BeginScope(Ids(ids)) : null;
        if (isOwn) _own.Log(level, log.Cause, "{Message}", log.Message);
        else _akka.Log(level, log.Cause, "{Source}: {Message}", log.LogSource, log.Message);
    }

    /// <summary>Ids are lower case, arguments of a message are not.</summary>
    private static List<KeyValuePair<string, object>> Ids(IReadOnlyDictionary<string, object> properties) =>
        [.. properties.Where(p => p.Key.Length > 0 && char.IsAsciiLetterLower(p.Key[0]))];
}

/// <summary>Gives an actor system the loggers of the host.</summary>
internal static class AkkaLogging
{
    public static void Attach(ActorSystem system, ILoggerFactory loggers)
    {
        var actor = system.ActorOf(LoggerActor.Props(loggers), "logger");
        system.EventStream.Subscribe(actor, typeof(Error));
        system.EventStream.Subscribe(actor, typeof(Warning));
        system.EventStream.Subscribe(actor, typeof(Info));
    }
}
