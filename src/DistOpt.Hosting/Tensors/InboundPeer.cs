using DistOpt.Actors.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tensors;

/// <summary>
/// What this node knows of the frames that one incarnation of a peer sends it, across that peer's connections: per address the last
/// complete frame, the bytes not consumed yet, and whether frames were refused because nobody listened. Thread-safe.
/// </summary>
internal sealed class InboundPeer(TensorPeerIdentity identity)
{
    /// <summary>Most addresses that one peer may send to: a few for each job in ordinary use.</summary>
    public const int AddressesMax = 1 << 16;

    private readonly Dictionary<TensorAddress, InboundStream> _streams = [];

    public TensorPeerIdentity Identity => identity;

    public Lock Gate { get; } = new();

    /// <summary>Control records of the connection in use, or null.</summary>
    public ControlWriter? Control { get; private set; }

    /// <summary>The connection in use and the task that reads it; guarded by the channel's lock.</summary>
    public (TensorConnection Connection, Task Reading)? Current { get; set; }

    /// <exception cref="TensorProtocolException">Too many addresses.</exception>
    public InboundStream StreamOf(in TensorAddress address)
    {
        lock (Gate)
        {
            if (_streams.TryGetValue(address, out var stream)) return stream;
            if (_streams.Count >= AddressesMax) throw new TensorProtocolException(TensorRejection.CreditExceeded, $"frames for more than {AddressesMax} addresses");
            _streams.Add(address, stream = new InboundStream(this, address));
            return stream;
        }
    }

    /// <summary>Begins a connection: says what is complete and what is held, so that the peer knows what to send again.</summary>
    public void Begin(ControlWriter control, long window)
    {
        lock (Gate)
        {
            foreach (var stream in _streams.Values)
            {
                stream.Refused = false;
                if (stream.LastDone > 0) control.Add(new ControlRecord(ControlKind.Ack, stream.Address, stream.LastDone, 0));
                if (stream.Held > 0) control.Add(new ControlRecord(ControlKind.Held, stream.Address, 0, stream.Held));
            }

            control.Add(new ControlRecord(ControlKind.Ready, default, 0, window));
            Control = control;
        }

        control.Flush();
    }

    public void End(ControlWriter control)
    {
        lock (Gate)
        {
            if (Control == control) Control = null;
        }
    }

    /// <summary>Somebody listens at the address now: what was refused may come again.</summary>
    public void Resume(in TensorAddress address)
    {
        ControlWriter? control;
        lock (Gate)
        {
            if (!_streams.TryGetValue(address, out var stream) || !stream.Refused) return;
            stream.Refused = false;
            control = Control;
            control?.Add(new ControlRecord(ControlKind.Resume, address, 0, 0));
        }

        control?.Flush();
    }

    public void ForgetJob(ulong job)
    {
        lock (Gate)
        {
            foreach (var address in _streams.Keys.Where(a => a.Job == job).ToArray())
            {
                if (_streams[address].Open is null) _streams.Remove(address);
            }
        }
    }

    /// <summary>All frames that are begun, taken out: their connection is gone.</summary>
    public List<(InboundStream Stream, OpenFrame Frame)> TakeOpen()
    {
        lock (Gate)
        {
            var open = new List<(InboundStream, OpenFrame)>();
            foreach (var stream in _streams.Values)
            {
                if (stream.Open is { } frame) open.Add((stream, frame));
                stream.Open = null;
            }

            return open;
        }
    }
}

/// <summary>A frame that is being received.</summary>
internal sealed class OpenFrame(FrameRecord record, IWireMessage? meta, ITensorReceiver? receiver, TensorLease? lease)
{
    public FrameRecord Record => record;

    public IWireMessage? Meta => meta;

    public ITensorReceiver? Receiver => receiver;

    /// <summary>Where the payload goes; null throws it away.</summary>
    public TensorLease? Lease => lease;

    public long At { get; set; }
}

/// <summary>Frames of one peer to one address. Fields are guarded by the peer's lock, except <see cref="Open"/>, which the reader alone uses.</summary>
internal sealed class InboundStream(InboundPeer peer, TensorAddress address) : ITensorLeaseWatcher
{
    public TensorAddress Address => address;

    /// <summary>Number of the last complete frame, 0 before the first.</summary>
    public ulong LastDone { get; set; }

    /// <summary>The peer was told that nobody listens, and not yet that somebody does.</summary>
    public bool Refused { get; set; }

    /// <summary>Bytes complete, or being received, and not consumed.</summary>
    public long Held { get; set; }

    public OpenFrame? Open { get; set; }

    /// <summary>A receiver has disposed the lease of a frame of that many bytes: the peer may send as many more.</summary>
    public void Disposed(long token)
    {
        ControlWriter? control;
        lock (peer.Gate)
        {
            Held -= token;
            control = peer.Control;
            control?.Add(new ControlRecord(ControlKind.Credit, Address, 0, token));
        }

        control?.Flush();
    }
}
