using System.Security.Authentication;
using DistOpt.Actors.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tensors;

/// <summary>What all links of a channel share.</summary>
internal sealed record TensorLinkContext(
    TcpTensorChannelOptions Options, TensorHandshake Handshake, TensorChannelCounters Counters, ILogger Logger, TimeProvider Time)
{
    private ulong _sequence;

    /// <summary>Number of the next frame. One row for the whole channel, so that a node forgotten and met again sees no number twice.</summary>
    public ulong NextSequence() => Interlocked.Increment(ref _sequence);
}

/// <summary>
/// Frames from this node to one peer: the queues per address, the connection that this side makes and makes again, and the writer.
/// The writer runs on the thread of <see cref="Send"/> for as long as little is written without waiting, then on the thread pool.
/// Thread-safe; leases are disposed outside of the lock.
/// </summary>
internal sealed class OutboundLink
{
    private readonly TensorLinkContext _context;
    private readonly TensorPeer _peer;
    private readonly Lock _gate = new();
    private readonly Dictionary<TensorAddress, OutboundStream> _streams = [];
    private readonly Queue<OutboundStream> _line = [];
    private readonly Stack<OutboundFrame> _spare = [];
    private readonly SemaphoreSlim _wanted = new(0, 1);
    private readonly CancellationTokenSource _closing = new();
    private readonly OutboundWriter _writer;
    private TensorConnection? _connection;
    private long _window;
    private int _waiting;
    private bool _writing, _closed;
    private TaskCompletionSource? _writerStopped;
    private Task _running = Task.CompletedTask;

    public OutboundLink(TensorLinkContext context, TensorPeer peer)
    {
        _context = context;
        _peer = peer;
        _writer = new OutboundWriter(this);
    }

    /// <summary>Congestion control of the present connection, or null.</summary>
    public string? CongestionControl
    {
        get
        {
            lock (_gate) return _connection?.CongestionControl;
        }
    }

