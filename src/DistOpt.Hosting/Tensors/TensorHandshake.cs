using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tensors;

/// <summary>The other side is not who it should be, or the two do not speak the same protocol.</summary>
internal sealed class TensorHandshakeException(string message) : Exception(message);

/// <summary>Who the other side proved to be.</summary>
/// <param name="Node">Its node id.</param>
/// <param name="Instance">Random number of its channel object: a restarted one has another.</param>
internal readonly record struct TensorPeerIdentity(NodeId Node, ulong Instance);

/// <summary>
/// Mutual challenge and response before the first frame. Both sides send a greeting (magic, protocol version, random instance number, a
/// fresh 32-byte nonce, node ids); then each proves that it knows the secret by HMAC-SHA256 over its role and both greetings, the
/// connecting side first, so that a stranger learns nothing made with the secret. At most 600 bytes are read before proof.
/// </summary>
/// <param name="verify">Holds the peer's node id against its certificate, before anything is proved.</param>
internal sealed class TensorHandshake(byte[] secret, NodeId self, ulong instance, TensorPeerVerifier? verify = null)
{
    /// <summary>Of the handshake and of the frames that follow it: the same for all minor versions of the protocol that have one major.</summary>
    public const ushort ProtocolVersion = 1;

    private const uint Magic = 0x48544F44; // "DOTH"
    private const int Prefix = 8;
    private const int NonceSize = 32;
    private const int ProofSize = 32;
    private const int Largest = 600;

    /// <summary>Either side may have ended its TLS handshake before the other one judges its certificate.</summary>
    private const string MayRefuse = "it may refuse this node's certificate, see its log";

    /// <summary>As the connecting side, which means to reach <paramref name="target"/>.</summary>
    public async ValueTask<TensorPeerIdentity> ConnectAsync(TensorConnection connection, NodeId target)
    {
        byte[] mine = Greet(target);
        byte[] theirs = await AnswerAsync(connection, mine).ConfigureAwait(false);
        var (peer, meant) = Parse(theirs);
        if (peer.Node != target) throw new TensorHandshakeException($"node '{peer.Node}' answers where '{target}' was expected");
        if (meant != self) throw new TensorHandshakeException($"the answer is meant for '{meant}'");
        Verify(connection, peer.Node);
        await connection.WriteAsync(Prove("connects", mine, theirs)).ConfigureAwait(false);
        await CheckProofAsync(connection, Prove("accepts", mine, theirs)).ConfigureAwait(false);
        return peer;
    }

    /// <summary>As the side that was connected to.</summary>
    public async ValueTask<TensorPeerIdentity> AcceptAsync(TensorConnection connection)
    {
        byte[] theirs = await QuestionAsync(connection).ConfigureAwait(false);
        var (peer, meant) = Parse(theirs);
        if (meant != self) throw new TensorHandshakeException($"'{peer.Node}' looks for node '{meant}', this is '{self}'");
        Verify(connection, peer.Node);
        byte[] mine = Greet(peer.Node);
        await connection.WriteAsync(mine).ConfigureAwait(false);
        await CheckProofAsync(connection, Prove("connects", theirs, mine)).ConfigureAwait(false);
        await connection.WriteAsync(Prove("accepts", theirs, mine)).ConfigureAwait(false);
        return peer;
    }

    private void Verify(TensorConnection connection, NodeId peer)
    {
        if (verify is not null && verify(connection.Stream!, peer) is { } problem) throw new TensorHandshakeException(problem);
    }

