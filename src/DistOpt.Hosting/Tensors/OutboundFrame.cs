using DistOpt.Actors.Tensors;

namespace DistOpt.Hosting.Tensors;

/// <summary>A frame from <c>Send</c> until its acknowledgement; used again for later frames. Guarded by the link's lock.</summary>
internal sealed class OutboundFrame
{
    public TensorHeader Header { get; set; }

    public byte[] Meta { get; set; } = [];

    public TensorLease? Lease { get; set; }

    public ulong Sequence { get; set; }

    public long Bytes { get; set; }

    /// <summary>Payload bytes written on the present connection.</summary>
    public long Sent { get; set; }

    /// <summary>Payload bytes being written right now.</summary>
    public int Writing { get; set; }

    /// <summary>Its first record is written or being written on the present connection.</summary>
    public bool Started { get; set; }

    /// <summary>The writer is outside the lock with this frame's memory.</summary>
    public bool InWrite { get; set; }

    /// <summary>Taken from its stream while being written: the writer lets go of it.</summary>
    public bool Detached { get; set; }

    /// <summary>Its values are kept as they are, from its first record on until it is whole on the wire.</summary>
    public bool Reading { get; private set; }

    public OutboundFrame? Following { get; set; }

    public bool WholeOnWire => Started && Sent + Writing == Bytes;

    /// <summary>False where a later version has been written over its values.</summary>
    public bool TryBegin() => Reading = Lease!.TryRead();

    /// <summary>Nothing of the values is needed any more, unless the frame is to be sent again.</summary>
    public void EndReading()
    {
        if (!Reading) return;
        Reading = false;
        Lease!.EndRead();
    }
}

/// <summary>Frames to one address, oldest first, until they are acknowledged. Guarded by the link's lock.</summary>
internal sealed class OutboundStream(TensorAddress address)
{
    public TensorAddress Address => address;

    /// <summary>Oldest frame not acknowledged.</summary>
    public OutboundFrame? First { get; private set; }

    /// <summary>The frame to write (on).</summary>
    public OutboundFrame? Next { get; set; }

    private OutboundFrame? _last;

    /// <summary>Bytes begun on this connection and not consumed by the receiver, as far as it told.</summary>
    public long Outstanding { get; set; }

    /// <summary>Nobody listens there.</summary>
    public bool Blocked { get; set; }

    /// <summary>Its job has ended: goes away with its last frame.</summary>
    public bool Forgotten { get; set; }

    /// <summary>Stands in the link's line of streams that can write.</summary>
    public bool InLine { get; set; }

    /// <summary>Grows with each rewind, so that a writer notices one behind its back.</summary>
    public int Rewinds { get; private set; }

    /// <summary>Number of the unacknowledged frame before <see cref="Next"/>, or 0.</summary>
    public ulong Previous { get; set; }

    public bool CanWrite(long window) =>
        !Blocked && Next is { } next && (next.Started || Outstanding == 0 || Outstanding + next.Bytes <= window);

    public void Append(OutboundFrame frame)
    {
        if (_last is null) First = frame;
        else _last.Following = frame;
        _last = frame;
        Next ??= frame;
    }

    /// <summary>Takes the oldest frame out.</summary>
    public OutboundFrame TakeFirst()
    {
        var frame = First!;
        if (Next == frame) Next = frame.Following;
        if (Previous == frame.Sequence) Previous = 0;
        First = frame.Following;
        if (First is null) _last = null;
        frame.Following = null;
        return frame;
    }

    /// <summary>Everything not acknowledged is to be sent again from its start.</summary>
    public void Rewind()
    {
        for (var frame = First; frame is not null; frame = frame.Following)
        {
            if (frame.Started) Outstanding = Math.Max(0, Outstanding - frame.Bytes);
            frame.Started = false;
            frame.Sent = 0;
            if (!frame.InWrite) frame.EndReading();
        }

        Next = First;
        Previous = 0;
        Rewinds++;
    }

    /// <summary>The writer has finished <see cref="Next"/>.</summary>
    public void Advance()
    {
        Previous = Next!.Sequence;
        Next = Next.Following;
    }

    /// <summary>Takes out the frame to write, which has not been begun.</summary>
    public OutboundFrame TakeNext()
    {
        var frame = Next!;
        OutboundFrame? before = null;
        for (var each = First; each != frame; each = each!.Following) before = each;
        Next = frame.Following;
        if (before is null) First = frame.Following;
        else before.Following = frame.Following;
        if (_last == frame) _last = before;
        frame.Following = null;
        return frame;
    }

    /// <summary>Takes out the frames that have not been begun.</summary>
    public void DropUnstarted(List<OutboundFrame> dropped)
    {
        OutboundFrame? keep = null;
        var frame = First;
        while (frame is { Started: true } or { InWrite: true }) (keep, frame) = (frame, frame.Following);
        for (; frame is not null; frame = frame.Following) dropped.Add(frame);
        if (Next is { Started: false, InWrite: false }) Next = null;
        if (keep is null) First = null;
        else keep.Following = null;
        _last = keep;
    }
}
