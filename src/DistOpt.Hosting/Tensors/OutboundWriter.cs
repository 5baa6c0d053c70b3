using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DistOpt.Hosting.Tensors;

/// <summary>
/// Writes a link's slices, one after the other over the streams in line. At most one run of it at a time (the link sees to that).
/// Small slices are put behind their header and written at once; larger ones are written from where they are.
/// </summary>
internal sealed class OutboundWriter(OutboundLink link) : IThreadPoolWorkItem
{
    // up to here copying is cheaper than a second system call
    private const int Staged = 64 << 10;

    // a caller of Send writes so much himself; beyond it a pool thread goes on
    private const long InlineBytes = 128 << 10;

    private readonly FloatBytes _bytes = new();
    private byte[] _buffer = new byte[4096];
    private TensorConnection? _connection;

    /// <param name="inline">Whether to begin on this thread.</param>
    public void Start(TensorConnection connection, bool inline)
    {
        _connection = connection;
        if (inline) _ = RunAsync(connection, InlineBytes);
        else ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute() => _ = RunAsync(_connection!, long.MaxValue);

    // does not throw: what goes wrong ends the connection, whose reader then sees to the rest
    private async Task RunAsync(TensorConnection connection, long inlineBytes)
    {
        try
        {
            while (true)
            {
                if (!link.TryNext(connection, out var stream, out var frame, out var record, out int rewinds)) return;
                try
                {
                    inlineBytes -= record.SliceLength;
                    if (inlineBytes < 0)
                    {
                        await default(ToThreadPool);
                        inlineBytes = long.MaxValue;
                    }

                    await WriteAsync(connection, frame, record).ConfigureAwait(false);
                }
                finally
                {
                    link.Written(stream, frame, rewinds);
                }
            }
        }
        catch (Exception e)
        {
            link.WriterFailed(connection, e);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WriteAsync(TensorConnection connection, OutboundFrame frame, FrameRecord record)
    {
        int front = FrameRecord.Size + record.MetaLength;
        bool staged = record.SliceLength <= Staged;
        int length = front + (staged ? record.SliceLength : 0);
        if (_buffer.Length < length) _buffer = new byte[Math.Max(length, Staged + FrameRecord.Size)];
        record.Write(_buffer);
        if (record.MetaLength > 0) frame.Meta.CopyTo(_buffer, FrameRecord.Size);
        if (staged)
        {
            if (record.SliceLength > 0)
            {
                MemoryMarshal.AsBytes(frame.Lease!.Memory.Span)
                    .Slice(checked((int)frame.Sent), record.SliceLength).CopyTo(_buffer.AsSpan(front));
            }
        }

        await connection.WriteAsync(_buffer.AsMemory(0, length)).ConfigureAwait(false);
        if (!staged) await connection.WriteAsync(_bytes.Of(frame.Lease!.Memory, frame.Sent, record.SliceLength)).ConfigureAwait(false);
    }

    /// <summary>Goes on on the thread pool, whatever scheduler the caller of Send runs on.</summary>
    private readonly struct ToThreadPool : ICriticalNotifyCompletion
    {
        public ToThreadPool GetAwaiter() => this;

        public bool IsCompleted => false;

        public void GetResult()
        {
            // nothing to give
        }

        public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

        public void UnsafeOnCompleted(Action continuation) =>
            ThreadPool.UnsafeQueueUserWorkItem(static c => c(), continuation, preferLocal: false);
    }
}