    private byte[] Greet(NodeId target)
    {
        byte[] from = Encoding.UTF8.GetBytes(self.Value), to = Encoding.UTF8.GetBytes(target.Value);
        var greeting = new byte[Prefix + 8 + NonceSize + 1 + from.Length + 1 + to.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(greeting, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(greeting.AsSpan(4), ProtocolVersion);
        BinaryPrimitives.WriteUInt16LittleEndian(greeting.AsSpan(6), (ushort)(greeting.Length - Prefix));
        BinaryPrimitives.WriteUInt64LittleEndian(greeting.AsSpan(8), instance);
        RandomNumberGenerator.Fill(greeting.AsSpan(16, NonceSize));
        int at = 16 + NonceSize;
        greeting[at++] = (byte)from.Length;
        from.CopyTo(greeting, at);
        at += from.Length;
        greeting[at++] = (byte)to.Length;
        to.CopyTo(greeting, at);
        return greeting;
    }

    private static async ValueTask<byte[]> AnswerAsync(TensorConnection connection, byte[] greeting)
    {
        try
        {
            await connection.WriteAsync(greeting).ConfigureAwait(false);
            return await ReadGreetingAsync(connection, $": {MayRefuse}").ConfigureAwait(false);
        }
        catch (Exception e) when (IsClosed(e))
        {
            throw new TensorHandshakeException($"the peer closed without a greeting ({e.GetBaseException().Message}): {MayRefuse}");
        }
    }

    /// <summary>Also a peer that has connected may find out only then that it does not trust this node.</summary>
    private static async ValueTask<byte[]> QuestionAsync(TensorConnection connection)
    {
        string remedy = connection.Stream is null ? "" : $": {MayRefuse}";
        try
        {
            return await ReadGreetingAsync(connection, remedy).ConfigureAwait(false);
        }
        catch (Exception e) when (IsClosed(e))
        {
            throw new TensorHandshakeException($"the peer closed without a greeting ({e.GetBaseException().Message}){remedy}");
        }
    }

    private static bool IsClosed(Exception e) => e is IOException or SocketException { SocketErrorCode: not SocketError.OperationAborted };

    private static async ValueTask<byte[]> ReadGreetingAsync(TensorConnection connection, string remedy)
    {
        var prefix = new byte[Prefix];
        if (!await connection.ReadAsync(prefix).ConfigureAwait(false)) throw new TensorHandshakeException($"the peer closed without a greeting{remedy}");
        if (BinaryPrimitives.ReadUInt32LittleEndian(prefix) != Magic) throw new TensorHandshakeException("the peer does not speak this protocol");
        int version = BinaryPrimitives.ReadUInt16LittleEndian(prefix.AsSpan(4));
        if (version != ProtocolVersion) throw new TensorHandshakeException($"the peer speaks version {version}, this node {ProtocolVersion}");
        int length = BinaryPrimitives.ReadUInt16LittleEndian(prefix.AsSpan(6));
        if (length is < 8 + NonceSize + 2 or > Largest - Prefix) throw new TensorHandshakeException($"a greeting has {length} bytes");
        var greeting = new byte[Prefix + length];
        prefix.CopyTo(greeting, 0);
        if (!await connection.ReadAsync(greeting.AsMemory(Prefix)).ConfigureAwait(false))
            throw new TensorHandshakeException("the peer closed within its greeting");
        return greeting;
    }

    private static (TensorPeerIdentity Peer, NodeId Target) Parse(byte[] greeting)
    {
        var rest = greeting.AsSpan(16 + NonceSize);
        string from = Take(ref rest), to = Take(ref rest);
        if (rest.Length != 0) throw new TensorHandshakeException("a greeting is longer than what it holds");
        return (new TensorPeerIdentity(new NodeId(from), BinaryPrimitives.ReadUInt64LittleEndian(greeting.AsSpan(8))), new NodeId(to));

        static string Take(ref Span<byte> rest)
        {
            if (rest.Length == 0 || rest.Length - 1 < rest[0]) throw new TensorHandshakeException("a greeting is shorter than what it holds");
            string text = Encoding.UTF8.GetString(rest.Slice(1, rest[0]));
            rest = rest[(1 + rest[0])..];
            return text;
        }
    }

    private byte[] Prove(string role, byte[] connecting, byte[] accepting)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
        mac.AppendData("distopt tensor channel "u8);
        mac.AppendData(Encoding.ASCII.GetBytes(role));
        mac.AppendData(connecting);
        mac.AppendData(accepting);
        return mac.GetHashAndReset();
    }

    private static async ValueTask CheckProofAsync(TensorConnection connection, byte[] expected)
    {
        var proof = new byte[ProofSize];
        if (!await connection.ReadAsync(proof).ConfigureAwait(false))
            throw new TensorHandshakeException("the peer closed instead of proving itself: another secret, or this node's proof did not convince it");
        if (!CryptographicOperations.FixedTimeEquals(proof, expected)) throw new TensorHandshakeException("the peer has another secret");
    }
}
