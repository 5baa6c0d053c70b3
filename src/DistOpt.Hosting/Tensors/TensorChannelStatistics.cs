namespace DistOpt.Hosting.Tensors;

/// <summary>Why a connection was closed by the side that listens.</summary>
public enum TensorRejection
{
    /// <summary>A record that breaks the format: magic, version, lengths that contradict each other, a message that is no contract.</summary>
    Malformed,

    /// <summary>Payload or message above the limit.</summary>
    Oversized,

    /// <summary>The connection ended within a frame; also what a lost connection looks like.</summary>
    Truncated,

    /// <summary>A kind of record or tensor that this version does not know.</summary>
    UnknownKind,

    /// <summary>Wrong secret, other protocol version, meant for another node, or no handshake at all.</summary>
    Unauthenticated,

    /// <summary>The handshake was not done in time.</summary>
    HandshakeTimeout,

    /// <summary>More connections or unfinished handshakes than allowed.</summary>
    TooManyConnections,

    /// <summary>The peer sends beyond its credit or does not read its acknowledgements.</summary>
    CreditExceeded,
}

/// <summary>Figures of a channel since its start, at one moment. Bytes are payload bytes.</summary>
/// <param name="FramesSent">Frames acknowledged by their receivers.</param>
/// <param name="BytesSent">Their bytes.</param>
/// <param name="FramesReceived">Frames handed to receivers.</param>
/// <param name="BytesReceived">Their bytes.</param>
/// <param name="FramesRepeated">Frames received again after a reconnect and thrown away.</param>
/// <param name="FramesDiscarded">Frames that a receiver did not want (<c>Accept</c> gave null).</param>
/// <param name="FramesRefused">Frames sent back because nobody listened; they come again.</param>
/// <param name="FramesAbandoned">Frames begun and given up.</param>
/// <param name="FramesOutOfDate">Frames dropped before they were sent, because their values had been overwritten by a later version.</param>
/// <param name="ReceiverFaults">Exceptions out of receivers; the frame counts as delivered.</param>
/// <param name="Connections">Connections made to peers, first ones and later ones.</param>
/// <param name="Reconnects">Connections to peers that were lost.</param>
/// <param name="Rejected">Incoming connections closed, by reason.</param>
public sealed record TensorChannelStatistics(
    long FramesSent,
    long BytesSent,
    long FramesReceived,
    long BytesReceived,
    long FramesRepeated,
    long FramesDiscarded,
    long FramesRefused,
    long FramesAbandoned,
    long FramesOutOfDate,
    long ReceiverFaults,
    long Connections,
    long Reconnects,
    IReadOnlyDictionary<TensorRejection, long> Rejected)
{
    public long RejectedTotal => Rejected.Values.Sum();
}

/// <summary>The counters behind <see cref="TensorChannelStatistics"/>. Thread-safe.</summary>
internal sealed class TensorChannelCounters
{
    private readonly long[] _rejected = new long[Enum.GetValues<TensorRejection>().Length];
    private long _framesSent, _bytesSent, _framesReceived, _bytesReceived, _repeated, _discarded, _refused, _abandoned, _outOfDate, _faults;
    private long _connections, _reconnects;

    public void Sent(long bytes)
    {
        Interlocked.Increment(ref _framesSent);
        Interlocked.Add(ref _bytesSent, bytes);
    }

    public void Received(long bytes)
    {
        Interlocked.Increment(ref _framesReceived);
        Interlocked.Add(ref _bytesReceived, bytes);
    }

    public void Repeated() => Interlocked.Increment(ref _repeated);

    public void Discarded() => Interlocked.Increment(ref _discarded);

    public void Refused() => Interlocked.Increment(ref _refused);

    public void Abandoned() => Interlocked.Increment(ref _abandoned);

    public void OutOfDate() => Interlocked.Increment(ref _outOfDate);

    public void Fault() => Interlocked.Increment(ref _faults);

    public void Connected() => Interlocked.Increment(ref _connections);

    public void Lost() => Interlocked.Increment(ref _reconnects);

    public void Rejected(TensorRejection reason) => Interlocked.Increment(ref _rejected[(int)reason]);

    public TensorChannelStatistics Snapshot()
    {
        var rejected = new Dictionary<TensorRejection, long>();
        for (int i = 0; i < _rejected.Length; i++)
        {
            long count = Interlocked.Read(ref _rejected[i]);
            if (count > 0) rejected.Add((TensorRejection)i, count);
        }

        return new TensorChannelStatistics(
            Interlocked.Read(ref _framesSent), Interlocked.Read(ref _bytesSent),
            Interlocked.Read(ref _framesReceived), Interlocked.Read(ref _bytesReceived),
            Interlocked.Read(ref _repeated), Interlocked.Read(ref _discarded), Interlocked.Read(ref _refused),
            Interlocked.Read(ref _abandoned), Interlocked.Read(ref _outOfDate), Interlocked.Read(ref _faults),
            Interlocked.Read(ref _connections), Interlocked.Read(ref _reconnects), rejected);
    }
}
