using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace DistOpt.Core.Checkpoints;

/// <summary>A tensor to be written: its values stay where they are until then.</summary>
public sealed class SafetensorsTensor
{
    private readonly Action<Stream> _write;

    private SafetensorsTensor(string name, SafetensorsType type, ImmutableArray<long> shape, long byteLength, Action<Stream> write)
    {
        Name = name;
        Type = type;
        Shape = shape;
        ByteLength = byteLength;
        _write = write;
    }

    public string Name { get; }

    public SafetensorsType Type { get; }

    public ImmutableArray<long> Shape { get; }

    public long ByteLength { get; }

    /// <summary>A float32 tensor.</summary>
    /// <exception cref="ArgumentException">The shape has another number of elements than <paramref name="values"/>.</exception>
    public static SafetensorsTensor Float32(string name, ImmutableArray<long> shape, ReadOnlyMemory<float> values) =>
        Raw(name, SafetensorsType.F32, shape, values);

    /// <summary>
    /// A tensor whose raw little-endian bytes lie in memory of any unmanaged type, such as an int64 buffer in the float32 places of a
    /// flat vector.
    /// </summary>
    /// <param name="name">Name in the file; any text but <c>__metadata__</c>.</param>
    /// <param name="type">Element type of the tensor.</param>
    /// <param name="shape">Sizes of the dimensions; empty for a scalar.</param>
    /// <param name="data">Its bytes, in row-major order.</param>
    /// <exception cref="ArgumentException">The shape needs another number of bytes.</exception>
    public static SafetensorsTensor Raw<T>(string name, SafetensorsType type, ImmutableArray<long> shape, ReadOnlyMemory<T> data)
        where T : unmanaged
    {
        long bytes = (long)data.Length * Marshal.SizeOf<T>();
        long wanted = type.Size();
        foreach (long size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            wanted = checked(wanted * size);
        }
        if (bytes != wanted)
            throw new ArgumentException($"tensor '{name}': {type} of shape [{string.Join(", ", shape)}] needs {wanted} bytes, not {bytes}");
        return new SafetensorsTensor(name, type, shape, bytes, stream => WriteBytes(stream, data));
    }

    internal void WriteTo(Stream stream) => _write(stream);

    private static void WriteBytes<T>(Stream stream, ReadOnlyMemory<T> data) where T : unmanaged
    {
        // in pieces, since the bytes of one span are counted in an int
        const int piece = 1 << 24;
        for (int at = 0; at < data.Length; at += piece)
            stream.Write(MemoryMarshal.AsBytes(data.Span.Slice(at, Math.Min(piece, data.Length - at))));
    }
}
