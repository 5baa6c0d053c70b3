using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistOpt.Core.Parameters;
using Microsoft.Win32.SafeHandles;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// One vector of a state as a safetensors file. Its tensors lie in the layout's order without gaps, so that behind the header the file is the
/// flat vector itself, and any range of it can be written at its place by whoever holds it, in any order.
/// </summary>
public sealed class VectorFile : IDisposable
{
    /// <summary>
    /// Where the vector begins in the file is a multiple of this, as key ranges are: two servers that write to one file over a network never write to
    /// the same page, of which the one would overwrite the other's part.
    /// </summary>
    private const int PageSize = 4096;

    private readonly SafeFileHandle _handle;
    private readonly long _dataStart;

    private VectorFile(SafeFileHandle handle, long dataStart) => (_handle, _dataStart) = (handle, dataStart);

    /// <summary>Opens or creates the file with its header and its full length; several writers may do so at once, with the same outcome.</summary>
    /// <param name="tensors">Tensors of the vector's section of the layout.</param>
    public static VectorFile OpenToWrite(string path, ImmutableArray<TensorSlot> tensors)
    {
        byte[] header = Header(tensors);
        long length = LengthOf(header, tensors);
        var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        try
        {
            RandomAccess.Write(handle, header, 0);
            if (RandomAccess.GetLength(handle) != length) RandomAccess.SetLength(handle, length);
            return new VectorFile(handle, header.Length);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Writes values to their place.</summary>
    /// <param name="begin">Position of the first one in the vector, in float32 places.</param>
    public void Write(long begin, ReadOnlySpan<float> values)
    {
        // in pieces, since the bytes of one span are counted in an int
        const int piece = 1 << 28;
        for (int at = 0; at < values.Length; at += piece)
        {
            var part = values.Slice(at, Math.Min(piece, values.Length - at));
            RandomAccess.Write(_handle, MemoryMarshal.AsBytes(part), _dataStart + 4 * (begin + at));
        }
    }

    /// <summary>Waits until what was written is on the disk.</summary>
    public void Flush() => RandomAccess.FlushToDisk(_handle);

    public void Dispose() => _handle.Dispose();

    /// <summary>Checks that an open file holds exactly the tensors of a section, in its order.</summary>
    /// <exception cref="InvalidDataException">It holds others.</exception>
    internal static void Check(SafetensorsFile file, ImmutableArray<TensorSlot> tensors)
    {
        long next = 0;
        bool same = file.Tensors.Length == tensors.Length;
        for (int i = 0; same && i < tensors.Length; i++)
        {
            var (entry, slot) = (file.Tensors[i], tensors[i]);
            same = entry.Name == slot.Name && entry.Type == TypeOf(slot) && entry.Begin == next && entry.Shape.AsSpan().SequenceEqual(slot.Shape.AsSpan());
            next = entry.End;
        }
        if (!same) throw new InvalidDataException($"{file.Path} holds other tensors than the model has");
    }

    /// <summary>
    /// Hashes a file that others have written, as it is seen here, and finds on the way whether it is what they say they have written.
    /// </summary>
    /// <param name="slices">The whole vector, in any order.</param>
    /// <returns>SHA-256 of the file, lower-case hex.</returns>
    /// <exception cref="IOException">It is missing, or holds something else; the message says what.</exception>
    internal static string HashWritten(string path, ImmutableArray<TensorSlot> tensors, IEnumerable<WrittenSlice> slices)
    {
        byte[] header = Header(tensors);
        string name = Path.GetFileName(path);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0, FileOptions.SequentialScan);
        long length = LengthOf(header, tensors);
        if (stream.Length != length) throw new IOException($"{name} has {stream.Length} bytes here instead of {length}");
        using var whole = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var part = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        if (!Next(header.Length).AsSpan().SequenceEqual(SHA256.HashData(header))) throw new IOException($"the header of {name} is not what was written");
        foreach (var slice in slices.OrderBy(s => s.Range.Begin))
        {
            if (Convert.ToHexStringLower(Next(4 * slice.Range.Length)) != slice.Sha256)
                throw new IOException($"{name} does not hold at {slice.Range} what was written there");
        }
        return Convert.ToHexStringLower(whole.GetHashAndReset());

        byte[] Next(long bytes)
        {
            while (bytes > 0)
            {
                var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, bytes));
                stream.ReadExactly(piece);
                whole.AppendData(piece);
                part.AppendData(piece);
                bytes -= piece.Length;
            }
            return part.GetHashAndReset();
        }
    }

    private static byte[] Header(ImmutableArray<TensorSlot> tensors) =>
        SafetensorsWriter.HeaderInOrder([.. tensors.Select(t => (t.Name, TypeOf(t), t.Shape, 4 * t.Length))], alignment: PageSize);

    private static long LengthOf(byte[] header, ImmutableArray<TensorSlot> tensors) => header.Length + 4 * tensors.Sum(t => t.Length);

    private static SafetensorsType TypeOf(TensorSlot slot) => slot.Type == ElementType.Int64 ? SafetensorsType.I64 : SafetensorsType.F32;
}
