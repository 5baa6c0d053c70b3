using System.Buffers.Binary;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;

namespace DistOpt.Hosting.Tensors;

/// <summary>What a record begins. The numbers are on the wire: append only.</summary>
internal enum RecordKind : byte
{
    /// <summary>A frame's first slice, with its message before it.</summary>
    Frame = 1,

    /// <summary>A later slice of the address's current frame.</summary>
    Slice = 2,
}

/// <summary>
/// The fixed 96 bytes in front of every slice, little-endian. A frame is named by its address and its sequence number, which grows over
/// all frames from one channel to one node and is never used again.
/// </summary>
/// <param name="Record">First or later slice.</param>
/// <param name="Header">The frame's header.</param>
/// <param name="Sequence">The frame's number, at least 1.</param>
/// <param name="Previous">Number of the frame before it to the same address if that was not yet acknowledged, else 0.</param>
/// <param name="MetaLength">Bytes of the message that follow a first record.</param>
/// <param name="SliceLength">Payload bytes that follow.</param>
internal readonly record struct FrameRecord(
    RecordKind Record, TensorHeader Header, ulong Sequence, ulong Previous, int MetaLength, int SliceLength)
{
    public const int Size = 96;

    public const byte Version = 1;

    private const uint Magic = 0x46544F44; // "DOTF"

    private const byte Float32 = 1;

    public long PayloadLength => Header.Range.Length * sizeof(float);

    public void Write(Span<byte> to)
    {
        to[..Size].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(to, Magic);
        to[4] = Version;
        to[5] = (byte)Record;
        to[6] = Float32;
        to[7] = (byte)Header.Kind;
        to[8] = (byte)Header.To.Target;
        BinaryPrimitives.WriteInt32LittleEndian(to[12..], Header.To.Index);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], Header.To.Job);
        BinaryPrimitives.WriteUInt64LittleEndian(to[24..], Sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(to[32..], Previous);
        BinaryPrimitives.WriteInt64LittleEndian(to[40..], Header.Step);
        BinaryPrimitives.WriteInt32LittleEndian(to[48..], Header.JobEpoch);
        BinaryPrimitives.WriteInt32LittleEndian(to[52..], Header.Part);
        BinaryPrimitives.WriteInt32LittleEndian(to[56..], Header.Node.Level);
        BinaryPrimitives.WriteInt32LittleEndian(to[60..], Header.Node.Index);
        BinaryPrimitives.WriteInt64LittleEndian(to[64..], Header.Range.Begin);
        BinaryPrimitives.WriteInt64LittleEndian(to[72..], Header.Range.End);
        BinaryPrimitives.WriteInt64LittleEndian(to[80..], PayloadLength);
        BinaryPrimitives.WriteInt32LittleEndian(to[88..], MetaLength);
        BinaryPrimitives.WriteInt32LittleEndian(to[92..], SliceLength);
    }

    /// <summary>Reads and checks a record; null if it is sound, else why its connection must be closed.</summary>
    public static TensorRejection? Read(ReadOnlySpan<byte> from, long maximumPayload, int maximumMeta, out FrameRecord record)
    {
        record = default;
        if (BinaryPrimitives.ReadUInt32LittleEndian(from) != Magic || from[4] != Version) return TensorRejection.Malformed;
        var kind = (RecordKind)from[5];
        var tensor = (TensorKind)from[7];
        if (kind is not (RecordKind.Frame or RecordKind.Slice)) return TensorRejection.UnknownKind;
        if (tensor is < TensorKind.Push or > TensorKind.ReplicateNorms) return TensorRejection.UnknownKind;
        var target = (TensorTarget)from[8];
        if (from[6] != Float32 || target is < TensorTarget.Server or > TensorTarget.Recovery) return TensorRejection.Malformed;
        if ((from[9] | from[10] | from[11]) != 0) return TensorRejection.Malformed;

        int index = BinaryPrimitives.ReadInt32LittleEndian(from[12..]);
        ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(from[24..]);
        ulong previous = BinaryPrimitives.ReadUInt64LittleEndian(from[32..]);
        if (index < 0 || sequence == 0 || previous >= sequence) return TensorRejection.Malformed;

        long begin = BinaryPrimitives.ReadInt64LittleEndian(from[64..]);
        long end = BinaryPrimitives.ReadInt64LittleEndian(from[72..]);
        long payload = BinaryPrimitives.ReadInt64LittleEndian(from[80..]);
        int meta = BinaryPrimitives.ReadInt32LittleEndian(from[88..]);
        int slice = BinaryPrimitives.ReadInt32LittleEndian(from[92..]);
        if (begin < 0 || end < begin || payload < 0 || meta < 0 || slice < 0) return TensorRejection.Malformed;
        if (payload > maximumPayload || meta > maximumMeta) return TensorRejection.Oversized;
        if (payload % sizeof(float) != 0 || payload / sizeof(float) != end - begin) return TensorRejection.Malformed;
        if (slice > payload || (slice == 0 && payload > 0)) return TensorRejection.Malformed;
        if (kind == RecordKind.Slice && (meta != 0 || slice == 0)) return TensorRejection.Malformed;

        var header = new TensorHeader(
            tensor,
            new TensorAddress(BinaryPrimitives.ReadUInt64LittleEndian(from[16..]), target, index),
            BinaryPrimitives.ReadInt32LittleEndian(from[48..]),
            BinaryPrimitives.ReadInt64LittleEndian(from[40..]),
            new TreeNode(BinaryPrimitives.ReadInt32LittleEndian(from[56..]), BinaryPrimitives.ReadInt32LittleEndian(from[60..])),
            new KeyRange(begin, end),
            BinaryPrimitives.ReadInt32LittleEndian(from[52..]));
        record = new FrameRecord(kind, header, sequence, previous, meta, slice);
        return null;
    }
}

