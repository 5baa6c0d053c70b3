using System.Collections.Immutable;
using System.Text.Json;

namespace DistOpt.Core.Checkpoints;

/// <summary>What a file's header says of a tensor.</summary>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">Byte after the last one.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, ImmutableArray<long> Shape, long Begin, long End)
{
    public long ElementCount => (End - Begin) / Type.Size();

    public long ByteLength => End - Begin;
}

/// <summary>Reads and checks the JSON header of a safetensors file.</summary>
internal static class SafetensorsHeader
{
    /// <summary>The reference implementation's limit.</summary>
    public const long MaxLength = 100_000_000;

    /// <summary>Tensors in the order in which their bytes lie, and the metadata.</summary>
    /// <param name="json">The header without its length.</param>
    /// <param name="dataLength">Bytes of the file behind the header.</param>
    /// <exception cref="FormatException">The header is not one, or its tensors do not fill the data exactly.</exception>
    public static (ImmutableArray<SafetensorsEntry> Entries, ImmutableSortedDictionary<string, string> Metadata) Parse(
        ReadOnlyMemory<byte> json, long dataLength)
    {
        using var document = ParseJson(json);
        var entries = ImmutableArray.CreateBuilder<SafetensorsEntry>();
        var metadata = ImmutableSortedDictionary<string, string>.Empty.WithComparers(StringComparer.Ordinal);
        try
        {
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == SafetensorsWriter.MetadataName) metadata = Metadata(property.Value);
                else entries.Add(Entry(property.Name, property.Value));
            }
        }
        catch (InvalidOperationException e)
        {
            // strings are decoded when they are asked for
            throw new FormatException($"the header holds text that is not UTF-8: {e.Message}", e);
        }
        entries.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        CheckPlaces(entries, dataLength);
        return (entries.ToImmutable(), metadata);
    }

    private static JsonDocument ParseJson(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty || json.Span[0] != '{') throw new FormatException("the header does not begin with '{'");
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"the header is not valid JSON: {e.Message}", e);
        }
    }

    private static ImmutableSortedDictionary<string, string> Metadata(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object) throw new FormatException($"{SafetensorsWriter.MetadataName} is not an object");
        var metadata = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var property in element.EnumerateObject())
        {
            metadata[property.Name] = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()!
                : throw new FormatException($"{SafetensorsWriter.MetadataName} '{property.Name}' is not a string");
        }
        return metadata.ToImmutable();
    }

    private static SafetensorsEntry Entry(string name, JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object) throw new FormatException($"tensor '{name}' is not an object");
        if (!element.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String)
            throw new FormatException($"tensor '{name}' has no dtype");
        string typeName = dtype.GetString()!;
        // by exact name: Enum.Parse would take numbers too
        int index = Array.IndexOf(Enum.GetNames<SafetensorsType>(), typeName);
        if (index < 0)
        {
            throw new FormatException($"tensor '{name}' has dtype '{typeName}', which is not known. "
                + $"Known: {string.Join(", ", Enum.GetNames<SafetensorsType>())}");
        }
        var type = Enum.GetValues<SafetensorsType>()[index];
        var shape = Integers(name, element, "shape");
        var offsets = Integers(name, element, "data_offsets");
        if (offsets.Length != 2 || offsets[0] > offsets[1])
            throw new FormatException($"tensor '{name}' has data_offsets [{string.Join(", ", offsets)}], not [begin, end]");
        UInt128 bytes = (UInt128)type.Size();
        foreach (long size in shape)
        {
            // stays below 2^127: the product is capped before every multiplication
            bytes *= (UInt128)size;
            if (bytes > (UInt128)long.MaxValue)
                throw new FormatException($"tensor '{name}' has shape [{string.Join(", ", shape)}], more than a file can hold");
        }
        if (bytes != (UInt128)(offsets[1] - offsets[0]))
        {
            throw new FormatException($"tensor '{name}' of dtype {type} and shape [{string.Join(", ", shape)}] needs {bytes} bytes, "
                + $"but data_offsets span {offsets[1] - offsets[0]}");
        }
        return new SafetensorsEntry(name, type, shape, offsets[0], offsets[1]);
    }

    private static ImmutableArray<long> Integers(string name, JsonElement element, string property)
    {
        if (!element.TryGetProperty(property, out var array) || array.ValueKind != JsonValueKind.Array)
            throw new FormatException($"tensor '{name}' has no {property}");
        var values = ImmutableArray.CreateBuilder<long>(array.GetArrayLength());
        foreach (var item in array.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out long value) || value < 0)
                throw new FormatException($"tensor '{name}': {property} holds {item.GetRawText()}, which is not an integer of 0 or more");
            values.Add(value);
        }
        return values.MoveToImmutable();
    }

    private static void CheckPlaces(ImmutableArray<SafetensorsEntry>.Builder ordered, long dataLength)
    {
        long next = 0;
        foreach (var entry in ordered)
        {
            if (entry.Begin < next)
                throw new FormatException($"tensor '{entry.Name}' begins at {entry.Begin}, within the one before, ending at {next}");
            if (entry.Begin > next)
                throw new FormatException($"bytes {next} to {entry.Begin} before tensor '{entry.Name}' belong to no tensor");
            next = entry.End;
        }
        if (next > dataLength) throw new FormatException($"the tensors need {next} bytes, but the file has {dataLength}: it is cut off");
        if (next < dataLength) throw new FormatException($"{dataLength - next} bytes at the end belong to no tensor");
    }
}
