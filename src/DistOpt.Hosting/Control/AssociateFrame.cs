using System.Buffers;
using Google.Protobuf;

namespace DistOpt.Hosting.Control;

/// <summary>
/// The first frame of a connection in Akka's protocol: message { 2: instruction { 2: handshake { 1: origin { 2: host name } } } }. Akka reads
/// it again by itself; here only the host is looked at.
/// </summary>
internal static class AssociateFrame
{
    private const int Instruction = 2, Handshake = 2, Origin = 1, HostName = 2;

    /// <summary>The host that the sender says it is; empty where the frame does not say.</summary>
    public static string HostOf(in ReadOnlySequence<byte> frame)
    {
        try
        {
            var bytes = ByteString.CopyFrom(frame.ToArray());
            foreach (int field in (int[])[Instruction, Handshake, Origin]) bytes = Field(bytes, field);
            return Field(bytes, HostName).ToStringUtf8();
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or IOException)
        {
            return "";
        }
    }

    /// <summary>The last field of that number, as protobuf wants it; empty if there is none.</summary>
    private static ByteString Field(ByteString message, int number)
    {
        var input = message.CreateCodedInput();
        var found = ByteString.Empty;
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == number && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited) found = input.ReadBytes();
            else input.SkipLastField();
        }
        return found;
    }
}
