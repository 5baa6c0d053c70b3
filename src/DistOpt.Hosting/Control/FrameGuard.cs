using System.Buffers.Binary;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DistOpt.Hosting.Security;

namespace DistOpt.Hosting.Control;

/// <summary>
/// Looks at the frames of one connection before Akka does, for two things that Akka does not check. The first frame says which host the
/// sender is, which its certificate must name. And the number of a system message must follow the one before it: Akka notes every number of
/// a gap, so one frame with a large number would fill the memory.
/// </summary>
/// <param name="certificate">The certificate that must name the sender's host; null where none must.</param>
internal sealed class FrameGuard(X509Certificate2? certificate)
{
    /// <summary>Most system messages (watching an actor of another node, mostly) from one node to another while both run.</summary>
    public const ulong SystemMessagesMax = 1 << 16;

    /// <summary>Of a message that is none of these.</summary>
    private const ulong NoNumber = ulong.MaxValue;

    // message { 1: payload { 2: envelope { 5: number } }, 2: instruction { 2: handshake { 1: origin { 2: host name } } } }
    private const int Payload = 1, Envelope = 2, Number = 5;
    private const int Instruction = 2, Handshake = 2, Origin = 1, HostName = 2;

    private bool _began;
    private ulong? _last;

    /// <summary>Why the frame must not reach Akka; null if it may.</summary>
    public string? Problem(ReadOnlySpan<byte> frame)
    {
        try
        {
            bool names = false;
            string? problem = null;
            // a field that comes twice is merged by whoever reads the whole: each must be good
            foreach (var (field, value) in new ProtoFields(frame))
            {
                if (field == Payload) problem ??= Numbers(value);
                if (field == Instruction && !_began && certificate is not null) names |= Hosts(value, ref problem);
            }
            if (certificate is not null && !_began && !names) problem ??= "the peer does not say who it is";
            _began = true;
            return problem;
        }
        catch (InvalidDataException)
        {
            return "a frame that is no message";
        }
    }

    private string? Numbers(ReadOnlySpan<byte> payload)
    {
        foreach (var (field, envelope) in new ProtoFields(payload))
        {
            if (field != Envelope) continue;
            ulong number = 0;
            foreach (var (inner, value) in new ProtoFields(envelope))
            {
                if (inner != Number) continue;
                if (value.Length != sizeof(ulong)) throw new InvalidDataException();
                number = BinaryPrimitives.ReadUInt64LittleEndian(value);
            }
            if (number == NoNumber) continue;
            if (number > SystemMessagesMax || number > _last + 1) return $"system message {number} after {_last?.ToString() ?? "none"}";
            _last = Math.Max(_last ?? 0, number);
        }
        return null;
    }

    private bool Hosts(ReadOnlySpan<byte> instruction, ref string? problem)
    {
        bool any = false;
        foreach (var (first, handshake) in new ProtoFields(instruction))
        {
            if (first != Handshake) continue;
            foreach (var (second, origin) in new ProtoFields(handshake))
            {
                if (second != Origin) continue;
                foreach (var (third, name) in new ProtoFields(origin))
                {
                    if (third != HostName) continue;
                    any = true;
                    string host = Encoding.UTF8.GetString(name);
                    if (PeerCertificates.NameProblem(certificate!, host) is { } other) problem ??= $"the peer says that it is '{host}': {other}";
                }
            }
        }
        return any;
    }
}

/// <summary>The fields of a protobuf message, in order. Stricter than protobuf: what it cannot read for certain it does not read.</summary>
internal ref struct ProtoFields(ReadOnlySpan<byte> message)
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;

    private ReadOnlySpan<byte> _rest = message;

    /// <summary>Field number and bytes; a varint has none.</summary>
    public readonly ref struct Field(int number, ReadOnlySpan<byte> value)
    {
        private readonly ReadOnlySpan<byte> _value = value;

        public void Deconstruct(out int fieldNumber, out ReadOnlySpan<byte> bytes)
        {
            fieldNumber = number;
            bytes = _value;
        }
    }

    public Field Current { get; private set; }

    public readonly ProtoFields GetEnumerator() => this;

    /// <exception cref="InvalidDataException">No message.</exception>
    public bool MoveNext()
    {
        if (_rest.IsEmpty) return false;
        ulong tag = ReadVarint();
        if (tag is 0 or > uint.MaxValue) throw new InvalidDataException();
        int number = (int)(tag >> 3);
        switch ((int)(tag & 7))
        {
            case Varint:
                ReadVarint();
                Current = new Field(number, default);
                return true;
            case Fixed64:
                Current = new Field(number, Take(8));
                return true;
            case Delimited:
                Current = new Field(number, Take(ReadVarint()));
                return true;
            case Fixed32:
                Current = new Field(number, Take(4));
                return true;
            default:
                throw new InvalidDataException();
        }
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length) throw new InvalidDataException();
        var taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Take(1)[0];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        throw new InvalidDataException();
    }
}
