using MessagePack;
using MessagePack.Resolvers;

namespace DistOpt.Protocol;

/// <summary>A payload that is not one of the wire contracts, or not a valid one.</summary>
public sealed class WireException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Bytes from and to wire contracts, with MessagePack's settings for untrusted data.</summary>
public static class WireCodec
{
    /// <summary>Deepest nesting that is read.</summary>
    public const int MaximumDepth = 32;

    private static readonly MessagePackSerializerOptions Options = MessagePackSerializerOptions.Standard
        .WithResolver(StandardResolver.Instance)
        .WithSecurity(MessagePackSecurity.UntrustedData.WithMaximumObjectGraphDepth(MaximumDepth));

    /// <exception cref="WireException">The type has no manifest.</exception>
    public static string Manifest(IWireMessage message) => WireManifests.Of(message.GetType())
        ?? throw new WireException($"{message.GetType()} has no manifest: add it to {nameof(WireManifests)}");

    public static byte[] Serialize(IWireMessage message)
    {
        _ = Manifest(message);
        return MessagePackSerializer.Serialize(message.GetType(), message, Options);
    }

    /// <exception cref="WireException">Unknown manifest, or bytes that are not that contract.</exception>
    public static IWireMessage Deserialize(string? manifest, ReadOnlyMemory<byte> bytes)
    {
        var type = WireManifests.TypeOf(manifest) ?? throw new WireException($"manifest '{Shorten(manifest)}' is not known");
        try
        {
            return (IWireMessage)(MessagePackSerializer.Deserialize(type, bytes, Options)
                ?? throw new WireException($"a '{manifest}' may not be nil"));
        }
        catch (MessagePackSerializationException e)
        {
            throw new WireException($"{bytes.Length} bytes are not a valid '{manifest}'", e);
        }
    }

    private static string Shorten(string? text) => text is null ? "nil" : text.Length <= 40 ? text : text[..40] + "...";
}
