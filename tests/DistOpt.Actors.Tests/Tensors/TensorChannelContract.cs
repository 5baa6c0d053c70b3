using System.Collections.Concurrent;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Tensors;

/// <summary>Two nodes that reach each other; closes both.</summary>
public interface IChannelPair : IAsyncDisposable
{
    ITensorChannel Left { get; }

    ITensorChannel Right { get; }
}

/// <summary>What every tensor channel must do. The file is compiled into the tests of each project that has one.</summary>
public abstract class TensorChannelContract
{
    private const ulong Job = 7;

    /// <summary>Whether payloads are handed over by reference.</summary>
    protected abstract bool ByReference { get; }

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="waiting">Most frames that may wait.</param>
    protected abstract IChannelPair Open(int waiting = 4096);

    protected static TensorAddress Address(int index, TensorTarget target = TensorTarget.Server) => new(Job, target, index);

    protected static TensorHeader Header(TensorAddress to, long step, int length) =>
        new(TensorKind.Push, to, JobEpoch: 1, step, new TreeNode(2, 3), new KeyRange(1024, 1024 + length), Part: 5);

    protected static float[] Values(int length, long seed)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++) values[i] = ((i * 31L) + (seed * 7919)) % 65521;
        return values;
    }

    [Fact]
    public async Task Frames_to_one_address_arrive_in_the_order_they_were_sent()
    {
        await using var pair = Open();
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Address(0), receiver);
        var leases = new LeaseCount();
        for (int step = 0; step < 300; step++)
            pair.Left.Send(pair.Right.Self, Header(Address(0), step, step * 37 % 5000), null, leases.New(Values(step * 37 % 5000, step)));
        for (int step = 0; step < 300; step++)
        {
            var arrival = await receiver.NextAsync(Cancel);
            Assert.Equal(Header(Address(0), step, step * 37 % 5000), arrival.Header);
            Assert.Equal(Values(step * 37 % 5000, step), arrival.Payload.Memory.ToArray());
            arrival.Payload.Dispose();
        }

        await leases.AllDisposedAsync(300, Cancel);
    }

    [Fact]
    public async Task A_payload_is_the_senders_memory_or_the_one_that_the_receiver_gave()
    {
        await using var pair = Open();
        var given = new TensorLease(new float[3000]);
        var receiver = new RecordingReceiver { Give = _ => given };
        using var listening = pair.Right.Listen(Address(0), receiver);
        var sent = new TensorLease(Values(3000, 1));
        pair.Left.Send(pair.Right.Self, Header(Address(0), 1, 3000), null, sent);
        var arrival = await receiver.NextAsync(Cancel);
        Assert.Same(ByReference ? sent : given, arrival.Payload);
        Assert.Equal(Values(3000, 1), arrival.Payload.Memory.ToArray());
        Assert.Equal(ByReference ? 0 : 1, receiver.Accepts);
    }

    [Fact]
    public async Task A_frame_that_the_receiver_does_not_want_is_thrown_away_and_the_next_one_comes()
    {
        await using var pair = Open();
        var receiver = new RecordingReceiver { Give = h => h.Step == 1 ? null : new TensorLease(new float[h.Range.Length]) };
        using var listening = pair.Right.Listen(Address(0), receiver);
        var leases = new LeaseCount();
        pair.Left.Send(pair.Right.Self, Header(Address(0), 1, 100_000), null, leases.New(Values(100_000, 1)));
        pair.Left.Send(pair.Right.Self, Header(Address(0), 2, 10), null, leases.New(Values(10, 2)));
        if (ByReference)
        {
            // there is no Accept within a process: it comes, and the receiver disposes it
            (await receiver.NextAsync(Cancel)).Payload.Dispose();
        }

        var arrival = await receiver.NextAsync(Cancel);
        Assert.Equal(2, arrival.Header.Step);
        arrival.Payload.Dispose();
        await leases.AllDisposedAsync(2, Cancel);
    }

    [Fact]
    public async Task Leases_are_disposed_exactly_once_on_both_sides()
    {
        await using var pair = Open();
        var given = new LeaseCount();
        var receiver = new RecordingReceiver { Give = h => given.New(new float[h.Range.Length]) };
        using var listening = pair.Right.Listen(Address(0), receiver);
        var sent = new LeaseCount();
        for (int step = 0; step < 100; step++) pair.Left.Send(pair.Right.Self, Header(Address(0), step, 2000), null, sent.New(Values(2000, step)));
        for (int step = 0; step < 100; step++)
        {
            var arrival = await receiver.NextAsync(Cancel);
            arrival.Payload.Dispose();
            arrival.Payload.Dispose();
        }

        await sent.AllDisposedAsync(100, Cancel);
        if (!ByReference) await given.AllDisposedAsync(100, Cancel);
    }

    [Fact]
    public async Task Frames_sent_before_anybody_listens_arrive_in_order_once_somebody_does()
    {
        await using var pair = Open();
        var other = new RecordingReceiver();
        using var elsewhere = pair.Right.Listen(Address(1), other);
        for (int step = 0; step < 20; step++) pair.Left.Send(pair.Right.Self, Header(Address(0), step, 500), null, new TensorLease(Values(500, step)));

        // they do not stand in the way of another address
        pair.Left.Send(pair.Right.Self, Header(Address(1), 100, 500), null, new TensorLease(Values(500, 100)));
        Assert.Equal(100, (await other.NextAsync(Cancel)).Header.Step);

        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Address(0), receiver);
        for (int step = 20; step < 40; step++) pair.Left.Send(pair.Right.Self, Header(Address(0), step, 500), null, new TensorLease(Values(500, step)));
        for (int step = 0; step < 40; step++)
        {
            var arrival = await receiver.NextAsync(Cancel);
            Assert.Equal(step, arrival.Header.Step);
            Assert.Equal(Values(500, step), arrival.Payload.Memory.ToArray());
        }
    }

    [Fact]
    public async Task Addresses_do_not_mix()
    {
        await using var pair = Open();
        TensorAddress[] addresses =
            [Address(0), Address(1), Address(0, TensorTarget.Replica), Address(0, TensorTarget.Collector), new(Job + 1, TensorTarget.Server, 0)];
        var receivers = addresses.Select(_ => new RecordingReceiver()).ToArray();
        var listening = addresses.Zip(receivers, pair.Right.Listen).ToArray();
        for (int step = 0; step < 50; step++)
        {
            foreach (var address in addresses) pair.Left.Send(pair.Right.Self, Header(address, step, 300), null, new TensorLease(Values(300, step)));
        }

        for (int i = 0; i < addresses.Length; i++)
        {
            for (int step = 0; step < 50; step++)
            {
                var arrival = await receivers[i].NextAsync(Cancel);
                Assert.Equal(Header(addresses[i], step, 300), arrival.Header);
            }
        }

        foreach (var each in listening) each.Dispose();
    }

    [Fact]
    public async Task Both_directions_at_once_with_large_payloads()
    {
        const int length = 700_000, frames = 12;
        await using var pair = Open();
        RecordingReceiver left = new(), right = new();
        using var a = pair.Left.Listen(Address(0), left);
        using var b = pair.Right.Listen(Address(0), right);
        var leases = new LeaseCount();
        for (int step = 0; step < frames; step++)
        {
            pair.Left.Send(pair.Right.Self, Header(Address(0), step, length), null, leases.New(Values(length, step)));
            pair.Right.Send(pair.Left.Self, Header(Address(0), step, length), null, leases.New(Values(length, -step)));
        }

        await Task.WhenAll(Check(right, 1), Check(left, -1));
        await leases.AllDisposedAsync(2 * frames, Cancel);

        async Task Check(RecordingReceiver receiver, int sign)
        {
            for (int step = 0; step < frames; step++)
            {
                var arrival = await receiver.NextAsync(Cancel);
                Assert.Equal(step, arrival.Header.Step);
                Assert.True(arrival.Payload.Span.SequenceEqual(Values(length, sign * step)), $"step {step}");
                arrival.Payload.Dispose();
            }
        }
    }

    [Fact]
    public async Task A_payload_may_be_empty_and_a_message_may_come_with_it()
    {
        await using var pair = Open();
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Address(0), receiver);
        pair.Left.Send(pair.Right.Self, Header(Address(0), 1, 0), new Waiting("server 0", 12, ["a", "b"], []), new TensorLease(default));
        pair.Left.Send(pair.Right.Self, Header(Address(0), 2, 70_000), new Waiting("server 1", 13, [], []), new TensorLease(Values(70_000, 2)));
        pair.Left.Send(pair.Right.Self, Header(Address(0), 3, 0), null, new TensorLease(default));
        var first = await receiver.NextAsync(Cancel);
        var waiting = Assert.IsType<Waiting>(first.Meta);
        Assert.Equal(("server 0", 12L), (waiting.Actor, waiting.Step));
        Assert.Equal(["a", "b"], waiting.Whom);
        Assert.Equal(0, first.Payload.Memory.Length);
        var second = await receiver.NextAsync(Cancel);
        Assert.Equal("server 1", Assert.IsType<Waiting>(second.Meta).Actor);
        Assert.Equal(Values(70_000, 2), second.Payload.Memory.ToArray());
        Assert.Null((await receiver.NextAsync(Cancel)).Meta);
    }

    [Fact]
    public async Task One_listens_at_an_address_and_the_next_one_gets_what_came_in_between()
    {
        await using var pair = Open();
        RecordingReceiver first = new(), second = new();
        var listening = pair.Right.Listen(Address(0), first);
        Assert.Throws<InvalidOperationException>(() => pair.Right.Listen(Address(0), second));
        pair.Left.Send(pair.Right.Self, Header(Address(0), 1, 10), null, new TensorLease(Values(10, 1)));
        Assert.Equal(1, (await first.NextAsync(Cancel)).Header.Step);
        listening.Dispose();
        listening.Dispose();
        pair.Left.Send(pair.Right.Self, Header(Address(0), 2, 10), null, new TensorLease(Values(10, 2)));
        using var again = pair.Right.Listen(Address(0), second);
        listening.Dispose();
        pair.Left.Send(pair.Right.Self, Header(Address(0), 3, 10), null, new TensorLease(Values(10, 3)));
        Assert.Equal(2, (await second.NextAsync(Cancel)).Header.Step);
        Assert.Equal(3, (await second.NextAsync(Cancel)).Header.Step);
    }

    [Fact]
    public async Task Forgetting_a_node_or_a_job_disposes_what_waits_for_it()
    {
        await using var pair = Open();
        LeaseCount kept = new(), forgotten = new();
        pair.Left.Send(pair.Right.Self, Header(Address(0), 1, 10), null, forgotten.New(Values(10, 1)));
        pair.Left.Send(pair.Right.Self, Header(new TensorAddress(Job + 1, TensorTarget.Server, 0), 1, 10), null, kept.New(Values(10, 1)));
        pair.Right.ForgetJob(Job);
        pair.Left.ForgetJob(Job);
        await forgotten.AllDisposedAsync(1, Cancel);
        Assert.Equal(0, kept.Disposed);
        pair.Left.Forget(pair.Right.Self.Node);
        await kept.AllDisposedAsync(1, Cancel);

        // both may be met again
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Address(0), receiver);
        pair.Left.Send(pair.Right.Self, Header(Address(0), 9, 10), null, new TensorLease(Values(10, 9)));
        Assert.Equal(9, (await receiver.NextAsync(Cancel)).Header.Step);
    }

    [Fact]
    public async Task A_node_may_send_to_itself_and_nothing_is_copied()
    {
        await using var pair = Open();
        var receiver = new RecordingReceiver();
        using var listening = pair.Left.Listen(Address(0), receiver);
        var lease = new TensorLease(Values(100, 1));
        pair.Left.Send(pair.Left.Self, Header(Address(0), 1, 100), null, lease);
        Assert.Same(lease, (await receiver.NextAsync(Cancel)).Payload);
    }

    [Fact]
    public async Task More_waiting_frames_than_the_limit_are_an_error_and_their_leases_are_disposed()
    {
        await using var pair = Open(waiting: 8);
        LeaseCount waiting = new(), over = new();
        for (int step = 0; step < 8; step++) pair.Left.Send(pair.Right.Self, Header(Address(0), step, 10), null, waiting.New(Values(10, step)));
        var error = Assert.Throws<InvalidOperationException>(
            () => pair.Left.Send(pair.Right.Self, Header(Address(0), 8, 10), null, over.New(Values(10, 8))));
        Assert.Contains("8 frames wait", error.Message);
        Assert.Equal(1, over.Disposed);
        Assert.Equal(0, waiting.Disposed);
    }

    [Fact]
    public async Task A_payload_that_does_not_fit_its_range_is_refused_at_once()
    {
        await using var pair = Open();
        var error = Assert.Throws<ArgumentException>(
            () => pair.Left.Send(pair.Right.Self, Header(Address(0), 1, 10), null, new TensorLease(new float[9])));
        Assert.Contains("9 elements", error.Message);
    }

    [Fact]
    public async Task Many_threads_send_and_each_of_their_addresses_keeps_its_order()
    {
        const int threads = 6, frames = 400;
        await using var pair = Open();
        var receivers = Enumerable.Range(0, threads).Select(_ => new RecordingReceiver()).ToArray();
        var listening = receivers.Select((r, i) => pair.Right.Listen(Address(i), r)).ToArray();
        var leases = new LeaseCount();
        var senders = Enumerable.Range(0, threads).Select(i => new Thread(() =>
        {
            for (int step = 0; step < frames; step++)
            {
                int length = (step * 131 + i * 977) % 4000;
                pair.Left.Send(pair.Right.Self, Header(Address(i), step, length), null, leases.New(Values(length, step)));
            }
        })).ToArray();
        foreach (var sender in senders) sender.Start();
        for (int i = 0; i < threads; i++)
        {
            for (int step = 0; step < frames; step++)
            {
                var arrival = await receivers[i].NextAsync(Cancel);
                Assert.Equal(step, arrival.Header.Step);
                Assert.True(arrival.Payload.Span.SequenceEqual(Values((step * 131 + i * 977) % 4000, step)));
                arrival.Payload.Dispose();
            }
        }

        foreach (var sender in senders) sender.Join();
        await leases.AllDisposedAsync(threads * frames, Cancel);
        foreach (var each in listening) each.Dispose();
    }

    [Fact]
    public async Task Closing_disposes_what_was_not_delivered()
    {
        var leases = new LeaseCount();
        var pair = Open();
        for (int step = 0; step < 5; step++) pair.Left.Send(pair.Right.Self, Header(Address(0), step, 10), null, leases.New(Values(10, step)));
        await pair.DisposeAsync();
        await leases.AllDisposedAsync(5, Cancel);
        pair.Left.Send(pair.Right.Self, Header(Address(0), 9, 10), null, leases.New(Values(10, 9)));
        await leases.AllDisposedAsync(6, Cancel);
    }
}
