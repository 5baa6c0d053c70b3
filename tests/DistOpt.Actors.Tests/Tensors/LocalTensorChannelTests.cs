using DistOpt.Actors.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Tensors;

public sealed class LocalTensorChannelTests : TensorChannelContract
{
    protected override bool ByReference => true;

    protected override IChannelPair Open(int waiting = 4096) => new Pair(waiting);

    [Fact]
    public void A_receiver_runs_on_the_senders_thread()
    {
        using var network = new LocalTensorNetwork();
        var channel = network.Open(new NodeId("local"));
        int thread = 0;
        var receiver = new RecordingReceiver { OnReceived = _ => thread = Environment.CurrentManagedThreadId };
        using var listening = channel.Listen(Address(0), receiver);
        channel.Send(channel.Self, Header(Address(0), 1, 4), null, new TensorLease(new float[4]));
        Assert.Equal(Environment.CurrentManagedThreadId, thread);
    }

    [Fact]
    public async Task What_a_receiver_sends_to_itself_while_kept_frames_are_handed_over_comes_after_them()
    {
        using var network = new LocalTensorNetwork();
        var channel = network.Open(new NodeId("local"));
        for (int step = 0; step < 3; step++) channel.Send(channel.Self, Header(Address(0), step, 0), null, new TensorLease(default));
        var receiver = new RecordingReceiver
        {
            OnReceived = a =>
            {
                if (a.Header.Step == 0) channel.Send(channel.Self, Header(Address(0), 3, 0), null, new TensorLease(default));
            },
        };
        using var listening = channel.Listen(Address(0), receiver);
        for (int step = 0; step < 4; step++) Assert.Equal(step, (await receiver.NextAsync(Cancel)).Header.Step);
    }

    [Fact]
    public void A_receiver_that_fails_on_a_kept_frame_does_not_listen()
    {
        using var network = new LocalTensorNetwork();
        var channel = network.Open(new NodeId("local"));
        for (int step = 0; step < 2; step++) channel.Send(channel.Self, Header(Address(0), step, 0), null, new TensorLease(default));
        var failing = new RecordingReceiver { OnReceived = _ => throw new InvalidDataException("no") };
        Assert.Throws<InvalidDataException>(() => channel.Listen(Address(0), failing));
        var receiver = new RecordingReceiver();
        using var listening = channel.Listen(Address(0), receiver);
        Assert.Equal(1, receiver.Waiting);
    }

    private sealed class Pair(int waiting) : IChannelPair
    {
        private readonly LocalTensorNetwork _network = new(waiting);

        public ITensorChannel Left => field ??= _network.Open(new NodeId("left"));

        public ITensorChannel Right => field ??= _network.Open(new NodeId("right"));

        public ValueTask DisposeAsync()
        {
            _network.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
