using DistOpt.Actors.Tensors;
using DistOpt.Core.Parameters;

namespace DistOpt.Actors.ParameterServer;

/// <summary>
/// Copies of a server's state that are sent while the state itself goes on changing. A copy is used again once every slice of it has been
/// taken, so memory grows to one copy unless two are under way at once. <see cref="Rent"/> belongs to the server's thread; slices may be
/// released on any.
/// </summary>
internal sealed class StateCopies
{
    private readonly List<StateCopy> _copies = [];

    public StateCopy Rent()
    {
        var copy = _copies.FirstOrDefault(c => c.IsFree);
        if (copy is null) _copies.Add(copy = new StateCopy());
        copy.Clear();
        return copy;
    }
}

/// <summary>Vectors of one state, copied at one moment.</summary>
internal sealed class StateCopy
{
    private readonly Dictionary<int, FlatBuffer> _buffers = [];
    private readonly List<(int Part, KeyRange Range, Memory<float> Values)> _parts = [];
    private int _lent;

    public bool IsFree => Volatile.Read(ref _lent) == 0;

    public void Clear() => _parts.Clear();

    /// <summary>Copies a vector's range.</summary>
    /// <param name="range">Its place in the whole vector.</param>
    public void Add(int part, KeyRange range, ReadOnlyMemory<float> values)
    {
        if (range.IsEmpty) return;
        if (!_buffers.TryGetValue(part, out var buffer) || buffer.Length < values.Length) _buffers[part] = buffer = new FlatBuffer(values.Length);
        values.CopyTo(buffer.Memory);
        _parts.Add((part, range, buffer.Memory[..values.Length]));
    }

    /// <summary>
    /// The slices of the copy, each with a lease that keeps the copy until it is disposed. To be enumerated whole, once.
    /// </summary>
    /// <param name="most">Longest slice, in float32 places.</param>
    public IEnumerable<(int Part, KeyRange Range, TensorLease Values)> Slices(int most)
    {
        Volatile.Write(ref _lent, _parts.Sum(p => (int)((p.Range.Length + most - 1) / most)));
        foreach (var (part, range, values) in _parts)
        {
            for (int at = 0; at < values.Length; at += most)
            {
                int length = Math.Min(most, values.Length - at);
                yield return (part, new KeyRange(range.Begin + at, range.Begin + at + length),
                    new TensorLease(values.Slice(at, length), _ => Interlocked.Decrement(ref _lent)));
            }
        }
    }
}

/// <summary>How a state is cut into frames.</summary>
internal static class StateSlices
{
    /// <summary>Length of a slice in float32 places: 4 MiB, more where a vector would make too many frames.</summary>
    public static int Length(long vectorLength) => (int)Math.Max(1 << 20, Math.Min(vectorLength / 512, 1 << 28));
}
