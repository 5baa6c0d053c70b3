using DistOpt.Protocol;

namespace DistOpt.Actors.Tensors;

/// <summary>
/// Who listens at which address of one node. Hands frames over by reference on the sender's thread, and keeps those of addresses where
/// nobody listens yet, in order and up to a limit. Thread-safe; no lock is held while a receiver runs.
/// </summary>
public sealed class TensorMailboxes : IDisposable
{
    /// <summary>Frames kept for one address, unless told otherwise.</summary>
    public const int DefaultKept = 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<TensorAddress, Mailbox> _boxes = [];
    private readonly int _kept;
    private bool _closed;

    /// <param name="kept">Most frames that wait for one address where nobody listens, at least 1.</param>
    public TensorMailboxes(int kept = DefaultKept)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(kept, 1);
        _kept = kept;
    }

    /// <summary>Frames kept at addresses where nobody listens yet.</summary>
    public int Unclaimed
    {
        get
        {
            lock (_gate) return _boxes.Values.Sum(box => box.Waiting.Count);
        }
    }

    /// <summary>Who listens at the address, or null.</summary>
    public ITensorReceiver? Find(in TensorAddress address)
    {
        lock (_gate) return _boxes.TryGetValue(address, out var box) ? box.Listener?.Receiver : null;
    }

    /// <summary>Gives frames for the address to the receiver until the result is disposed, those that were kept first.</summary>
    /// <exception cref="InvalidOperationException">Someone listens there already.</exception>
    public IDisposable Listen(TensorAddress address, ITensorReceiver receiver)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        var listener = new Listener(this, address, receiver);
        Mailbox box;
        bool draining;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            box = BoxOf(address);
            if (box.Listener is not null) throw new InvalidOperationException($"{address} is listened to already");
            box.Listener = listener;
            box.Draining = draining = box.Waiting.Count > 0;
        }

        if (draining) Drain(box, listener);
        return listener;
    }

    /// <summary>Hands a frame over, or keeps it until somebody listens.</summary>
    /// <exception cref="InvalidOperationException">Too many frames wait for this address; the lease is disposed.</exception>
    public void Deliver(in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        ITensorReceiver? receiver = null;
        bool full = false, closed;
        lock (_gate)
        {
            closed = _closed;
            if (!closed)
            {
                var box = BoxOf(header.To);
                // while kept frames are handed over, later ones queue up behind them, whoever sends them
                if (box.Listener is not null && !box.Draining) receiver = box.Listener.Receiver;
                else if (box.Waiting.Count >= _kept) full = true;
                else box.Waiting.Enqueue(new Kept(header, meta, payload));
            }
        }

        if (receiver is not null) receiver.Received(header, meta, payload);
        else if (closed) payload.Dispose();
        else if (full)
        {
            payload.Dispose();
            throw new InvalidOperationException(
                $"{_kept} frames wait at {header.To}, where nobody listens; a frame of kind {header.Kind}, step {header.Step} is dropped");
        }
    }

    /// <summary>Disposes the frames kept for a job's addresses.</summary>
    public void ForgetJob(ulong job) => Discard(address => address.Job == job);

    /// <summary>Disposes all frames that are kept.</summary>
    public void Forget() => Discard(_ => true);

    /// <summary>Ends listening at every address and disposes the frames that are kept.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            foreach (var box in _boxes.Values) box.Listener = null;
        }

        Forget();
    }

    private void Discard(Predicate<TensorAddress> which)
    {
        List<TensorLease> leases = [];
        lock (_gate)
        {
            foreach (var (address, box) in _boxes.Where(p => which(p.Key)).ToArray())
            {
                while (box.Waiting.TryDequeue(out var kept)) leases.Add(kept.Payload);
                if (box.Listener is null) _boxes.Remove(address);
            }
        }

        foreach (var lease in leases) lease.Dispose();
    }

    private void Drain(Mailbox box, Listener listener)
    {
        try
        {
            while (true)
            {
                Kept next;
                lock (_gate)
                {
                    if (box.Listener != listener) return;
                    if (!box.Waiting.TryDequeue(out next))
                    {
                        box.Draining = false;
                        return;
                    }
                }

                listener.Receiver.Received(next.Header, next.Meta, next.Payload);
            }
        }
        catch
        {
            // the receiver failed: it does not listen, what is left stays for the next one
            listener.Dispose();
            throw;
        }
    }

    private Mailbox BoxOf(in TensorAddress address)
    {
        if (!_boxes.TryGetValue(address, out var box)) _boxes.Add(address, box = new Mailbox());
        return box;
    }

    private void Leave(Listener listener)
    {
        lock (_gate)
        {
            if (!_boxes.TryGetValue(listener.Address, out var box) || box.Listener != listener) return;
            box.Listener = null;
            box.Draining = false;
            if (box.Waiting.Count == 0) _boxes.Remove(listener.Address);
        }
    }

    private readonly record struct Kept(TensorHeader Header, IWireMessage? Meta, TensorLease Payload);

    private sealed class Mailbox
    {
        public Queue<Kept> Waiting { get; } = [];

        public Listener? Listener { get; set; }

        // kept frames are being handed over
        public bool Draining { get; set; }
    }

    private sealed class Listener(TensorMailboxes owner, TensorAddress address, ITensorReceiver receiver) : IDisposable
    {
        public TensorAddress Address => address;

        public ITensorReceiver Receiver => receiver;

        public void Dispose() => owner.Leave(this);
    }
}
