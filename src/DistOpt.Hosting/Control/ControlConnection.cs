using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Remote.Transport;
using DistOpt.Hosting.Tensors;
using Google.Protobuf;

namespace DistOpt.Hosting.Control;

/// <summary>One connection of the control plane: whole frames in and out. What is queued is sent before it closes, for as long as the peer takes it.</summary>
/// <param name="name">The other side, for people.</param>
/// <param name="certificate">Where the peer's certificate must name the host that it says it is, that certificate; else null.</param>
internal sealed class ControlConnection(
    Address local, Address remote, string name, Socket socket, Stream stream, ControlTransportSetup setup, X509Certificate2? certificate)
    : AssociationHandle(local, remote)
{
    private const int LengthBytes = 4;
    private const int BatchBytes = 64 << 10;

    /// <summary>Frames beyond this wait in the sender's actor, which backs off.</summary>
    private const long QueueBytes = 16 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Channel<ByteString> _frames = Channel.CreateUnbounded<ByteString>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _aborting = new();
    private long _queued;
    private int _disposed;
    private Task _reading = Task.CompletedTask;
    private Task _writing = Task.CompletedTask;

    /// <summary>Completes when nothing of the connection runs any more.</summary>
    public Task Closed { get; private set; } = Task.CompletedTask;

    public void Start()
    {
        _reading = Task.Run(ReadAsync);
        _writing = Task.Run(WriteAsync);
        Closed = Task.WhenAll(_reading, _writing).ContinueWith(_ => Dispose(), TaskScheduler.Default);
    }

    public override bool Write(ByteString payload)
    {
        if (Interlocked.Add(ref _queued, payload.Length) <= QueueBytes && _frames.Writer.TryWrite(payload)) return true;
        Interlocked.Add(ref _queued, -payload.Length);
        return false;
    }

#pragma warning disable CS0672 // the overload with a reason calls this one, and it is the one that transports give
    public override void Disassociate() => _ = CloseAsync();
#pragma warning restore CS0672

    public Task CloseAsync()
    {
        _frames.Writer.TryComplete();
        // the peer may neither take what is queued nor close its side
        _aborting.CancelAfter(Patience);
        return Closed;
    }

    private async Task ReadAsync()
    {
        IHandleEventListener? listener = null;
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        try
        {
            listener = await ReadHandlerSource.Task.WaitAsync(_aborting.Token).ConfigureAwait(false);
            var guard = new FrameGuard(certificate);
            while (true)
            {
                var result = await reader.ReadAsync(_aborting.Token).ConfigureAwait(false);
                var rest = result.Buffer;
                while (TryTake(ref rest, out var frame))
                {
                    byte[] bytes = frame.ToArray();
                    if (guard.Problem(bytes) is { } problem) throw new InvalidDataException(problem);
                    listener.Notify(new InboundPayload(UnsafeByteOperations.UnsafeWrap(bytes)));
                }
                reader.AdvanceTo(rest.Start, rest.End);
                if (result.IsCompleted) break;
            }
        }
        catch (InvalidDataException e)
        {
            setup.Logger.Closed(name, e.Message);
            await _aborting.CancelAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            // Akka is told below, and tries again where it needs to
        }
        catch (Exception e)
        {
            setup.Logger.Fault(e);
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
            _frames.Writer.TryComplete();
            _aborting.CancelAfter(Patience);
            listener?.Notify(new Disassociated(DisassociateInfo.Unknown));
        }
    }

    /// <exception cref="InvalidDataException">A frame that is empty or too large.</exception>
    private bool TryTake(ref ReadOnlySequence<byte> rest, out ReadOnlySequence<byte> frame)
    {
        frame = default;
        if (rest.Length < LengthBytes) return false;
        Span<byte> prefix = stackalloc byte[LengthBytes];
        rest.Slice(0, LengthBytes).CopyTo(prefix);
        int length = BinaryPrimitives.ReadInt32LittleEndian(prefix);
        if (length <= 0 || length > setup.FrameBytes) throw new InvalidDataException($"a frame of {length} bytes, where 1 to {setup.FrameBytes} are allowed");
        if (rest.Length - LengthBytes < length) return false;
        frame = rest.Slice(LengthBytes, length);
        rest = rest.Slice(frame.End);
        return true;
    }

    private async Task WriteAsync()
    {
        var batch = new ArrayBufferWriter<byte>(1024);
        try
        {
            while (await _frames.Reader.WaitToReadAsync(_aborting.Token).ConfigureAwait(false))
            {
                batch.ResetWrittenCount();
                int taken = 0;
                while (batch.WrittenCount < BatchBytes && _frames.Reader.TryRead(out var frame))
                {
                    BinaryPrimitives.WriteInt32LittleEndian(batch.GetSpan(LengthBytes), frame.Length);
                    batch.Advance(LengthBytes);
                    batch.Write(frame.Span);
                    taken += frame.Length;
                }
                await stream.WriteAsync(batch.WrittenMemory, _aborting.Token).ConfigureAwait(false);
                await stream.FlushAsync(_aborting.Token).ConfigureAwait(false);
                Interlocked.Add(ref _queued, -taken);
                if (batch.Capacity > 4 * BatchBytes) batch = new ArrayBufferWriter<byte>(1024);
            }
            // the reader goes on until the peer closes too, so that nothing of what was sent is lost
            if (stream is SslStream secure) await secure.ShutdownAsync().WaitAsync(_aborting.Token).ConfigureAwait(false);
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            await _aborting.CancelAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            setup.Logger.Fault(e);
            await _aborting.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            _frames.Writer.TryComplete();
        }
    }

    private void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        stream.Dispose();
        socket.Dispose();
    }
}
