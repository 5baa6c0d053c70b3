using System.Buffers;
using System.Runtime.InteropServices;

namespace DistOpt.Hosting.Tensors;

/// <summary>The bytes of float32 memory as <see cref="Memory{Byte}"/>, without a copy; used again for one frame after the other.</summary>
internal sealed class FloatBytes : MemoryManager<byte>
{
    private Memory<float> _floats;

    /// <summary>The bytes <c>[offset, offset + length)</c> of <paramref name="floats"/>; valid until the next call.</summary>
    public Memory<byte> Of(Memory<float> floats, long offset, int length)
    {
        // a byte offset of a long vector does not fit into an int: the manager starts at a float near it
        int skip = (int)(offset / sizeof(float));
        int within = (int)(offset % sizeof(float));
        int count = (within + length + sizeof(float) - 1) / sizeof(float);
        _floats = floats.Slice(skip, count);
        return Memory.Slice(within, length);
    }

    /// <summary>Lets go of the memory.</summary>
    public void Clear() => _floats = default;

    public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(_floats.Span);

    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        int whole = elementIndex / sizeof(float);
        var handle = _floats[whole..].Pin();
        int rest = elementIndex - (whole * sizeof(float));
        if (rest == 0) return handle;
        var inner = new Pinned(handle);
        return new MemoryHandle((byte*)handle.Pointer + rest, default, inner);
    }

    public override void Unpin()
    {
        // the handle that Pin gave unpins by itself
    }

    protected override void Dispose(bool disposing) => Clear();

    private sealed class Pinned(MemoryHandle handle) : IPinnable
    {
        private MemoryHandle _handle = handle;

        public MemoryHandle Pin(int elementIndex) => throw new NotSupportedException();

        public void Unpin() => _handle.Dispose();
    }
}
