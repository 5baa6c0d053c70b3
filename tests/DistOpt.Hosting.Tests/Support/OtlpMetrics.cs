using System.Text;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>
/// Reads what a collector is sent: an <c>ExportMetricsServiceRequest</c> of OTLP, as far as tests need it, from its protobuf encoding alone.
/// </summary>
/// <param name="Attributes">Keys of the resource's attributes.</param>
/// <param name="Names">Names of the metrics.</param>
internal sealed record OtlpMetrics(IReadOnlySet<string> Attributes, IReadOnlySet<string> Names)
{
    /// <param name="message">The request without a frame around it.</param>
    public static OtlpMetrics Parse(ReadOnlyMemory<byte> message)
    {
        var resources = Fields(message, 1).ToList();
        // resource_metrics { resource { attributes { key } }, scope_metrics { metrics { name } } }
        return new OtlpMetrics(
            resources.SelectMany(r => Fields(r, 1)).SelectMany(r => Fields(r, 1)).SelectMany(a => Fields(a, 1)).Select(Text).ToHashSet(StringComparer.Ordinal),
            resources.SelectMany(r => Fields(r, 2)).SelectMany(s => Fields(s, 2)).SelectMany(m => Fields(m, 1)).Select(Text).ToHashSet(StringComparer.Ordinal));
    }

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    /// <summary>Values of the length-delimited fields of that number.</summary>
    private static IEnumerable<ReadOnlyMemory<byte>> Fields(ReadOnlyMemory<byte> message, int number)
    {
        int at = 0;
        while (at < message.Length)
        {
            ulong tag = Varint(message, ref at);
            int length = (tag & 7) switch
            {
                0 => Skipped(message, ref at),
                1 => 8,
                2 => (int)Varint(message, ref at),
                5 => 4,
                _ => throw new InvalidDataException($"wire type {tag & 7} at byte {at}"),
            };
            if ((tag & 7) == 2 && (int)(tag >> 3) == number) yield return message.Slice(at, length);
            at += length;
        }
    }

    private static int Skipped(ReadOnlyMemory<byte> message, ref int at)
    {
        _ = Varint(message, ref at);
        return 0;
    }

    private static ulong Varint(ReadOnlyMemory<byte> message, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte b = message.Span[at++];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80) return value;
        }
    }
}
