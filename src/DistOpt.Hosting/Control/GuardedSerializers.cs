using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Serialization;
using Akka.Serialization;

namespace DistOpt.Hosting.Control;

/// <summary>
/// Akka's serializers read more than a node needs: <c>Kill</c> (which even untrusted mode lets through), system messages that suspend or fail
/// an actor, and exceptions, props and protobuf types by the CLR names that a payload gives. These stand in their places and read what the
/// cluster itself uses, and nothing else.
/// </summary>
internal static class GuardedSerializers
{
    public const string Hocon = """
        akka.actor {
          serializers {
            akka-misc = "DistOpt.Hosting.Control.GuardedMiscSerializer, DistOpt.Hosting"
            akka-system-msg = "DistOpt.Hosting.Control.GuardedSystemSerializer, DistOpt.Hosting"
            daemon-create = "DistOpt.Hosting.Control.RefusingDaemonSerializer, DistOpt.Hosting"
            proto = "DistOpt.Hosting.Control.RefusingProtobufSerializer, DistOpt.Hosting"
            reliable-delivery = "DistOpt.Hosting.Control.RefusingDeliverySerializer, DistOpt.Hosting"
          }
          serialization-identifiers {
            "DistOpt.Hosting.Control.GuardedMiscSerializer, DistOpt.Hosting" = 16
            "DistOpt.Hosting.Control.GuardedSystemSerializer, DistOpt.Hosting" = 22
            "DistOpt.Hosting.Control.RefusingDaemonSerializer, DistOpt.Hosting" = 3
            "DistOpt.Hosting.Control.RefusingProtobufSerializer, DistOpt.Hosting" = 2
            "DistOpt.Hosting.Control.RefusingDeliverySerializer, DistOpt.Hosting" = 36
          }
        }
        """;
}

/// <summary>Reads who-are-you questions with their answers, and heartbeats of watchers.</summary>
internal sealed class GuardedMiscSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    // Identify, ActorIdentity, RemoteWatcher.Heartbeat and its answer
    private static readonly string[] Read = ["ID", "AID", "RWHB", "RWHR"];

    private readonly MiscMessageSerializer _inner = new(system);

    public override int Identifier => 16;

    public override string Manifest(object o) => _inner.Manifest(o);

    public override byte[] ToBinary(object obj) => _inner.ToBinary(obj);

    public override object FromBinary(byte[] bytes, string manifest) => Read.Contains(manifest) ? _inner.FromBinary(bytes, manifest)
        : throw new SerializationException($"'{(manifest.Length > 40 ? manifest[..40] : manifest)}' is nothing that other nodes may send");
}

/// <summary>Reads what belongs to watching an actor of another node.</summary>
internal sealed class GuardedSystemSerializer(ExtendedActorSystem system) : Serializer(system)
{
    private static readonly Type[] Read = [typeof(Watch), typeof(Unwatch), typeof(DeathWatchNotification)];

    private readonly SystemMessageSerializer _inner = new(system);

    public override int Identifier => 22;

    public override bool IncludeManifest => true;

    public override byte[] ToBinary(object obj) => _inner.ToBinary(obj);

    public override object FromBinary(byte[] bytes, Type type) => Read.Contains(type) ? _inner.FromBinary(bytes, type)
        : throw new SerializationException($"{type} is nothing that other nodes may send");
}

/// <summary>Neither writes nor reads.</summary>
internal abstract class NothingSerializer(ExtendedActorSystem system, int id) : Serializer(system)
{
    public override int Identifier => id;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) => throw new SerializationException($"{obj.GetType()} does not travel between nodes");

    public override object FromBinary(byte[] bytes, Type type) => throw new SerializationException($"payloads of serializer {id} are not read");
}

/// <summary>In the place of remote deployment.</summary>
internal sealed class RefusingDaemonSerializer(ExtendedActorSystem system) : NothingSerializer(system, 3);

/// <summary>In the place of arbitrary protobuf types by name.</summary>
internal sealed class RefusingProtobufSerializer(ExtendedActorSystem system) : NothingSerializer(system, 2);

/// <summary>In the place of Akka.Delivery, which is not used.</summary>
internal sealed class RefusingDeliverySerializer(ExtendedActorSystem system) : NothingSerializer(system, 36);
