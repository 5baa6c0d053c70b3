namespace DistOpt.Core.Parameters;

/// <summary>
/// A float32 vector at a fixed address: a pinned array, so that tensors of any engine and sockets can use it in place.
/// Sized once; nothing on the hot path allocates one.
/// </summary>
public sealed class FlatBuffer
{
    /// <param name="length">Number of float32 elements, 0 or more (at most <see cref="System.Array.MaxLength"/>).</param>
    public FlatBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, System.Array.MaxLength);
        Array = GC.AllocateArray<float>((int)length, pinned: true);
    }

    /// <summary>The pinned array itself, for engines that wrap arrays.</summary>
    public float[] Array { get; }

    public int Length => Array.Length;

    public Span<float> Span => Array;

    public Memory<float> Memory => Array;

    /// <summary>The part of this buffer that <paramref name="range"/> covers; positions count from the buffer's start.</summary>
    public Memory<float> Slice(KeyRange range) => Array.AsMemory(checked((int)range.Begin), checked((int)range.Length));
}