/// <summary>What the receiving side tells the sending side, on the same socket the other way.</summary>
internal enum ControlKind : byte
{
    /// <summary>All frames to the address up to the number are complete; <c>Bytes</c> of credit come with it.</summary>
    Ack = 1,

    /// <summary>Credit alone.</summary>
    Credit = 2,

    /// <summary>Nobody listens at the address: everything not acknowledged is to be sent again after <see cref="Resume"/>.</summary>
    Refused = 3,

    Resume = 4,

    /// <summary>After a reconnect: bytes of the address that are complete and not yet consumed.</summary>
    Held = 5,

    /// <summary>End of what is told after a reconnect: frames may come, with this window for each address.</summary>
    Ready = 6,
}

/// <summary>A control record: 32 bytes, little-endian.</summary>
internal readonly record struct ControlRecord(ControlKind Kind, TensorAddress Address, ulong Sequence, long Bytes)
{
    public const int Size = 32;

    private const byte Magic = 0xD7;

    public void Write(Span<byte> to)
    {
        to[..Size].Clear();
        to[0] = Magic;
        to[1] = (byte)Kind;
        to[2] = (byte)Address.Target;
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], Address.Index);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], Address.Job);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(to[24..], Bytes);
    }

    public static bool TryRead(ReadOnlySpan<byte> from, out ControlRecord record)
    {
        var kind = (ControlKind)from[1];
        long bytes = BinaryPrimitives.ReadInt64LittleEndian(from[24..]);
        record = new ControlRecord(
            kind,
            new TensorAddress(
                BinaryPrimitives.ReadUInt64LittleEndian(from[8..]), (TensorTarget)from[2], BinaryPrimitives.ReadInt32LittleEndian(from[4..])),
            BinaryPrimitives.ReadUInt64LittleEndian(from[16..]),
            bytes);
        return from[0] == Magic && kind is >= ControlKind.Ack and <= ControlKind.Ready && bytes >= 0;
    }
}
