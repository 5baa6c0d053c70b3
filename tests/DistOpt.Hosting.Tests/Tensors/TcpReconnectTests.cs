using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Tensors;

namespace DistOpt.Hosting.Tests.Tensors;

public sealed class TcpReconnectTests
{
    private static readonly TensorAddress Server = new(1, TensorTarget.Server, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Func<TcpTensorChannelOptions, TcpTensorChannelOptions> Fast =>
        o => o with { Backoff = TimeSpan.FromMilliseconds(1), LongestBackoff = TimeSpan.FromMilliseconds(5), SliceBytes = 256 << 10 };

    [Fact]
    public async Task Frames_cut_in_their_middle_are_given_up_and_come_again_whole_and_in_order()
    {
        const int length = 1 << 20, frames = 4;
        await using var pair = TcpPair.Open(Fast);
        // within the first frame; within a header later on; within the third frame
        await using var proxy = new CuttingProxy(pair.RightTcp.Port, new Cut(1_500_000), new Cut(4_194_304 + 600), new Cut(7_000_001));
        var to = pair.Right.Self with { Port = proxy.Port };
        var given = new LeaseCount();
        var receiver = new RecordingReceiver { Give = h => given.New(new float[h.Range.Length]) };
        using var listening = pair.Right.Listen(Server, receiver);
        var sent = new LeaseCount();
        for (int step = 0; step < frames; step++) pair.Left.Send(to, Header(step, length), null, sent.New(Values(length, step)));
        for (int step = 0; step < frames; step++)
        {
            var arrival = await receiver.NextAsync(Cancel);
            Assert.Equal(step, arrival.Header.Step);
            Assert.True(arrival.Payload.Span.SequenceEqual(Values(length, step)));
            arrival.Payload.Dispose();
        }

        await sent.AllDisposedAsync(frames, Cancel);
        await given.AllDisposedAsync(given.Made, Cancel);
        Assert.Equal(0, receiver.Waiting);
        Assert.True(receiver.Abandons >= 2, $"{receiver.Abandons} frames were given up");
        Assert.Equal(given.Made, frames + receiver.Abandons);
        var statistics = pair.LeftTcp.Statistics;
        Assert.Equal((frames, 3, 4), ((int)statistics.FramesSent, (int)statistics.Reconnects, (int)statistics.Connections));
        Assert.Equal(frames, pair.RightTcp.Statistics.FramesReceived);
    }

    [Fact]
    public async Task Frames_that_arrived_but_whose_acknowledgement_was_lost_are_not_delivered_twice()
    {
        const int length = 1000, frames = 10;
        await using var pair = TcpPair.Open(Fast);
        // the handshake's answer and the permission to send pass, no acknowledgement does; cut a little after the ten frames
        int greeting = 8 + 8 + 32 + 2 + "left".Length + "right".Length;
        long record = 96 + (length * sizeof(float));
        await using var proxy = new CuttingProxy(pair.RightTcp.Port, new Cut(greeting + 32 + (frames * record) + 50, greeting + 32 + 32));
        var to = pair.Right.Self with { Port = proxy.Port };
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Server, receiver);
        var sent = new LeaseCount();
        for (int step = 0; step < frames; step++) pair.Left.Send(to, Header(step, length), null, sent.New(Values(length, step)));
        for (int step = 0; step < frames; step++) Assert.Equal(step, (await receiver.NextAsync(Cancel)).Header.Step);
        Assert.Equal(0, sent.Disposed);

        // the eleventh reaches the cut; then all are acknowledged on the second connection
        pair.Left.Send(to, Header(frames, length), null, sent.New(Values(length, frames)));
        Assert.Equal(frames, (await receiver.NextAsync(Cancel)).Header.Step);
        await sent.AllDisposedAsync(frames + 1, Cancel);
        Assert.Equal(0, receiver.Waiting);
        Assert.Equal(frames + 1, pair.RightTcp.Statistics.FramesReceived);
        Assert.Equal(1, pair.LeftTcp.Statistics.Reconnects);
    }

    [Fact]
    public async Task Credit_that_was_held_before_a_cut_is_neither_lost_nor_doubled()
    {
        const int length = 64 << 10, window = 4;
        await using var pair = TcpPair.Open(o => Fast(o) with { WindowBytes = window * length * sizeof(float) });
        long record = 96 + (length * sizeof(float));
        await using var proxy = new CuttingProxy(pair.RightTcp.Port, new Cut(3 * record));
        var to = pair.Right.Self with { Port = proxy.Port };
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Server, receiver);
        for (int step = 0; step < 40; step++) pair.Left.Send(to, Header(step, length), null, new TensorLease(Values(length, step)));
        var held = new Queue<Arrival>();
        for (int step = 0; step < 40; step++)
        {
            var arrival = await receiver.NextAsync(Cancel);
            Assert.Equal(step, arrival.Header.Step);
            held.Enqueue(arrival);
            Assert.True(held.Count + receiver.Waiting <= window, $"{held.Count} and {receiver.Waiting} frames in a window of {window}");
            if (held.Count == window) held.Dequeue().Payload.Dispose();
        }

        Assert.Equal(1, pair.LeftTcp.Statistics.Reconnects);
        Assert.Equal(0, pair.RightTcp.Statistics.Rejected.GetValueOrDefault(TensorRejection.CreditExceeded));
    }

    [Fact]
    public async Task A_node_that_starts_late_gets_what_was_sent_to_it()
    {
        var options = Fast(TcpPair.Options);
        await using var left = TcpPair.Start("left", options);
        int port;
        await using (var first = TcpPair.Start("right", options)) port = first.Port;
        var sent = new LeaseCount();
        left.Send(new TensorPeer(new("right"), "127.0.0.1", port), Header(1, 100), null, sent.New(Values(100, 1)));
        await using var right = TcpPair.Start("right", options with { Port = port });
        var receiver = new RecordingReceiver();
        using var listening = right.Listen(Server, receiver);
        Assert.Equal(1, (await receiver.NextAsync(Cancel)).Header.Step);
        await sent.AllDisposedAsync(1, Cancel);
    }

    [Fact]
    public async Task A_restarted_process_of_the_same_name_is_another_instance_and_its_frames_count_from_the_start()
    {
        var options = Fast(TcpPair.Options);
        await using var right = TcpPair.Start("right", options);
        var receiver = new RecordingReceiver();
        using var listening = right.Listen(Server, receiver);
        for (int life = 0; life < 3; life++)
        {
            await using var left = TcpPair.Start("left", options);
            for (int step = 0; step < 5; step++) left.Send(right.Self, Header((life * 10) + step, 100), null, new TensorLease(Values(100, step)));
            for (int step = 0; step < 5; step++) Assert.Equal((life * 10) + step, (await receiver.NextAsync(Cancel)).Header.Step);
        }

        Assert.Equal(0, right.Statistics.FramesRepeated);
    }

    private static TensorHeader Header(long step, int length) => new(TensorKind.Push, Server, 1, step, default, new KeyRange(0, length));

    private static float[] Values(int length, long seed)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++) values[i] = ((i * 31L) + (seed * 7919)) % 65521;
        return values;
    }
}
