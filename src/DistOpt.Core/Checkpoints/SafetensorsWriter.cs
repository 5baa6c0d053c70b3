using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.Runs;

namespace DistOpt.Core.Checkpoints;

/// <summary>
/// Writes safetensors files (https://huggingface.co/docs/safetensors, "Format"): 8 bytes of little-endian header length, a JSON header
/// padded with spaces to a multiple of 8, then the tensors without gaps. Tensors are laid out as the reference implementation does, by
/// element size descending and then by name, so that each is aligned to its element and the same tensors give the same file.
/// </summary>
public static class SafetensorsWriter
{
    internal const string MetadataName = "__metadata__";

    /// <summary>Writes a file atomically: until it is complete and on the disk, what was at <paramref name="path"/> stays.</summary>
    /// <param name="path">File to write or replace; its directory exists.</param>
    /// <param name="tensors">Tensors with different names, in any order.</param>
    /// <param name="metadata">Text for the header's <c>__metadata__</c>, or null for none.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or a tensor is called <c>__metadata__</c>.</exception>
    public static void Write(string path, IEnumerable<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var (header, ordered) = Header(tensors, metadata);
        AtomicFile.Write(path, stream => Write(stream, header, ordered));
    }

    /// <summary>Writes the file's bytes to a stream.</summary>
    /// <inheritdoc cref="Write(string, IEnumerable{SafetensorsTensor}, IReadOnlyDictionary{string, string})"/>
    public static void Write(Stream stream, IEnumerable<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var (header, ordered) = Header(tensors, metadata);
        Write(stream, header, ordered);
    }

    private static void Write(Stream stream, byte[] header, List<SafetensorsTensor> tensors)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("safetensors files are little-endian, this machine is not");
        stream.Write(header);
        foreach (var tensor in tensors) tensor.WriteTo(stream);
    }

    private static (byte[] Header, List<SafetensorsTensor> Ordered) Header(IEnumerable<SafetensorsTensor> tensors,
        IReadOnlyDictionary<string, string>? metadata)
    {
        List<SafetensorsTensor> ordered = [.. tensors.OrderByDescending(t => t.Type.Size()).ThenBy(t => t.Name, StringComparer.Ordinal)];
        var names = new HashSet<string>(StringComparer.Ordinal) { MetadataName };
        foreach (var tensor in ordered)
            if (!names.Add(tensor.Name)) throw new ArgumentException($"tensor name '{tensor.Name}' is taken", nameof(tensors));

        var header = HeaderInOrder([.. ordered.Select(t => (t.Name, t.Type, t.Shape, t.ByteLength))], metadata);
        return (header, ordered);
    }

    /// <summary>Length and JSON of a header whose tensors lie in the given order, without gaps.</summary>
    /// <param name="alignment">The header's length is a multiple of it, and of 8: blanks follow the JSON.</param>
    internal static byte[] HeaderInOrder(IReadOnlyList<(string Name, SafetensorsType Type, ImmutableArray<long> Shape, long ByteLength)> tensors,
        IReadOnlyDictionary<string, string>? metadata = null, int alignment = 8)
    {
        using var buffer = new MemoryStream();
        buffer.Write(stackalloc byte[8]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(MetadataName);
                foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal)) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.ToString());
                json.WriteStartArray("shape");
                foreach (long size in tensor.Shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset = checked(offset + tensor.ByteLength));
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % alignment != 0) buffer.WriteByte((byte)' ');
        byte[] header = buffer.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - 8);
        return header;
    }
}
