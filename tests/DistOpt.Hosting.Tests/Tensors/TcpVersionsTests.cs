using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Tensors;

/// <summary>Values that are lent by reference and overwritten by later versions never go out under the name of an earlier one.</summary>
public sealed class TcpVersionsTests
{
    private static readonly TensorAddress Replica = new(1, TensorTarget.Replica, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_overwritten_while_it_waited_for_its_receiver_is_not_sent()
    {
        var options = TcpPair.Options with { Backoff = TimeSpan.FromMilliseconds(1), LongestBackoff = TimeSpan.FromMilliseconds(5) };
        int port = FreePort();
        await using var left = TcpPair.Start("left", options);
        var to = new TensorPeer(new NodeId("right"), "127.0.0.1", port);
        float[] memory = [0];
        var released = new LeaseCount();
        left.Send(to, Header(0), null, released.New([-1]));
        for (int version = 1; version <= 3; version++)
        {
            memory[0] = version;
            var values = new LentValues(memory, []);
            left.Send(to, Header(version), null, values.Lend());
            if (version < 3) Assert.True(values.Retire());
        }

        await using var right = TcpPair.Start("right", options with { Port = port });
        var receiver = new RecordingReceiver();
        using var listening = right.Listen(Replica, receiver);

        // what nobody overwrites has kept its place
        foreach (var (version, value) in new[] { (0, -1f), (3, 3f) })
        {
            var arrival = await receiver.NextAsync(Cancel);
            Assert.Equal((version, value), (arrival.Header.Step, arrival.Payload.Span[0]));
        }

        await released.AllDisposedAsync(1, Cancel);
        Assert.Equal(2, left.Statistics.FramesOutOfDate);
    }

    [Fact]
    public async Task What_waits_makes_room_once_it_is_out_of_date()
    {
        var options = TcpPair.Options with { MaximumWaitingFrames = 2 };
        await using var left = TcpPair.Start("left", options);
        var to = new TensorPeer(new NodeId("right"), "127.0.0.1", FreePort());
        for (int version = 0; version < 10; version++)
        {
            var values = new LentValues(new float[1], []);
            left.Send(to, Header(version), null, values.Lend());
            Assert.True(values.Retire());
        }

        Assert.Equal(9, left.Statistics.FramesOutOfDate);
    }

    [Fact]
    public async Task What_is_on_its_way_stays_as_it_is_until_it_is_sent()
    {
        const int length = 16 << 20;
        await using var pair = TcpPair.Open(o => o with { SliceBytes = 256 << 10 });
        var (isBegun, mayGoOn) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new ManualResetEventSlim());
        var receiver = new RecordingReceiver
        {
            Give = h =>
            {
                isBegun.TrySetResult();
                mayGoOn.Wait(Cancel);
                return new TensorLease(new float[h.Range.Length]);
            },
        };
        using var listening = pair.Right.Listen(Replica, receiver);
        var free = new ConcurrentBag<Memory<float>>();
        float[] memory = new float[length];
        Array.Fill(memory, 1);
        var values = new LentValues(memory, free);
        var (lease, later) = (values.Lend(), values.Lend());
        pair.Left.Send(pair.Right.Self, Header(1, length), null, lease);
        pair.Left.Send(pair.Right.Self, Header(1, length), null, later);
        // the receiver takes in no more than sockets hold
        await isBegun.Task.WaitAsync(Cancel);

        Assert.False(values.Retire());
        Assert.Empty(free);
        mayGoOn.Set();

        var arrival = await receiver.NextAsync(Cancel);
        Assert.True(arrival.Payload.Span.IndexOfAnyExcept(1f) < 0);
        // the second frame had not been begun: it never comes
        pair.Left.Send(pair.Right.Self, Header(2), null, new TensorLease(new float[1]));
        arrival.Payload.Dispose();
        Assert.Equal(2, (await receiver.NextAsync(Cancel)).Header.Step);
        Assert.Equal(memory.AsMemory(), Assert.Single(free));
        Assert.Equal(1, pair.LeftTcp.Statistics.FramesOutOfDate);
    }

    private static TensorHeader Header(long step, int length = 1) => new(TensorKind.Answer, Replica, 1, step, default, new KeyRange(0, length));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
