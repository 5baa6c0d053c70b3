using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;
using DistOpt.Protocol;

namespace DistOpt.Actors.Serialization;

/// <summary>Akka's side of <see cref="WireCodec"/>: the closed table of contracts, and nothing else.</summary>
public sealed class WireSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>Binds the serializer and takes the place of Akka's JSON fallback; every remoting host includes it.</summary>
    public const string Hocon = """
        akka.actor {
          serialization-settings.allow-unregistered-types = false
          serializers {
            distopt = "DistOpt.Actors.Serialization.WireSerializer, DistOpt.Actors"
            json = "DistOpt.Actors.Serialization.RefusingSerializer, DistOpt.Actors"
          }
          serialization-bindings {
            "DistOpt.Protocol.IWireMessage, DistOpt.Protocol" = distopt
          }
          serialization-identifiers {
            "DistOpt.Actors.Serialization.WireSerializer, DistOpt.Actors" = 1001
            "DistOpt.Actors.Serialization.RefusingSerializer, DistOpt.Actors" = 1
          }
        }
        """;

    /// <summary>0 to 40 are Akka's own.</summary>
    public override int Identifier => 1001;

    public override string Manifest(object o) => o is IWireMessage message ? Refuse(() => WireCodec.Manifest(message))
        : throw new SerializationException($"{o.GetType()} is not a wire contract");

    public override byte[] ToBinary(object obj) => obj is IWireMessage message ? Refuse(() => WireCodec.Serialize(message))
        : throw new SerializationException($"{obj.GetType()} is not a wire contract");

    public override object FromBinary(byte[] bytes, string manifest) => Refuse(() => WireCodec.Deserialize(manifest, bytes));

    private static T Refuse<T>(Func<T> act)
    {
        try
        {
            return act();
        }
        catch (WireException e)
        {
            throw new SerializationException(e.Message, e);
        }
    }
}

/// <summary>
/// Stands where Akka's JSON serializer (id 1) stood, which would create any type that a payload's <c>$type</c> names, whatever the bindings
/// say: it neither writes nor reads.
/// </summary>
public sealed class RefusingSerializer(ExtendedActorSystem system) : Serializer(system)
{
    // Akka hands over the settings of "json" and needs this constructor for it
    public RefusingSerializer(ExtendedActorSystem system, Config settings) : this(system) => _ = settings;

    public override int Identifier => 1;

    public override bool IncludeManifest => true;

    public override byte[] ToBinary(object obj) => throw new SerializationException($"{obj.GetType()} is not a wire contract");

    public override object FromBinary(byte[] bytes, Type? type) => throw new SerializationException("JSON payloads are not read");
}
