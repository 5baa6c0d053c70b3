using DistOpt.Protocol;

namespace DistOpt.Actors.Tensors;

/// <summary>Where a node's tensor channel listens.</summary>
/// <param name="Node">The node (its incarnation: a restarted process is another node).</param>
/// <param name="Host">Host name or address; empty for a channel within one process.</param>
/// <param name="Port">TCP port; 0 for a channel within one process.</param>
public sealed record TensorPeer(NodeId Node, string Host, int Port);

/// <summary>Takes the frames sent to one <see cref="TensorAddress"/>. Methods run on the channel's threads and must not block.</summary>
public interface ITensorReceiver
{
    /// <summary>
    /// When a network channel lets the sender of a complete frame send that many bytes more. False: once the frame's lease is disposed, so
    /// that the channel's window bounds what one sender makes this receiver hold. True: as soon as the frame is complete. A receiver that
    /// holds frames until others have come (a server under BSP holds pushes until the tree is complete) must say true, or the frame it
    /// waits for may never get credit; it bounds its memory itself, by what it accepts.
    /// </summary>
    bool CreditOnReceipt => false;

    /// <summary>
    /// Called before a payload is read from a network: the memory it is to be read into (exactly <c>header.Range.Length</c> elements), or
    /// null to have it read and thrown away (late or repeated frame). Not called when the payload is handed over by reference.
    /// </summary>
    TensorLease? Accept(in TensorHeader header);

    /// <summary>The frame is complete. The receiver owns <paramref name="payload"/> until it disposes it.</summary>
    /// <param name="header">As sent.</param>
    /// <param name="meta">Small message that came with the payload, or null.</param>
    /// <param name="payload">What <see cref="Accept"/> returned, or the sender's own lease.</param>
    void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload);

    /// <summary>
    /// A frame whose payload was begun is given up (connection lost): the lease of <see cref="Accept"/> is returned unread. It may come
    /// again.
    /// </summary>
    void Abandoned(in TensorHeader header, TensorLease payload);
}

/// <summary>
/// Moves tensors between the nodes of a job. Three implementations: within a process (by reference), TCP (Hosting), simulated.
/// Guarantees: frames from one sender to one address arrive in order, each at least once while both nodes live (a frame may be repeated
/// after a reconnect: receivers drop what they have); memory on the receiving side is bounded by the channel's credit, per sender and
/// address (see <see cref="ITensorReceiver.CreditOnReceipt"/>), so that a slow receiver holds up nobody else's frames.
/// Thread-safe.
/// </summary>
public interface ITensorChannel
{
    /// <summary>Where this node's own channel can be reached.</summary>
    TensorPeer Self { get; }

    /// <summary>Gives frames for <paramref name="address"/> to <paramref name="receiver"/> until the result is disposed.</summary>
    /// <remarks>
    /// Frames that were sent before anybody listened may be handed over before this method returns. A frame that is being handed over
    /// on another thread while the result is disposed may still arrive just after.
    /// </remarks>
    /// <exception cref="InvalidOperationException">Someone listens there already.</exception>
    IDisposable Listen(TensorAddress address, ITensorReceiver receiver);

    /// <summary>
    /// Sends a frame. The payload must stay unchanged until the channel (or, by reference, the receiver) disposes the lease: on a network
    /// that is when the other side has acknowledged it. Never blocks; order per (peer, address) is kept. Frames for an address where nobody
    /// listens yet are kept until somebody does. A closed channel disposes the lease and does nothing else.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// More frames wait than the channel's limit: the receiver has gone, or does not keep up. The lease is disposed.
    /// </exception>
    void Send(TensorPeer to, in TensorHeader header, IWireMessage? meta, TensorLease payload);

    /// <summary>Drops everything queued for a node that has left; its leases are disposed.</summary>
    void Forget(NodeId node);

    /// <summary>
    /// Drops everything queued for, or kept until somebody listens at, an address of a job that has ended; its leases are disposed.
    /// Without this, a frame that comes after its receiver is gone holds its lease for as long as the channel lives.
    /// </summary>
    void ForgetJob(ulong job);
}
