using DistOpt.Actors.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Actors.Nodes;

/// <summary>Wire values to the types that actors use.</summary>
internal static class Wire
{
    public static TensorPeer ToPeer(this WirePeer peer) => new(peer.Node, peer.Host, peer.Port);

    public static WirePeer ToWire(this TensorPeer peer) => new(peer.Node, peer.Host, peer.Port);

    public static KeyRange Range(this ServerPlace place) => new(place.Begin, place.End);
}
