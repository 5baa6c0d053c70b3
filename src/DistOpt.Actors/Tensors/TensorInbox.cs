using System.Collections.Concurrent;
using Akka.Actor;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tensors;

/// <summary>A complete tensor frame, as an actor receives it. The actor disposes the payload.</summary>
internal sealed record TensorArrived(TensorHeader Header, IWireMessage? Meta, TensorLease Payload) : INoSerializationVerificationNeeded;

/// <summary>
/// Turns tensor frames into messages of one actor. <paramref name="accept"/> runs on the channel's threads and must be thread-safe.
/// </summary>
internal sealed class TensorInbox(IActorRef actor, Func<TensorHeader, TensorLease?> accept) : ITensorReceiver
{
    /// <summary>A server holds pushes until the tree is complete; what it holds is bounded by the tree.</summary>
    public bool CreditOnReceipt => true;

    public TensorLease? Accept(in TensorHeader header) => accept(header);

    public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload) =>
        actor.Tell(new TensorArrived(header, meta, payload), ActorRefs.NoSender);

    public void Abandoned(in TensorHeader header, TensorLease payload) => payload.Dispose();
}

/// <summary>Receive buffers of one length, reused from step to step. Thread-safe.</summary>
internal sealed class ReceiveBuffers(long length)
{
    private readonly ConcurrentBag<FlatBuffer> _free = [];

    public TensorLease Rent()
    {
        if (!_free.TryTake(out var buffer)) buffer = new FlatBuffer(length);
        return new TensorLease(buffer.Memory, _ => _free.Add(buffer));
    }
}
