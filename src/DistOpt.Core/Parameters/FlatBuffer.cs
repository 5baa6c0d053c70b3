using System.Runtime.InteropServices;

namespace DistOpt.Core.Parameters;

/// <summary>
/// A float32 vector at a fixed address that is a multiple of 64 bytes: pinned memory, so that tensors of any engine and sockets can use it in
/// place, at the same alignment on every worker (kernels may take another path, with other bits, for other alignments). Sized once; nothing on
/// the hot path allocates one.
/// </summary>
public sealed class FlatBuffer
{
    /// <summary>Alignment of the first element, in bytes: a cache line, and the widest vector.</summary>
    public const int Alignment = 64;

    private const int Slack = Alignment / sizeof(float);

    /// <param name="length">Number of float32 elements, 0 or more (at most <see cref="Array.MaxLength"/> less 16).</param>
    public FlatBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Array.MaxLength - Slack);
        Storage = GC.AllocateArray<float>((int)length + Slack, pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(Storage, 0);
        Offset = (int)((Alignment - (address % Alignment)) % Alignment / sizeof(float));
        Length = (int)length;
    }

    /// <summary>The pinned array that holds the vector, from <see cref="Offset"/> on: for engines that wrap arrays.</summary>
    public float[] Storage { get; }

    /// <summary>Position of the vector's first element in <see cref="Storage"/>.</summary>
    public int Offset { get; }

    public int Length { get; }

    public Span<float> Span => Storage.AsSpan(Offset, Length);

    public Memory<float> Memory => Storage.AsMemory(Offset, Length);

    /// <summary>The part of this buffer that <paramref name="range"/> covers; positions count from the buffer's start.</summary>
    public Memory<float> Slice(KeyRange range) => Memory.Slice(checked((int)range.Begin), checked((int)range.Length));
}
