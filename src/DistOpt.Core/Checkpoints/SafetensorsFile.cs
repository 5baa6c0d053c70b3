using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// An open safetensors file: the header is checked in full when it is opened, tensors are read when asked for, straight into the caller's
/// memory. Thread-safe. Files of any origin: nothing is allocated by what a header claims before that is compared with the file's length.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly long _dataStart;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);

    private SafetensorsFile(string path, SafeFileHandle handle, long dataStart, ImmutableArray<SafetensorsEntry> tensors,
        ImmutableSortedDictionary<string, string> metadata)
    {
        Path = path;
        _handle = handle;
        _dataStart = dataStart;
        Tensors = tensors;
        Metadata = metadata;
        foreach (var entry in tensors) _entries.Add(entry.Name, entry);
    }

    public string Path { get; }

    /// <summary>Every tensor, in the order in which their bytes lie.</summary>
    public ImmutableArray<SafetensorsEntry> Tensors { get; }

    /// <summary>The header's <c>__metadata__</c>; empty if it has none.</summary>
    public ImmutableSortedDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header: lengths, types, shapes, no overlaps, no gaps, nothing cut off.</summary>
    /// <exception cref="InvalidDataException">It is no safetensors file, or a damaged one; the message names the path and what is
    /// wrong.</exception>
    /// <exception cref="IOException">It cannot be opened or read.</exception>
    public static SafetensorsFile Open(string path)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("safetensors files are little-endian; this machine is not");
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        try
        {
            long fileLength = RandomAccess.GetLength(handle);
            if (fileLength < 8) throw new FormatException($"it has {fileLength} bytes, and the header length alone takes 8");
            Span<byte> prefix = stackalloc byte[8];
            Fill(handle, prefix, 0);
            ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            if (headerLength > SafetensorsHeader.MaxLength)
                throw new FormatException($"the header claims {headerLength} bytes, more than {SafetensorsHeader.MaxLength}");
            if ((long)headerLength > fileLength - 8)
                throw new FormatException($"the header claims {headerLength} bytes, but only {fileLength - 8} follow: it is cut off");
            byte[] header = new byte[(int)headerLength];
            Fill(handle, header, 8);
            long dataStart = 8 + (long)headerLength;
            var (entries, metadata) = SafetensorsHeader.Parse(header, fileLength - dataStart);
            return new SafetensorsFile(path, handle, dataStart, entries, metadata);
        }
        catch (FormatException e)
        {
            handle.Dispose();
            throw new InvalidDataException($"{path} is not a valid safetensors file: {e.Message}", e);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public bool TryGet(string name, [NotNullWhen(true)] out SafetensorsEntry? entry) => _entries.TryGetValue(name, out entry);

    /// <exception cref="KeyNotFoundException">No such tensor; the message names the file.</exception>
    public SafetensorsEntry Get(string name) => _entries.TryGetValue(name, out var entry) ? entry
        : throw new KeyNotFoundException($"{Path} has no tensor '{name}'");

    /// <summary>Reads a tensor's raw little-endian bytes.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="destination">Exactly as long as the tensor in bytes.</param>
    public void ReadBytes(string name, Span<byte> destination)
    {
        var entry = Get(name);
        if (destination.Length != entry.ByteLength)
            throw new ArgumentException($"tensor '{name}' has {entry.ByteLength} bytes, the destination {destination.Length}");
        Read(entry, 0, destination);
    }

    /// <summary>Reads a floating-point tensor as float32: F32 as it is, F16 and BF16 exactly, F64 rounded to nearest.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="destination">Exactly as long as the tensor in elements.</param>
    /// <exception cref="InvalidDataException">The tensor is of another type.</exception>
    public void ReadFloat32(string name, Span<float> destination)
    {
        var entry = Get(name);
        if (destination.Length != entry.ElementCount)
            throw new ArgumentException($"tensor '{name}' has {entry.ElementCount} elements, the destination {destination.Length}");
        if (entry.Type is not (SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.F64))
            throw new InvalidDataException($"{Path}: tensor '{name}' of dtype {entry.Type} cannot be read as float32; save it as F32");
        int size = entry.Type.Size();
        // in pieces: of a scratch buffer, or since the bytes of one span are counted in an int
        int piece = entry.Type == SafetensorsType.F32 ? 1 << 26 : 1 << 16;
        byte[]? scratch = entry.Type == SafetensorsType.F32 ? null : new byte[Math.Min(piece, destination.Length) * size];
        for (int at = 0; at < destination.Length; at += piece)
        {
            var part = destination.Slice(at, Math.Min(piece, destination.Length - at));
            if (scratch is null)
            {
                Read(entry, (long)at * size, MemoryMarshal.AsBytes(part));
                continue;
            }
            var bytes = scratch.AsSpan(0, part.Length * size);
            Read(entry, (long)at * size, bytes);
            Convert(entry.Type, bytes, part);
        }
    }

    /// <summary>Reads bytes of the data behind the header, whatever tensors they belong to.</summary>
    /// <param name="from">First byte, counted from the end of the header.</param>
    internal void ReadData(long from, Span<byte> destination)
    {
        try
        {
            Fill(_handle, destination, _dataStart + from);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"{Path} could not be read: {e.Message}", e);
        }
    }

    public void Dispose() => _handle.Dispose();

    private static void Convert(SafetensorsType type, ReadOnlySpan<byte> bytes, Span<float> values)
    {
        switch (type)
        {
            case SafetensorsType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), values);
                break;
            case SafetensorsType.BF16:
                var halves = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (int i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
                break;
            default:
                var doubles = MemoryMarshal.Cast<byte, double>(bytes);
                for (int i = 0; i < values.Length; i++) values[i] = (float)doubles[i];
                break;
        }
    }

    private void Read(SafetensorsEntry entry, long from, Span<byte> destination)
    {
        try
        {
            Fill(_handle, destination, _dataStart + entry.Begin + from);
        }
        catch (FormatException e)
        {
            // the length was right when the file was opened
            throw new InvalidDataException($"{Path}: tensor '{entry.Name}' could not be read: {e.Message}", e);
        }
    }

    private static void Fill(SafeFileHandle handle, Span<byte> destination, long at)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(handle, destination, at);
            if (read == 0) throw new FormatException($"the file ends at byte {at}");
            destination = destination[read..];
            at += read;
        }
    }
}
