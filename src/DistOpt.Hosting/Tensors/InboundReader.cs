using DistOpt.Actors.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tensors;

/// <summary>Reads the frames of one authenticated connection, straight into what the receivers give, until it ends.</summary>
internal sealed class InboundReader(
    TensorConnection connection, InboundPeer peer, TensorMailboxes mailboxes, TcpTensorChannelOptions options, TensorChannelCounters counters, ILogger logger)
{
    private const int ScratchBytes = 64 << 10;

    private readonly ControlWriter _control = new(connection);
    private readonly byte[] _record = new byte[FrameRecord.Size];
    private readonly FloatBytes _bytes = new();
    private byte[] _meta = [];
    private byte[] _scratch = [];

    /// <summary>Ends when the peer closes between frames; throws otherwise. Frames that are begun are given up.</summary>
    /// <exception cref="TensorProtocolException">The peer breaks the protocol; the connection must be closed.</exception>
    public async Task RunAsync()
    {
        peer.Begin(_control, options.WindowBytes);
        try
        {
            while (await connection.ReadAsync(_record).ConfigureAwait(false))
            {
                if (FrameRecord.Read(_record, options.MaximumFrameBytes, options.MaximumMetaBytes, out var record) is { } rejection)
                    throw new TensorProtocolException(rejection, "a record that is not valid");
                var stream = peer.StreamOf(record.Header.To);
                if (record.Record == RecordKind.Frame) await BeginFrameAsync(stream, record).ConfigureAwait(false);
                await ReadSliceAsync(stream, record).ConfigureAwait(false);
            }
        }
        catch (Exception) when (_control.Overflowed)
        {
            throw new TensorProtocolException(TensorRejection.CreditExceeded, "acknowledgements are not read");
        }
        finally
        {
            peer.End(_control);
            foreach (var (stream, frame) in peer.TakeOpen()) Abandon(stream, frame);
        }
    }

    private async ValueTask BeginFrameAsync(InboundStream stream, FrameRecord record)
    {
        if (stream.Open is { } previous)
        {
            // sent anew from its start
            stream.Open = null;
            Abandon(stream, previous);
        }

        ReadOnlyMemory<byte> meta = default;
        if (record.MetaLength > 0)
        {
            if (_meta.Length < record.MetaLength) _meta = new byte[record.MetaLength];
            var buffer = _meta.AsMemory(0, record.MetaLength);
            if (!await connection.ReadAsync(buffer).ConfigureAwait(false)) throw new EndOfStreamException("the connection ended before a frame's message");
            meta = buffer;
        }

        IWireMessage? message = null;
        if (!meta.IsEmpty)
        {
            try
            {
                message = MetaCodec.Decode(meta);
            }
            catch (WireException e)
            {
                throw new TensorProtocolException(TensorRejection.Malformed, e.Message);
            }
        }

        stream.Open = Admit(stream, record, message);
    }

    // null: the frame is refused, its bytes are thrown away and it comes again
    private OpenFrame? Admit(InboundStream stream, in FrameRecord record, IWireMessage? meta)
    {
        var receiver = mailboxes.Find(record.Header.To);
        bool repeated = false, refuse = false;
        lock (peer.Gate)
        {
            if (record.Sequence <= stream.LastDone) repeated = true;
            else if (receiver is null)
            {
                refuse = true;
                if (!stream.Refused)
                {
                    stream.Refused = true;
                    _control.Add(new ControlRecord(ControlKind.Refused, stream.Address, record.Sequence, 0));
                }
            }
            else if (record.Previous > stream.LastDone || stream.Refused)
            {
                // on its way before the peer knew that the one before it was refused
                refuse = true;
            }
        }

        if (refuse)
        {
            counters.Refused();
            _control.Flush();
            return null;
        }

        if (repeated)
        {
            counters.Repeated();
            return new OpenFrame(record, null, null, null);
        }

        return new OpenFrame(record, meta, receiver, Accept(receiver!, stream, record));
    }

    private TensorLease? Accept(ITensorReceiver receiver, InboundStream stream, in FrameRecord record)
    {
        TensorLease? lease;
        try
        {
            lease = receiver.Accept(record.Header);
        }
        catch (Exception e)
        {
            // a fault of one receiver must not take the others' connection down: its frame is thrown away, which is told
            counters.Fault();
            logger.ReceiverFailed(e, nameof(ITensorReceiver.Accept), record.Header);
            return null;
        }

        if (lease is null) return null;
        if (lease.Memory.Length != record.Header.Range.Length)
        {
            counters.Fault();
            logger.WrongLength(lease.Memory.Length, record.Header);
            lease.Dispose();
            return null;
        }

        bool exceeded;
        lock (peer.Gate)
        {
            exceeded = stream.Held > 0 && stream.Held + record.PayloadLength > options.WindowBytes;
            if (!exceeded) stream.Held += record.PayloadLength;
        }

        if (!exceeded) return lease;
        receiver.Abandoned(record.Header, lease);
        throw new TensorProtocolException(TensorRejection.CreditExceeded, $"a frame beyond the window of {options.WindowBytes} bytes");
    }

    private async ValueTask ReadSliceAsync(InboundStream stream, FrameRecord record)
    {
        var frame = stream.Open;
        if (frame is null || frame.Record.Sequence != record.Sequence)
        {
            if (frame is not null) throw new TensorProtocolException(TensorRejection.Malformed, "a slice of a frame that was not begun");
            await SkipAsync(record.SliceLength).ConfigureAwait(false);
            return;
        }

        if (frame.At + record.SliceLength > frame.Record.PayloadLength || record.PayloadLength != frame.Record.PayloadLength)
            throw new TensorProtocolException(TensorRejection.Malformed, "slices longer than their frame");
        if (frame.Lease is null)
        {
            await SkipAsync(record.SliceLength).ConfigureAwait(false);
        }
        else if (record.SliceLength > 0
                 && !await connection.ReadAsync(_bytes.Of(frame.Lease.Memory, frame.At, record.SliceLength)).ConfigureAwait(false))
        {
            throw new EndOfStreamException("the connection ended before a slice");
        }

        frame.At += record.SliceLength;
        if (frame.At < frame.Record.PayloadLength) return;
        stream.Open = null;
        Complete(stream, frame);
    }

    private void Complete(InboundStream stream, OpenFrame frame)
    {
        var header = frame.Record.Header;
        long bytes = frame.Record.PayloadLength;
        if (frame.Lease is { } lease)
        {
            if (mailboxes.Find(header.To) != frame.Receiver)
            {
                // nobody, or somebody else, listens by now: as if the frame had come a little later
                Abandon(stream, frame);
                lock (peer.Gate)
                {
                    stream.Refused = true;
                    _control.Add(new ControlRecord(ControlKind.Refused, stream.Address, frame.Record.Sequence, 0));
                }

                counters.Refused();
                _control.Flush();
                if (mailboxes.Find(header.To) is not null) peer.Resume(header.To);
                return;
            }

            bool onReceipt = frame.Receiver!.CreditOnReceipt;
            if (!onReceipt) lease.Watch(stream, bytes);
            counters.Received(bytes);
            try
            {
                frame.Receiver.Received(header, frame.Meta, lease);
            }
            catch (Exception e)
            {
                // whether the receiver took the frame is not known; sending it again would fail alike
                counters.Fault();
                logger.ReceiverFailed(e, nameof(ITensorReceiver.Received), header);
            }

            Acknowledge(stream, frame, held: onReceipt ? bytes : 0, credit: onReceipt ? bytes : 0);
            return;
        }

        if (frame.Receiver is not null) counters.Discarded();
        Acknowledge(stream, frame, held: 0, credit: bytes);
    }

    private void Acknowledge(InboundStream stream, OpenFrame frame, long held, long credit)
    {
        lock (peer.Gate)
        {
            stream.Held -= held;
            stream.LastDone = Math.Max(stream.LastDone, frame.Record.Sequence);
            _control.Add(new ControlRecord(ControlKind.Ack, stream.Address, frame.Record.Sequence, credit));
        }

        _control.Flush();
    }

    private void Abandon(InboundStream stream, OpenFrame frame)
    {
        if (frame.Lease is null) return;
        lock (peer.Gate) stream.Held -= frame.Record.PayloadLength;
        counters.Abandoned();
        try
        {
            frame.Receiver!.Abandoned(frame.Record.Header, frame.Lease);
        }
        catch (Exception e)
        {
            // the lease is the receiver's again either way
            counters.Fault();
            logger.ReceiverFailed(e, nameof(ITensorReceiver.Abandoned), frame.Record.Header);
        }
    }

    private async ValueTask SkipAsync(long bytes)
    {
        if (bytes > 0 && _scratch.Length == 0) _scratch = new byte[ScratchBytes];
        while (bytes > 0)
        {
            int part = (int)Math.Min(bytes, _scratch.Length);
            if (!await connection.ReadAsync(_scratch.AsMemory(0, part)).ConfigureAwait(false)) throw new EndOfStreamException("the connection ended before a slice");
            bytes -= part;
        }
    }
}
