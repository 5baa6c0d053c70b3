using DistOpt.Actors.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Actors.Workers;

/// <summary>
/// A tensor address that a replica's recoveries use one after the other, and that is listened to for as long as the replica lives: what comes
/// for a recovery that was stopped is thrown away, where it would wait at its sender, or here, until somebody listens. Thread-safe.
/// </summary>
internal sealed class RecoveryInbox : ITensorReceiver, IDisposable
{
    private readonly IDisposable _listening;
    private volatile ITensorReceiver? _recovery;

    public RecoveryInbox(ITensorChannel channel, TensorAddress address)
    {
        Index = address.Index;
        _listening = channel.Listen(address, this);
    }

    /// <summary>Of the address.</summary>
    public int Index { get; }

    public bool CreditOnReceipt => true;

    /// <summary>Hands what comes to this recovery, and to none before it.</summary>
    public void Open(ITensorReceiver recovery) => _recovery = recovery;

    /// <summary>The recovery has ended; where another one has the address by now, nothing happens.</summary>
    public void Close(ITensorReceiver recovery) => Interlocked.CompareExchange(ref _recovery, null, recovery);

    public TensorLease? Accept(in TensorHeader header) => _recovery?.Accept(header);

    public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        if (_recovery is { } recovery) recovery.Received(header, meta, payload);
        else payload.Dispose();
    }

    public void Abandoned(in TensorHeader header, TensorLease payload) => payload.Dispose();

    public void Dispose() => _listening.Dispose();
}
