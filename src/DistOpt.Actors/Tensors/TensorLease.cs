namespace DistOpt.Actors.Tensors;

/// <summary>
/// Memory of float32 values lent for a while. Whoever holds the lease last disposes it, once; that gives the memory (and on a network
/// channel the credit) back.
/// </summary>
public sealed class TensorLease : IDisposable
{
    private Action<TensorLease>? _release;

    /// <param name="memory">The values.</param>
    /// <param name="release">Called once, on the thread that disposes; null where nobody waits for the memory.</param>
    public TensorLease(Memory<float> memory, Action<TensorLease>? release = null)
    {
        Memory = memory;
        _release = release;
    }

    public Memory<float> Memory { get; }

    public Span<float> Span => Memory.Span;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke(this);
}
