using Akka.Actor;
using Akka.Event;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>Loggers that tell whose line it is: the ids come with every line, beside its text.</summary>
internal static class ActorLog
{
    public const string Job = "job";
    public const string Worker = "worker";
    public const string Trial = "trial";

    /// <summary>A logger for an actor of a job.</summary>
    public static ILoggingAdapter GetLogger(this IActorContext context, JobId job) => context.GetLogger().Of(job);

    /// <summary>The logger for lines about a job.</summary>
    public static ILoggingAdapter Of(this ILoggingAdapter log, JobId job) => log.WithContext(Job, job.Value);

    /// <summary>The logger for lines about one of the job's workers.</summary>
    public static ILoggingAdapter OfWorker(this ILoggingAdapter log, int worker) => log.WithContext(Worker, worker);

    /// <summary>The logger for lines about a trial.</summary>
    public static ILoggingAdapter OfTrial(this ILoggingAdapter log, int trial) => log.WithContext(Trial, trial);
}
