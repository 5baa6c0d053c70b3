namespace DistOpt.Hosting.Tensors;

/// <summary>
/// Sends control records of one connection, many at once where they come faster than they are sent. Whoever adds the first one sends,
/// on his thread; nobody waits.
/// </summary>
internal sealed class ControlWriter(TensorConnection connection)
{
    // a peer that reads nothing is closed once this much waits
    private const int Limit = 1 << 20;

    private readonly Lock _gate = new();
    private byte[] _filling = new byte[8 * ControlRecord.Size];
    private byte[] _sending = new byte[8 * ControlRecord.Size];
    private int _filled;
    private bool _writing;

    /// <summary>Why the connection had to be closed, or null.</summary>
    public bool Overflowed { get; private set; }

    /// <summary>Puts a record into the queue; <see cref="Flush"/> sends it.</summary>
    public void Add(in ControlRecord record)
    {
        lock (_gate)
        {
            if (_filled + ControlRecord.Size > _filling.Length)
            {
                if (_filled >= Limit)
                {
                    Overflowed = true;
                    connection.Dispose();
                    return;
                }

                Array.Resize(ref _filling, _filling.Length * 2);
            }

            record.Write(_filling.AsSpan(_filled));
            _filled += ControlRecord.Size;
        }
    }

    public void Flush()
    {
        lock (_gate)
        {
            if (_writing || _filled == 0) return;
            _writing = true;
        }

        // not awaited: ends when the queue is empty or the connection closed, and does not throw
        _ = WriteAsync();
    }

    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                int length;
                lock (_gate)
                {
                    if (_filled == 0)
                    {
                        _writing = false;
                        return;
                    }

                    (_filling, _sending) = (_sending, _filling);
                    (length, _filled) = (_filled, 0);
                }

                await connection.WriteAsync(_sending.AsMemory(0, length)).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            // the connection is gone: its reader notices too and ends it; what was to be said is said anew on the next one
            connection.Dispose();
        }
    }
}
