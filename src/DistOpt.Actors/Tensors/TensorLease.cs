namespace DistOpt.Actors.Tensors;

/// <summary>Told when a lease that it watches is disposed: how a network channel notices that a frame has been consumed.</summary>
public interface ITensorLeaseWatcher
{
    /// <summary>Runs once, on the thread that disposes the lease, after its memory was given back.</summary>
    /// <param name="token">As given to <see cref="TensorLease.Watch"/>.</param>
    void Disposed(long token);
}

/// <summary>
/// Memory of float32 values lent for a while. Whoever holds the lease last disposes it, once; that gives the memory (and on a network
/// channel the credit) back.
/// </summary>
public sealed class TensorLease : IDisposable
{
    private readonly Action<TensorLease>? _release;
    private readonly LentValues? _values;
    private ITensorLeaseWatcher? _watcher;
    private long _token;
    private int _disposed;

    /// <param name="memory">The values.</param>
    /// <param name="release">Called once, on the thread that disposes; null where nobody waits for the memory.</param>
    public TensorLease(Memory<float> memory, Action<TensorLease>? release = null)
    {
        Memory = memory;
        _release = release;
    }

    private TensorLease(LentValues values) => (Memory, _values) = (values.Memory, values);

    /// <summary>Lends one version of values that later ones will be written over.</summary>
    internal static TensorLease Of(LentValues values) => new(values);

    public Memory<float> Memory { get; }

    public Span<float> Span => Memory.Span;

    /// <summary>
    /// Whether the memory holds what was lent no longer: a later version of the values has been written there. A frame with it is of no use to anybody.
    /// </summary>
    public bool IsOutOfDate => _values is { IsRetired: true };

    /// <summary>
    /// For whoever reads memory that is lent by reference: false where it is out of date. Otherwise it stays as it is until <see cref="EndRead"/>, which
    /// is to follow.
    /// </summary>
    public bool TryRead() => _values is null || _values.TryRead();

    /// <summary>Ends what <see cref="TryRead"/> has begun.</summary>
    public void EndRead() => _values?.EndRead();

    /// <summary>For channels: be told of the disposal. To be called before the lease is handed over, by one watcher.</summary>
    public void Watch(ITensorLeaseWatcher watcher, long token)
    {
        _token = token;
        _watcher = watcher;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _release?.Invoke(this);
        _watcher?.Disposed(_token);
    }
}
