using System.Net;
using System.Net.Sockets;
using DistOpt.Core.Specs;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tensors;

/// <summary>Puts a stream (TLS) over a fresh connection, before the handshake.</summary>
/// <param name="socket">Connected; the stream owns it.</param>
/// <param name="accepted">Whether the peer connected to this node rather than the other way round.</param>
public delegate ValueTask<Stream> TensorStreamWrapper(Socket socket, bool accepted, CancellationToken cancellationToken);

/// <summary>Says why the peer at the other end of a wrapped stream is not the node that it claims to be; null if it may be.</summary>
public delegate string? TensorPeerVerifier(Stream stream, NodeId claimed);

/// <summary>Settings of a <see cref="TcpTensorChannel"/>.</summary>
public sealed record TcpTensorChannelOptions
{
    /// <summary>Fewest bytes of <see cref="Secret"/>.</summary>
    public const int SmallestSecret = 16;

    /// <summary>Largest frame there can be: a payload is one span of float32.</summary>
    public const long LargestFrame = 4L * int.MaxValue;

    /// <summary>Shared by all nodes of the cluster, at least 16 random bytes.</summary>
    public required byte[] Secret { get; init; }

    /// <summary>Address to listen on.</summary>
    public IPAddress Bind { get; init; } = IPAddress.Loopback;

    /// <summary>Port to listen on; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>Host name or address under which peers reach this node; null for <see cref="Bind"/>.</summary>
    public string? AdvertisedHost { get; init; }

    /// <summary>Port under which peers reach this node; null for the one listened on.</summary>
    public int? AdvertisedPort { get; init; }

    /// <summary>Bytes that may be unconsumed for one (sender, address). A larger frame goes alone.</summary>
    public long WindowBytes { get; init; } = 64L << 20;

    /// <summary>Largest payload that is received or sent.</summary>
    public long MaximumFrameBytes { get; init; } = LargestFrame;

    /// <summary>Largest message that may come with a payload, at most 64 KiB.</summary>
    public int MaximumMetaBytes { get; init; } = 64 << 10;

    /// <summary>A payload is cut into slices of this many bytes, between which frames for other addresses pass.</summary>
    public int SliceBytes { get; init; } = 1 << 20;

    /// <summary>Most frames that wait for one peer, or for one address where nobody listens.</summary>
    public int MaximumWaitingFrames { get; init; } = 4096;

    /// <summary>Most connections at once from peers that have proved who they are.</summary>
    public int MaximumConnections { get; init; } = 1024;

    /// <summary>Most unfinished handshakes at once.</summary>
    public int MaximumHandshakes { get; init; } = 64;

    /// <summary>How long connecting plus handshake may take.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Wait before the first attempt to connect again; doubles up to <see cref="LongestBackoff"/>.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(50);

    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>TLS, or null for plain TCP.</summary>
    public TensorStreamWrapper? Wrap { get; init; }

    /// <summary>Holds a peer's node id against its certificate; null for no such check. Needs <see cref="Wrap"/>.</summary>
    public TensorPeerVerifier? VerifyPeer { get; init; }

    /// <summary>
    /// TCP congestion control of connections over loopback (Linux), null to leave the system's. Rate-pacing ones such as BBR halve loopback.
    /// </summary>
    public string? LoopbackCongestionControl { get; init; } = "cubic";

    /// <exception cref="SpecException">All settings that are out of bounds.</exception>
    public void Validate()
    {
        var bad = new List<SpecViolation>();
        Check(Secret is { Length: >= SmallestSecret }, "secret", $"has {Secret?.Length ?? 0} bytes: give at least {SmallestSecret} random ones");
        CheckRange(Port, 0, 65535, "port");
        Check(VerifyPeer is null || Wrap is not null, "verify_peer", "is given, but no stream whose peer it could verify: give wrap too");
        if (AdvertisedPort is { } advertised) CheckRange(advertised, 1, 65535, "advertised_port");
        Check(AdvertisedHost is null || AdvertisedHost.Length is > 0 and <= 255, "advertised_host", "is empty or longer than 255 characters");
        Check(
            AdvertisedHost is not null || !(Bind.Equals(IPAddress.Any) || Bind.Equals(IPAddress.IPv6Any)), "advertised_host",
            $"is not given, and peers cannot reach {Bind}: give the name or address of this machine");
        CheckRange(MaximumFrameBytes, 4, LargestFrame, "maximum_frame_bytes");
        CheckRange(WindowBytes, 4, long.MaxValue / 4, "window_bytes");
        CheckRange(MaximumMetaBytes, 0, 64 << 10, "maximum_meta_bytes");
        CheckRange(SliceBytes, 4096, 1 << 30, "slice_bytes");
        CheckRange(MaximumWaitingFrames, 1, int.MaxValue, "maximum_waiting_frames");
        CheckRange(MaximumConnections, 1, 65535, "maximum_connections");
        CheckRange(MaximumHandshakes, 1, 65535, "maximum_handshakes");
        CheckTime(HandshakeTimeout, "handshake_timeout");
        CheckTime(Backoff, "backoff");
        CheckTime(LongestBackoff, "longest_backoff");
        Check(LongestBackoff >= Backoff, "longest_backoff", $"is {LongestBackoff}, less than backoff {Backoff}");
        Check(LoopbackCongestionControl is null or { Length: > 0 and < 16 }, "loopback_congestion_control", "has 1 to 15 characters");
        if (bad.Count > 0) throw new SpecException(bad);

        void Check(bool holds, string path, string message)
        {
            if (!holds) bad.Add(new SpecViolation("tensor_channel." + path, message));
        }

        void CheckRange(long value, long least, long most, string path) =>
            Check(value >= least && value <= most, path, $"is {value}: give {least} to {most}");

        void CheckTime(TimeSpan value, string path) =>
            Check(value > TimeSpan.Zero && value <= TimeSpan.FromHours(1), path, $"is {value}: give more than zero and at most an hour");
    }
}
