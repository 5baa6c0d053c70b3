using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Tensors;

public sealed class TcpHostileTests
{
    private const int Limit = 64 << 10;

    private static readonly TensorAddress Server = new(1, TensorTarget.Server, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, TensorRejection> BrokenFrames => new()
    {
        { "magic", TensorRejection.Malformed },
        { "version", TensorRejection.Malformed },
        { "record kind", TensorRejection.UnknownKind },
        { "tensor kind", TensorRejection.UnknownKind },
        { "number type", TensorRejection.Malformed },
        { "target", TensorRejection.Malformed },
        { "index", TensorRejection.Malformed },
        { "sequence", TensorRejection.Malformed },
        { "range", TensorRejection.Malformed },
        { "payload above the limit", TensorRejection.Oversized },
        { "payload of 2^62", TensorRejection.Oversized },
        { "message above the limit", TensorRejection.Oversized },
        { "slice above the payload", TensorRejection.Malformed },
        { "unknown manifest", TensorRejection.Malformed },
        { "message that is no message", TensorRejection.Malformed },
        { "end within the header", TensorRejection.Truncated },
        { "end within the message", TensorRejection.Truncated },
        { "end within the payload", TensorRejection.Truncated },
        { "slices beyond the frame", TensorRejection.Malformed },
        { "beyond the window", TensorRejection.CreditExceeded },
    };

    [Theory]
    [MemberData(nameof(BrokenFrames))]
    public async Task A_broken_frame_closes_its_connection_is_counted_and_disturbs_nothing_else(string how, TensorRejection reason)
    {
        var log = new TestLog();
        await using var pair = TcpPair.Open(o => o with { MaximumFrameBytes = Limit, WindowBytes = 4096 }, log);
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Server, receiver);
        pair.Left.Send(pair.Right.Self, Header(1, 100), null, new TensorLease(new float[100]));
        (await receiver.NextAsync(Cancel)).Payload.Dispose();

        using (var peer = await RawPeer.ConnectAsync(pair.RightTcp))
        {
            byte[] bytes = Break(how, out bool end);
            try
            {
                await peer.Connection.WriteAsync(bytes);
                if (end) peer.Dispose();
                else await peer.ClosedAsync();
            }
            catch (SocketException)
            {
                // closed before all was written
            }
        }

        bool Tells((LogLevel Level, string Text) line) => line.Level == LogLevel.Warning && line.Text.Contains(reason.ToString(), StringComparison.Ordinal);
        // it is counted before it is told
        await log.UntilAsync(() => log.Lines.Any(Tells));
        Assert.Equal(1, pair.RightTcp.Statistics.RejectedTotal);
        Assert.Equal(1, pair.RightTcp.Statistics.Rejected[reason]);
        Assert.Single(log.Lines, Tells);
        Assert.DoesNotContain(log.Lines, l => l.Level >= LogLevel.Error);
        pair.Left.Send(pair.Right.Self, Header(2, 100), null, new TensorLease(new float[100]));
        Arrival arrival;
        do arrival = await receiver.NextAsync(Cancel);
        while (arrival.Header.Step != 2 || arrival.Header.JobEpoch != 5);
        Assert.Equal(0, pair.LeftTcp.Statistics.Reconnects);
    }

