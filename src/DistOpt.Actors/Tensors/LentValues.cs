using System.Collections.Concurrent;
using DistOpt.Core.Parameters;

namespace DistOpt.Actors.Tensors;

/// <summary>
/// One version of values that are lent by reference for as long as they stand in their memory. Before the owner writes a later version there it retires
/// this one: leases that nobody is reading by then are out of date, and for those that are being read the memory stays as it is, so that the owner takes
/// another. So no reader ever sees values under the name of a version that they are not. Thread-safe.
/// </summary>
internal sealed class LentValues
{
    private const int Retired = 1 << 30;

    private readonly ConcurrentBag<Memory<float>> _free;

    // readers, and Retired
    private int _state;

    /// <param name="memory">The values, until they are retired.</param>
    /// <param name="free">Receives the memory of a version that was retired while it was read, once nobody does.</param>
    public LentValues(Memory<float> memory, ConcurrentBag<Memory<float>> free) => (Memory, _free) = (memory, free);

    public Memory<float> Memory { get; }

    public bool IsRetired => Volatile.Read(ref _state) >= Retired;

    public TensorLease Lend() => TensorLease.Of(this);

    /// <summary>Whether these are the values still; if so they stay until <see cref="EndRead"/>.</summary>
    public bool TryRead()
    {
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if (state >= Retired) return false;
            if (Interlocked.CompareExchange(ref _state, state + 1, state) == state) return true;
        }
    }

    public void EndRead()
    {
        if (Interlocked.Decrement(ref _state) == Retired) _free.Add(Memory);
    }

    /// <summary>From now on nobody begins to read. False where somebody is at it: the memory is not to be written to.</summary>
    public bool Retire() => Interlocked.Add(ref _state, Retired) == Retired;
}

/// <summary>
/// What a server lends of a vector of which it keeps the current version, and perhaps the one before. Used by its actor alone; what it lends is
/// disposed anywhere.
/// </summary>
internal sealed class LentVersions
{
    private readonly ConcurrentBag<Memory<float>> _free = [];
    private LentValues? _current;
    private LentValues? _previous;

    public TensorLease LendCurrent(Memory<float> values) => (_current ??= new LentValues(values, _free)).Lend();

    public TensorLease LendPrevious(Memory<float> values) => (_previous ??= new LentValues(values, _free)).Lend();

    /// <summary>
    /// The version before is about to be written over, and the current one becomes the one before. Returns other memory to write to where the former is
    /// being read.
    /// </summary>
    public Memory<float>? Advance()
    {
        var over = _previous;
        (_previous, _current) = (_current, null);
        return Freed(over);
    }

    /// <summary>The current version is about to be written over. Returns other memory to write to where it is being read.</summary>
    public Memory<float>? Overwrite()
    {
        var over = _current;
        _current = null;
        return Freed(over);
    }

    private Memory<float>? Freed(LentValues? over)
    {
        if (over is null || over.Retire()) return null;
        return _free.TryTake(out var memory) ? memory : new FlatBuffer(over.Memory.Length).Memory;
    }
}
