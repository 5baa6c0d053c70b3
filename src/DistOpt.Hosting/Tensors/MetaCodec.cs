using System.Text;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tensors;

/// <summary>A small message in front of a payload: one byte of manifest length, the manifest in ASCII, MessagePack.</summary>
internal static class MetaCodec
{
    /// <exception cref="ArgumentException">The message is above the limit.</exception>
    public static byte[] Encode(IWireMessage message, int limit)
    {
        string manifest = WireCodec.Manifest(message);
        byte[] body = WireCodec.Serialize(message);
        var bytes = new byte[1 + manifest.Length + body.Length];
        if (bytes.Length > limit) throw new ArgumentException($"a '{manifest}' of {bytes.Length} bytes is above the limit of {limit} for a frame's message");
        bytes[0] = (byte)manifest.Length;
        Encoding.ASCII.GetBytes(manifest, bytes.AsSpan(1));
        body.CopyTo(bytes, 1 + manifest.Length);
        return bytes;
    }

    /// <exception cref="WireException">Not a known message.</exception>
    public static IWireMessage Decode(ReadOnlyMemory<byte> bytes)
    {
        int length = bytes.Span[0];
        if (bytes.Length < 1 + length) throw new WireException($"a manifest of {length} bytes in a message of {bytes.Length}");
        return WireCodec.Deserialize(Encoding.ASCII.GetString(bytes.Span.Slice(1, length)), bytes[(1 + length)..]);
    }
}