    [Fact]
    public async Task Thousands_of_mutated_frames_are_survived()
    {
        const int frames = 2500;
        var random = new Random(20240607);
        var log = new TestLog();
        await using var pair = TcpPair.Open(o => o with { MaximumFrameBytes = Limit, WindowBytes = Limit }, log);
        var given = new LeaseCount();
        var receiver = new RecordingReceiver { Give = h => given.New(new float[h.Range.Length]), OnReceived = a => a.Payload.Dispose() };
        var honest = new RecordingReceiver { OnReceived = a => a.Payload.Dispose() };
        var honestAddress = new TensorAddress(2, TensorTarget.Replica, 0);
        using var a = pair.Right.Listen(Server, receiver);
        using var b = pair.Right.Listen(honestAddress, honest);
        byte[] meta = MetaCodec.Encode(new Waiting("server 0", 3, ["x"], []), 1024);
        RawPeer? peer = null;
        for (int i = 0; i < frames; i++)
        {
            if (i % 100 == 0) pair.Left.Send(pair.Right.Self, Header(i, 100) with { To = honestAddress }, null, new TensorLease(new float[100]));
            byte[] frame = RawPeer.Frame(Server, (ulong)i + 1, random.Next(0, 400), random.Next(2) == 0 ? meta : null);
            int changes = random.Next(1, 4), reach = random.Next(3) == 0 ? frame.Length : FrameRecord.Size;
            for (int change = 0; change < changes; change++)
                frame[random.Next(Math.Min(reach, frame.Length))] = random.Next(4) switch { 0 => 0, 1 => 255, 2 => 1, _ => (byte)random.Next(256) };
            int length = random.Next(10) == 0 ? random.Next(frame.Length) : frame.Length;

            // on one connection until it is closed, which a write or read notices later
            try
            {
                peer ??= await RawPeer.ConnectAsync(pair.RightTcp, instance: (ulong)i + 1);
                await peer.Connection.WriteAsync(frame.AsMemory(0, length));
                if (length == frame.Length && random.Next(3) > 0) continue;
            }
            catch (Exception e) when (ConnectionErrors.IsLoss(e))
            {
                // closed by the other side, as it should
            }

            peer?.Dispose();
            peer = null;
        }

        peer?.Dispose();
        for (int i = 0; i < frames; i += 100) Assert.Equal(i, (await honest.NextAsync(Cancel)).Header.Step);
        Assert.Equal(0, pair.LeftTcp.Statistics.Reconnects);
        Assert.True(pair.RightTcp.Statistics.RejectedTotal > 200, $"{pair.RightTcp.Statistics.RejectedTotal} rejected");
        Assert.Equal(0, pair.RightTcp.Statistics.ReceiverFaults);
        Assert.DoesNotContain(log.Lines, l => l.Level >= LogLevel.Error);

        // every buffer that was lent for them has come back
        await pair.DisposeAsync();
        await given.AllDisposedAsync(given.Made, Cancel);
    }

