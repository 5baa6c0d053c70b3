using System.Security.Cryptography.X509Certificates;
using DistOpt.Hosting.Control;
using DistOpt.Hosting.Tests.Support;
using Google.Protobuf;

namespace DistOpt.Hosting.Tests.Security;

public sealed class FrameGuardTests
{
    [Fact]
    public void System_messages_follow_each_other_and_may_be_sent_again()
    {
        var guard = new FrameGuard(null);
        foreach (ulong number in (ulong[])[7, 8, 7, 8, 9, ulong.MaxValue, 10]) Assert.Null(guard.Problem(Message(Numbered(number))));

        Assert.Contains("system message 12 after 10", guard.Problem(Message(Numbered(12))));
    }

    [Theory]
    [InlineData(1UL << 40)]
    [InlineData(FrameGuard.SystemMessagesMax + 1)]
    [InlineData(ulong.MaxValue - 1)]
    public void A_number_that_would_have_Akka_note_a_gap_without_end_is_refused(ulong number)
    {
        Assert.Contains("system message", new FrameGuard(null).Problem(Message(Numbered(number))));
        // merged by the reader of the whole: the number of the first counts
        Assert.Contains("system message", new FrameGuard(null).Problem(Message([.. Numbered(number), .. Field(2, [])])));
        Assert.Contains("system message", new FrameGuard(null).Problem([.. Message(Numbered(number)), .. Message(Numbered(ulong.MaxValue))]));
    }

    [Fact]
    public void The_first_frame_names_a_host_of_the_certificate()
    {
        using var certificates = new TestCertificates();
        var (path, _) = certificates.Make(["a.example"]);
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(path);

        Assert.Null(new FrameGuard(certificate).Problem(Associate(Origin("a.example"))));
        Assert.Contains("does not name 'b.example'", new FrameGuard(certificate).Problem(Associate(Origin("b.example"))));
        Assert.Contains("does not name 'b.example'", new FrameGuard(certificate).Problem(Associate([.. Origin("a.example"), .. Origin("b.example")])));
        Assert.Contains("does not say who it is", new FrameGuard(certificate).Problem(Message(Numbered(1))));
        Assert.Null(new FrameGuard(null).Problem(Associate(Origin("b.example"))));
    }

    [Theory]
    [InlineData(new byte[] { 0x0A })]
    [InlineData(new byte[] { 0x0A, 0x05, 1 })]
    [InlineData(new byte[] { 0x0B, 0x0C })]
    [InlineData(new byte[] { 0x00, 0x00 })]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF })]
    [InlineData(new byte[] { 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 })]
    public void What_is_no_message_is_refused(byte[] frame) => Assert.Equal("a frame that is no message", new FrameGuard(null).Problem(frame));

    private static byte[] Message(byte[] envelopes) => Field(1, envelopes);

    private static byte[] Associate(byte[] origins) => Field(2, Field(2, origins));

    private static byte[] Origin(string host) => Field(1, Field(2, System.Text.Encoding.UTF8.GetBytes(host)));

    private static byte[] Numbered(ulong number)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream))
        {
            output.WriteTag(5, WireFormat.WireType.Fixed64);
            output.WriteFixed64(number);
        }
        return Field(2, stream.ToArray());
    }

    private static byte[] Field(int number, byte[] value)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream))
        {
            output.WriteTag(number, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(value));
        }
        return stream.ToArray();
    }
}
