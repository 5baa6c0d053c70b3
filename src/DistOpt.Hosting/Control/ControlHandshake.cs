using System.Buffers.Binary;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Control;

/// <summary>The nodes at both ends of a connection do not get along; the text says why.</summary>
internal sealed class ControlHandshakeException(string message) : IOException(message);

/// <summary>
/// The first frame of a control connection in each direction: a <see cref="Greeting"/>, the connecting side first. Nothing else is read from a
/// peer, and nothing reaches Akka, before both have found that their builds get along. At most 2 KiB are read for it.
/// </summary>
/// <param name="gate">Judges the other side.</param>
/// <param name="self">This node's control address.</param>
internal sealed class ControlHandshake(VersionGate gate, string self)
{
    private const uint Magic = 0x43544F44; // "DOTC"
    private const int Largest = 2048;

    /// <summary>Longest text of a peer that is shown.</summary>
    private const int Shown = 600;

    /// <summary>As the connecting side.</summary>
    /// <param name="node">Control address that was connected to.</param>
    /// <exception cref="ControlHandshakeException">One of the two refuses the other, or the peer is no node.</exception>
    public async ValueTask ConnectAsync(Stream stream, string node, CancellationToken ct)
    {
        await WriteAsync(stream, null, ct).ConfigureAwait(false);
        var theirs = await AnswerAsync(stream, ct).ConfigureAwait(false);
        var problem = gate.Problem(node, BuildOf(theirs)) ?? (theirs.Refusal is { } refusal ? Clean(refusal) : null);
        if (problem is null) return;
        gate.Refuse(problem);
        throw new ControlHandshakeException(problem);
    }

    /// <summary>As the side that was connected to.</summary>
    /// <returns>Whether the peer wants a connection: false for one that closed without a word, as those do that try a port.</returns>
    /// <exception cref="ControlHandshakeException">The peer is refused, and was told so; or it is no node.</exception>
    public async ValueTask<bool> AcceptAsync(Stream stream, CancellationToken ct)
    {
        var theirs = await ReadAsync(stream, ct).ConfigureAwait(false);
        if (theirs is null) return false;
        string? problem = gate.Problem(Clean(theirs.Node), BuildOf(theirs));
        await WriteAsync(stream, problem, ct).ConfigureAwait(false);
        return problem is null ? true : throw new ControlHandshakeException(problem);
    }

    private static async ValueTask<Greeting> AnswerAsync(Stream stream, CancellationToken ct)
    {
        Exception? cause = null;
        try
        {
            if (await ReadAsync(stream, ct).ConfigureAwait(false) is { } greeting) return greeting;
        }
        catch (IOException e) when (e is not ControlHandshakeException)
        {
            cause = e;
        }
        throw new ControlHandshakeException($"the peer closed without a greeting{(cause is null ? "" : $" ({cause.Message})")}: "
            + "it may refuse this node's certificate, see its log");
    }

    private async ValueTask WriteAsync(Stream stream, string? refusal, CancellationToken ct)
    {
        byte[] body = MetaCodec.Encode(new Greeting(gate.Own.Version.ToString(), gate.Own.Build, self, refusal), Largest - 8);
        var frame = new byte[8 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(frame, 4 + body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), Magic);
        body.CopyTo(frame, 8);
        await stream.WriteAsync(frame, ct).ConfigureAwait(false);
        await stream.FlushAsync(ct).ConfigureAwait(false);
    }

    /// <returns>Null where the peer closed before it said anything.</returns>
    private static async ValueTask<Greeting?> ReadAsync(Stream stream, CancellationToken ct)
    {
        var prefix = new byte[8];
        int read = await stream.ReadAtLeastAsync(prefix, prefix.Length, throwOnEndOfStream: false, ct).ConfigureAwait(false);
        if (read == 0) return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(prefix);
        if (read < prefix.Length || BinaryPrimitives.ReadUInt32LittleEndian(prefix.AsSpan(4)) != Magic || length is <= 4 or > Largest - 4)
            throw new ControlHandshakeException("the peer does not greet as a node of DistOpt does");
        var body = new byte[length - 4];
        try
        {
            await stream.ReadExactlyAsync(body, ct).ConfigureAwait(false);
            return MetaCodec.Decode(body) is Greeting { Version: not null, Build: not null, Node: not null } greeting ? greeting
                : throw new ControlHandshakeException("the peer begins with another message than a greeting");
        }
        catch (Exception e) when (e is WireException or EndOfStreamException)
        {
            throw new ControlHandshakeException("the peer's greeting cannot be read");
        }
    }

    private static NodeBuild BuildOf(Greeting greeting) => ProtocolVersion.TryParse(greeting.Version, out var version)
        ? new NodeBuild(version, Clean(greeting.Build))
        : throw new ControlHandshakeException($"the peer greets with '{Clean(greeting.Version)}' for its version");

    /// <summary>A peer's text as it may stand in a log: one line of bounded length.</summary>
    private static string Clean(string text) => new([.. text.Take(Shown).Select(c => char.IsControl(c) ? '?' : c)]);
}
