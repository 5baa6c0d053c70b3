using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>One tensor of a file.</summary>
internal sealed record StoredTensor(string Type, long[] Shape, byte[] Data)
{
    public float[] Floats()
    {
        Assert.Equal("F32", Type);
        return [.. Enumerable.Range(0, Data.Length / 4).Select(i => BinaryPrimitives.ReadSingleLittleEndian(Data.AsSpan(4 * i)))];
    }
}

/// <summary>
/// Reads safetensors as the format's page describes it (https://github.com/huggingface/safetensors, "Format") and insists on every sentence
/// there. Shares no code with the product.
/// </summary>
internal static class SafetensorsFile
{
    private static readonly Dictionary<string, int> Widths = new()
    {
        ["BOOL"] = 1,
        ["U8"] = 1,
        ["I8"] = 1,
        ["U16"] = 2,
        ["I16"] = 2,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["U32"] = 4,
        ["I32"] = 4,
        ["F32"] = 4,
        ["U64"] = 8,
        ["I64"] = 8,
        ["F64"] = 8,
    };

    /// <summary>The tensors by name.</summary>
    public static Dictionary<string, StoredTensor> Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(file);
        Assert.InRange(headerLength, 2UL, Math.Min(100_000_000UL, (ulong)file.Length - 8));
        byte[] header = file[8..(8 + (int)headerLength)];
        byte[] buffer = file[(8 + (int)headerLength)..];
        Assert.Equal((byte)'{', header[0]);
        string json = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(header).TrimEnd(' ');

        var tensors = new Dictionary<string, StoredTensor>();
        var ranges = new List<(long Begin, long End)>();
        using var document = JsonDocument.Parse(json);
        foreach (var property in document.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                Assert.All(property.Value.EnumerateObject(), m => Assert.Equal(JsonValueKind.String, m.Value.ValueKind));
                continue;
            }
            Assert.Equal(["data_offsets", "dtype", "shape"], property.Value.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal));
            string type = property.Value.GetProperty("dtype").GetString()!;
            long[] shape = [.. property.Value.GetProperty("shape").EnumerateArray().Select(s => s.GetInt64())];
            long[] offsets = [.. property.Value.GetProperty("data_offsets").EnumerateArray().Select(s => s.GetInt64())];
            Assert.Equal(2, offsets.Length);
            Assert.Equal(shape.Aggregate(1L, (a, b) => a * b) * Widths[type], offsets[1] - offsets[0]);
            // a repeated key is not allowed, and Add throws on one
            tensors.Add(property.Name, new StoredTensor(type, shape, buffer[(int)offsets[0]..(int)offsets[1]]));
            ranges.Add((offsets[0], offsets[1]));
        }
        long end = 0;
        foreach (var range in ranges.Order())
        {
            Assert.Equal(end, range.Begin); // no holes, no overlaps
            end = range.End;
        }
        Assert.Equal(buffer.Length, end);
        return tensors;
    }
}
