using MessagePack;

namespace DistOpt.Protocol;

/// <summary>
/// First frame of a control connection, from either side, before anything else is read. Every version sends and reads it, however far apart:
/// fields are added at its end alone.
/// </summary>
/// <param name="Version">Protocol version.</param>
/// <param name="Build">The sender's build, for people.</param>
/// <param name="Node">Its control address <c>host:port</c>, for people; nothing is decided by it.</param>
/// <param name="Refusal">In an answer: why the connection is refused; null = it is not.</param>
[MessagePackObject]
public sealed record Greeting(
    [property: Key(0)] string Version,
    [property: Key(1)] string Build,
    [property: Key(2)] string Node,
    [property: Key(3)] string? Refusal = null) : IWireMessage;
