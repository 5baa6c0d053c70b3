using Akka.Actor;
using Akka.Event;
using Akka.Persistence;

namespace DistOpt.Actors.Serialization;

/// <summary>
/// A journal that stops, and says why, when it cannot be read or written: what it then has not confirmed may or may not be stored. Whoever
/// waits for it watches it.
/// </summary>
/// <param name="name">What it is, at the beginning of a sentence.</param>
internal abstract class JournalActor(string name) : ReceivePersistentActor
{
    protected ILoggingAdapter Logger { get; } = Context.GetLogger();

    protected override void OnRecoveryFailure(Exception reason, object? message = null) =>
        Logger.Error("{0} cannot be read: {1}", name, reason.GetBaseException().Message);

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) =>
        Logger.Error("{0} cannot be written: {1}", name, cause.GetBaseException().Message);

    /// <summary>An event that cannot even be serialized is not stored: whoever waits for it must not wait for ever.</summary>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        Context.Stop(Self);
    }
}