    [Fact]
    public async Task Noise_instead_of_a_handshake_is_survived()
    {
        var random = new Random(7);
        var log = new TestLog();
        await using var pair = TcpPair.Open(o => o with { MaximumHandshakes = 256 }, log);
        for (int i = 0; i < 200; i++)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, pair.RightTcp.Port, Cancel);
            var noise = new byte[random.Next(8, 2000)];
            random.NextBytes(noise);
            // sometimes as far as the length
            if (i % 2 == 0) "DOTH\u0001\u0000"u8.CopyTo(noise);
            await socket.SendAsync(noise, Cancel);
        }

        await log.UntilAsync(() => pair.RightTcp.Statistics.Rejected.GetValueOrDefault(TensorRejection.Unauthenticated) == 200);
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Server, receiver);
        pair.Left.Send(pair.Right.Self, Header(1, 10), null, new TensorLease(new float[10]));
        Assert.Equal(1, (await receiver.NextAsync(Cancel)).Header.Step);
    }

    [Fact]
    public async Task A_peer_that_sends_to_ever_new_addresses_is_closed()
    {
        var log = new TestLog();
        await using var pair = TcpPair.Open(log: log);
        using var peer = await RawPeer.ConnectAsync(pair.RightTcp);
        try
        {
            const int batch = 1000;
            for (int i = 0; i <= InboundPeer.AddressesMax; i += batch)
                await peer.Connection.WriteAsync(Enumerable.Range(i, batch).SelectMany(n => RawPeer.Frame(new TensorAddress((ulong)n + 10,
                    TensorTarget.Server, 0), 1, 0)).ToArray());
        }
        catch (Exception e) when (ConnectionErrors.IsLoss(e))
        {
            // closed before all was written
        }
        await log.UntilAsync(() => pair.RightTcp.Statistics.Rejected.GetValueOrDefault(TensorRejection.CreditExceeded) == 1);
    }

    [Fact]
    public async Task A_frame_sent_twice_is_delivered_once()
    {
        await using var pair = TcpPair.Open();
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Server, receiver);
        using var peer = await RawPeer.ConnectAsync(pair.RightTcp);
        foreach (ulong sequence in (ulong[])[1, 2, 1, 2, 3]) await peer.Connection.WriteAsync(RawPeer.Frame(Server, sequence, 50));
        for (int step = 1; step <= 3; step++) Assert.Equal(step, (await receiver.NextAsync(Cancel)).Header.Step);
        Assert.Equal(2, pair.RightTcp.Statistics.FramesRepeated);
        Assert.Equal(ControlKind.Ready, (await peer.NextAsync())!.Value.Kind);
    }

    [Fact]
    public async Task A_receiver_that_throws_does_not_take_the_connection_down()
    {
        await using var pair = TcpPair.Open();
        var receiver = new RecordingReceiver
        {
            Give = h => h.Step == 1 ? throw new InvalidDataException("accept") : new TensorLease(new float[h.Step == 2 ? 1 : h.Range.Length]),
            OnReceived = a =>
            {
                if (a.Header.Step == 3) throw new InvalidDataException("received");
            },
        };
        using var listening = pair.Right.Listen(Server, receiver);
        var leases = new LeaseCount();
        for (int step = 1; step <= 4; step++) pair.Left.Send(pair.Right.Self, Header(step, 10), null, leases.New(new float[10]));
        Assert.Equal(4, (await receiver.NextAsync(Cancel)).Header.Step);
        await leases.AllDisposedAsync(4, Cancel);
        Assert.Equal((3, 0), ((int)pair.RightTcp.Statistics.ReceiverFaults, (int)pair.LeftTcp.Statistics.Reconnects));
    }

    private static TensorHeader Header(long step, int length) => new(TensorKind.Push, Server, 5, step, default, new KeyRange(0, length));

    private static byte[] Break(string how, out bool end)
    {
        end = how.StartsWith("end ", StringComparison.Ordinal);
        byte[] meta = how switch
        {
            "unknown manifest" => [4, .. "nope"u8, 0x90],
            "message that is no message" => [9, .. "waiting.1"u8, 0xC1, 0xC1],
            _ => MetaCodec.Encode(new Waiting("server 0", 3, [], []), 1024),
        };
        byte[] frame = RawPeer.Frame(Server, 9, 64, meta);
        switch (how)
        {
            case "magic": frame[0] ^= 1; break;
            case "version": frame[4] = 2; break;
            case "record kind": frame[5] = 3; break;
            case "tensor kind": frame[7] = 77; break;
            case "number type": frame[6] = 2; break;
            case "target": frame[8] = 0; break;
            case "index": BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(12), -1); break;
            case "sequence": BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(24), 0); break;
            case "range": BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(64), long.MinValue); break;
            case "payload above the limit": frame = RawPeer.Frame(Server, 9, (Limit / sizeof(float)) + 1); break;
            case "payload of 2^62":
                BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(72), 1L << 60);
                BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(80), 1L << 62);
                break;
            case "message above the limit": BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(88), (64 << 10) + 1); break;
            case "slice above the payload": BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(92), 65 * sizeof(float)); break;
            case "end within the header": return frame[..50];
            case "end within the message": return frame[..(FrameRecord.Size + 3)];
            case "end within the payload": return frame[..^7];
            case "slices beyond the frame":
                // 4 KiB announced, 3 KiB and again 3 KiB come
                byte[] whole = RawPeer.Frame(Server, 9, 1024);
                byte[] first = [.. whole[..(FrameRecord.Size + 3072)]];
                BinaryPrimitives.WriteInt32LittleEndian(first.AsSpan(92), 3072);
                byte[] second = [.. first];
                second[5] = (byte)RecordKind.Slice;
                return [.. first, .. second];
            case "beyond the window":
                return [.. RawPeer.Frame(Server, 9, 512), .. RawPeer.Frame(Server, 10, 512), .. RawPeer.Frame(Server, 11, 512)];
        }

        return frame;
    }
}
