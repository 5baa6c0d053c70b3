using System.Collections.Concurrent;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;

namespace DistOpt.Hosting.Tests.Tensors;

public sealed class TcpCreditTests
{
    private static readonly TensorAddress Slow = new(1, TensorTarget.Server, 0);
    private static readonly TensorAddress Quick = new(1, TensorTarget.Replica, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_slow_receiver_holds_no_more_than_the_window_and_holds_up_nobody_else()
    {
        const int length = 64 << 10, window = 4, frames = 60;
        await using var pair = TcpPair.Open(o => o with { WindowBytes = window * length * sizeof(float) });
        var given = new LeaseCount();
        int most = 0;
        var slow = new RecordingReceiver
        {
            Give = h =>
            {
                most = Math.Max(most, given.Made + 1 - given.Disposed);
                return given.New(new float[h.Range.Length]);
            },
        };
        var quick = new RecordingReceiver();
        using var a = pair.Right.Listen(Slow, slow);
        using var b = pair.Right.Listen(Quick, quick);
        for (int step = 0; step < frames; step++) pair.Left.Send(pair.Right.Self, Header(Slow, step, length), null, new TensorLease(new float[length]));
        var held = new Queue<Arrival>();
        for (int step = 0; step < window; step++) held.Enqueue(await slow.NextAsync(Cancel));

        // the others pass while the slow one is out of credit
        for (int step = 0; step < 20; step++)
        {
            pair.Left.Send(pair.Right.Self, Header(Quick, step, length), null, new TensorLease(new float[length]));
            (await quick.NextAsync(Cancel)).Payload.Dispose();
        }

        Assert.Equal((window, 0), (slow.Accepts, slow.Waiting));
        for (int step = window; step < frames; step++)
        {
            held.Dequeue().Payload.Dispose();
            var next = await slow.NextAsync(Cancel);
            Assert.Equal(step, next.Header.Step);
            held.Enqueue(next);
        }

        Assert.Equal(window, most);
        Assert.Equal(0, pair.RightTcp.Statistics.RejectedTotal);
    }

    [Fact]
    public async Task Frames_above_the_window_go_one_at_a_time()
    {
        const int length = 300_000;
        await using var pair = TcpPair.Open(o => o with { WindowBytes = 64 << 10, SliceBytes = 128 << 10 });
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Slow, receiver);
        for (int step = 0; step < 6; step++) pair.Left.Send(pair.Right.Self, Header(Slow, step, length), null, new TensorLease(new float[length]));
        for (int step = 0; step < 6; step++)
        {
            var arrival = await receiver.NextAsync(Cancel);
            Assert.Equal(step, arrival.Header.Step);
            Assert.Equal((step + 1, 0), (receiver.Accepts, receiver.Waiting));
            arrival.Payload.Dispose();
        }
    }

    [Fact]
    public async Task A_receiver_that_waits_for_other_frames_before_it_lets_go_of_any_is_not_starved()
    {
        const int length = 64 << 10, frames = 20;
        await using var pair = TcpPair.Open(o => o with { WindowBytes = 64 << 10 });
        var receiver = new RecordingReceiver { CreditOnReceipt = true };
        using var listening = pair.Right.Listen(Slow, receiver);
        for (int step = 0; step < frames; step++) pair.Left.Send(pair.Right.Self, Header(Slow, step, length), null, new TensorLease(new float[length]));
        var held = new List<Arrival>();
        while (held.Count < frames) held.Add(await receiver.NextAsync(Cancel));
        Assert.Equal(Enumerable.Range(0, frames).Select(i => (long)i), held.Select(h => h.Header.Step));
    }

    [Fact]
    public async Task A_small_frame_is_not_stuck_behind_a_large_one()
    {
        const int large = 16 << 20, small = 16 << 10;
        await using var pair = TcpPair.Open();
        var order = new ConcurrentQueue<string>();
        var quick = new RecordingReceiver { OnReceived = _ => order.Enqueue("small") };
        var memory = new float[large];
        var slow = new RecordingReceiver
        {
            // the large one has begun to arrive
            Give = _ =>
            {
                pair.Left.Send(pair.Right.Self, Header(Quick, 1, small), null, new TensorLease(new float[small]));
                return new TensorLease(memory);
            },
            OnReceived = _ => order.Enqueue("large"),
        };
        using var a = pair.Right.Listen(Slow, slow);
        using var b = pair.Right.Listen(Quick, quick);
        pair.Left.Send(pair.Right.Self, Header(Slow, 1, large), null, new TensorLease(new float[large]));
        await slow.NextAsync(Cancel);
        await quick.NextAsync(Cancel);
        Assert.Equal(["small", "large"], order);
    }

    private static TensorHeader Header(TensorAddress to, long step, int length) => new(TensorKind.Push, to, 1, step, default, new KeyRange(0, length));
}