    /// <summary>Frames that are not acknowledged yet.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate) return _waiting;
        }
    }

    public void Start() => _running = Task.Run(RunAsync);

    public void Send(in TensorHeader header, byte[] meta, TensorLease payload)
    {
        TensorConnection? connection = null;
        List<OutboundFrame>? outOfDate = null;
        bool full = false, closed, wake = false;
        lock (_gate)
        {
            closed = _closed;
            if (_streams.TryGetValue(header.To, out var earlier)) outOfDate = TakeOutOfDate(earlier, null);
            if (!closed && _waiting >= _context.Options.MaximumWaitingFrames) full = true;
            else if (!closed)
            {
                if (!_streams.TryGetValue(header.To, out var stream)) _streams.Add(header.To, stream = new OutboundStream(header.To));
                stream.Forgotten = false;
                if (!_spare.TryPop(out var frame)) frame = new OutboundFrame();
                frame.Header = header;
                frame.Meta = meta;
                frame.Lease = payload;
                frame.Sequence = _context.NextSequence();
                frame.Bytes = header.Range.Length * sizeof(float);
                stream.Append(frame);
                _waiting++;
                wake = _connection is null;
                connection = LineUp(stream);
            }
        }

        if (outOfDate is not null) Release(outOfDate, sent: false);
        if (closed || full) payload.Dispose();
        if (full) throw new InvalidOperationException($"{_context.Options.MaximumWaitingFrames} frames wait for node '{_peer.Node}'; another to {header.To} is dropped");
        if (wake) Wake();
        if (connection is not null) _writer.Start(connection, inline: true);
    }

    public void ForgetJob(ulong job)
    {
        var dropped = new List<OutboundFrame>();
        lock (_gate)
        {
            foreach (var stream in _streams.Values.Where(s => s.Address.Job == job).ToArray())
            {
                stream.Forgotten = true;
                stream.DropUnstarted(dropped);
                if (stream.First is null) _streams.Remove(stream.Address);
            }

            _waiting -= dropped.Count;
        }

        Release(dropped, sent: false);
    }

    /// <summary>Ends the connection and all tasks, and disposes the leases of what was not acknowledged.</summary>
    public async Task CloseAsync()
    {
        TensorConnection? connection;
        lock (_gate)
        {
            _closed = true;
            connection = _connection;
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        connection?.Dispose();
        await _running.ConfigureAwait(false);
        var dropped = new List<OutboundFrame>();
        lock (_gate)
        {
            foreach (var stream in _streams.Values) stream.DropUnstarted(dropped);
            _streams.Clear();
            _waiting = 0;
        }

        Release(dropped, sent: false);
        _closing.Dispose();
        _wanted.Dispose();
    }

    /// <summary>For the writer: what to write next, or false: nothing, and the writer has stopped.</summary>
    internal bool TryNext(TensorConnection connection, out OutboundStream stream, out OutboundFrame frame, out FrameRecord record, out int rewinds)
    {
        List<OutboundFrame>? outOfDate = null;
        bool found = TryNext(connection, ref outOfDate, out stream, out frame, out record, out rewinds);
        if (outOfDate is not null) Release(outOfDate, sent: false);
        return found;
    }

    private bool TryNext(TensorConnection connection, ref List<OutboundFrame>? outOfDate, out OutboundStream stream, out OutboundFrame frame,
        out FrameRecord record, out int rewinds)
    {
        lock (_gate)
        {
            while (_connection == connection && _line.TryDequeue(out var candidate))
            {
                candidate.InLine = false;
                outOfDate = TakeOutOfDate(candidate, outOfDate);
                if (!candidate.CanWrite(_window)) continue;
                stream = candidate;
                frame = stream.Next!;
                bool first = !frame.Started;
                if (first && !frame.TryBegin())
                {
                    // overwritten just now
                    candidate.InLine = true;
                    _line.Enqueue(candidate);
                    continue;
                }
                int slice = (int)Math.Min(frame.Bytes - frame.Sent, _context.Options.SliceBytes & ~3);
                record = new FrameRecord(
                    first ? RecordKind.Frame : RecordKind.Slice, frame.Header, frame.Sequence, stream.Previous, first ? frame.Meta.Length : 0, slice);
                if (first) stream.Outstanding += frame.Bytes;
                frame.Started = frame.InWrite = true;
                frame.Writing = slice;
                rewinds = stream.Rewinds;
                return true;
            }

            (stream, frame, record, rewinds) = (null!, null!, default, 0);
            _writing = false;
            _writerStopped?.TrySetResult();
            return false;
        }
    }

    /// <summary>Takes out what waits to be begun and whose values are gone. Under the lock; to be released outside of it.</summary>
    private List<OutboundFrame>? TakeOutOfDate(OutboundStream stream, List<OutboundFrame>? taken)
    {
        while (stream.Next is { Started: false, InWrite: false, Lease.IsOutOfDate: true })
        {
            (taken ??= []).Add(stream.TakeNext());
            _waiting--;
            _context.Counters.OutOfDate();
        }

        return taken;
    }

    /// <summary>For the writer: the slice is written, or was not because the connection is gone.</summary>
    internal void Written(OutboundStream stream, OutboundFrame frame, int rewinds)
    {
        bool release;
        lock (_gate)
        {
            frame.InWrite = false;
            release = frame.Detached;
            if (!release && rewinds == stream.Rewinds)
            {
                frame.Sent += frame.Writing;
                if (frame.Sent == frame.Bytes)
                {
                    stream.Advance();
                    frame.EndReading();
                }
            }
            else
            {
                frame.EndReading(); // it was sent again from its start behind our back, or is acknowledged
            }

            frame.Writing = 0;
            if (stream is { InLine: false } && stream.CanWrite(_window))
            {
                stream.InLine = true;
                _line.Enqueue(stream);
            }
        }

        if (release) Release(frame, sent: true);
    }

    /// <summary>For the writer, after an error: nobody writes any more.</summary>
    internal void WriterFailed(TensorConnection connection, Exception error)
    {
        if (!ConnectionErrors.IsLoss(error)) _context.Logger.Fault(error);
        connection.Dispose();
        lock (_gate)
        {
            _writing = false;
            _writerStopped?.TrySetResult();
        }
    }

    // the connection to start the writer on, if the stream gave it something to do and it does not run
    private TensorConnection? LineUp(OutboundStream stream)
    {
        if (_connection is null) return null;
        if (!stream.InLine && stream.CanWrite(_window))
        {
            stream.InLine = true;
            _line.Enqueue(stream);
        }

        if (_writing || _line.Count == 0) return null;
        _writing = true;
        return _connection;
    }

    private void Wake()
    {
        try
        {
            _wanted.Release();
        }
        catch (SemaphoreFullException)
        {
            // woken already
        }
        catch (ObjectDisposedException)
        {
            // closed meanwhile; the lease goes with the rest of the queue
        }
    }

    private async Task RunAsync()
    {
        var backoff = _context.Options.Backoff;
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await WaitForFramesAsync().ConfigureAwait(false);
                if (await ConnectAndReadAsync().ConfigureAwait(false)) backoff = _context.Options.Backoff;
                int waiting;
                lock (_gate) waiting = _waiting;
                if (_closing.IsCancellationRequested) return;
                if (_refused) _context.Logger.Refused(_peer.Node.Value, _lastError, (long)backoff.TotalMilliseconds, waiting);
                else _context.Logger.Lost(_peer.Node.Value, _lastError, (long)backoff.TotalMilliseconds, waiting);
                await Task.Delay(backoff, _context.Time, _closing.Token).ConfigureAwait(false);
                backoff = TimeSpan.FromTicks(Math.Min(backoff.Ticks * 2, _context.Options.LongestBackoff.Ticks));
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private string _lastError = "";
    private bool _refused;

    private async Task WaitForFramesAsync()
    {
        while (true)
        {
            lock (_gate)
            {
                if (_waiting > 0) return;
            }

            await _wanted.WaitAsync(_closing.Token).ConfigureAwait(false);
        }
    }

    // true if the connection came about
    private async Task<bool> ConnectAndReadAsync()
    {
        TensorConnection? connection = null;
        bool established = false;
        _refused = false;
        try
        {
            using (var limit = new CancellationTokenSource(_context.Options.HandshakeTimeout, _context.Time))
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _closing.Token))
            {
                try
                {
                    connection = await TensorConnection.ConnectAsync(_peer.Host, _peer.Port, _context.Options, either.Token).ConfigureAwait(false);
                    using var closing = either.Token.UnsafeRegister(static c => ((TensorConnection)c!).Dispose(), connection);
                    await _context.Handshake.ConnectAsync(connection, _peer.Node).ConfigureAwait(false);
                }
                catch (Exception e) when (limit.IsCancellationRequested && ConnectionErrors.IsLoss(e))
                {
                    throw new TimeoutException($"no connection and handshake within {_context.Options.HandshakeTimeout.TotalSeconds:0.###} s", e);
                }
            }

            using var ending = _closing.Token.UnsafeRegister(static c => ((TensorConnection)c!).Dispose(), connection);
            _context.Counters.Connected();
            _context.Logger.Connected(_peer.Node.Value, connection.Remote, connection.CongestionControl);
            await ReadControlAsync(connection, () => established = true).ConfigureAwait(false);
            _lastError = "the peer closed it";
        }
        catch (Exception e) when (e is TimeoutException || ConnectionErrors.IsLoss(e))
        {
            // tried again after a while, see Lost in the log
            (_lastError, _refused) = (e.Message, e is AuthenticationException or TensorHandshakeException);
        }
        finally
        {
            connection?.Dispose();
            if (established) _context.Counters.Lost();
            await DisconnectAsync().ConfigureAwait(false);
        }

        return established;
    }

    private async Task DisconnectAsync()
    {
        Task stopped = Task.CompletedTask;
        lock (_gate)
        {
            _connection = null;
            if (_writing)
            {
                _writerStopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                stopped = _writerStopped.Task;
            }
        }

        await stopped.ConfigureAwait(false);
        lock (_gate)
        {
            _writerStopped = null;
            _line.Clear();
            foreach (var stream in _streams.Values)
            {
                stream.Rewind();
                stream.InLine = false;
                stream.Blocked = false;
                stream.Outstanding = 0;
            }
        }
    }

    private async Task ReadControlAsync(TensorConnection connection, Action ready)
    {
        var buffer = new byte[128 * ControlRecord.Size];
        var done = new List<OutboundFrame>();
        int filled = 0;
        while (true)
        {
            int read = await connection.ReadSomeAsync(buffer.AsMemory(filled)).ConfigureAwait(false);
            if (read == 0) return;
            filled += read;
            int at = 0;
            bool start = false;
            try
            {
                lock (_gate)
                {
                    for (; filled - at >= ControlRecord.Size; at += ControlRecord.Size)
                    {
                        if (!ControlRecord.TryRead(buffer.AsSpan(at), out var record))
                            throw new TensorProtocolException(TensorRejection.Malformed, "a control record that is not valid");
                        start |= Apply(record, connection, done, ready);
                    }
                }
            }
            finally
            {
                Release(done, sent: true);
                done.Clear();
                // also where the next record is not valid: the link counts on it, and it ends with the connection
                if (start) _writer.Start(connection, inline: false);
            }

            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
        }
    }

    // under the lock; true if the writer is to be started
    private bool Apply(in ControlRecord record, TensorConnection connection, List<OutboundFrame> done, Action ready)
    {
        if (record.Kind == ControlKind.Ready)
        {
            if (_closed || _connection is not null) return false;
            _connection = connection;
            _window = record.Bytes;
            ready();
            bool start = false;
            foreach (var each in _streams.Values) start |= LineUp(each) is not null;
            return start;
        }

        // a stream that is not there was forgotten
        if (!_streams.TryGetValue(record.Address, out var stream)) return false;
        switch (record.Kind)
        {
            case ControlKind.Ack:
                while (stream.First is { } frame && frame.Sequence <= record.Sequence)
                {
                    if (_connection is not null && !frame.WholeOnWire)
                        throw new TensorProtocolException(TensorRejection.Malformed, "a frame is acknowledged that was not sent");
                    _ = stream.TakeFirst();
                    _waiting--;
                    if (frame.InWrite) frame.Detached = true;
                    else done.Add(frame);
                }

                stream.Outstanding = Math.Max(0, stream.Outstanding - record.Bytes);
                break;
            case ControlKind.Credit:
                stream.Outstanding = Math.Max(0, stream.Outstanding - record.Bytes);
                break;
            case ControlKind.Held:
                stream.Outstanding += record.Bytes;
                break;
            case ControlKind.Refused:
                stream.Blocked = true;
                stream.Rewind();
                if (stream.Forgotten) Drop(stream, done);
                break;
            case ControlKind.Resume:
                stream.Blocked = false;
                break;
            case ControlKind.Ready:
            default:
                throw new InvalidOperationException($"{record.Kind} is handled by the caller");
        }

        if (stream is { Forgotten: true, First: null }) _streams.Remove(stream.Address);
        return LineUp(stream) is not null;
    }

    private void Drop(OutboundStream stream, List<OutboundFrame> done)
    {
        int before = done.Count;
        stream.DropUnstarted(done);
        _waiting -= done.Count - before;
    }

    private void Release(List<OutboundFrame> frames, bool sent)
    {
        foreach (var frame in frames) Release(frame, sent);
    }

    private void Release(OutboundFrame frame, bool sent)
    {
        var lease = frame.Lease;
        if (sent) _context.Counters.Sent(frame.Bytes);
        lock (_gate)
        {
            frame.Lease = null;
            frame.Meta = [];
            frame.Following = null;
            frame.Started = frame.Detached = false;
            frame.Sent = 0;
            if (_spare.Count < 256) _spare.Push(frame);
        }

        lease?.Dispose();
    }
}
