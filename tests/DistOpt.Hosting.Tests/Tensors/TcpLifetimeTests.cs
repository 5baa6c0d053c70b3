using System.Runtime.CompilerServices;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Tensors;

[Collection(nameof(WholeProcess))]
public sealed class TcpLifetimeTests
{
    private static readonly TensorAddress Server = new(1, TensorTarget.Server, 0);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Closing_leaves_no_socket_and_no_channel_behind()
    {
        await UseAsync(midway: false);
        int before = Sockets();
        var channels = new List<WeakReference>();
        for (int i = 0; i < 10; i++) channels.AddRange(await UseAsync(midway: i % 2 == 1));
        // one that a test before this has left may close meanwhile, and the very last ones a little later; each use that leaks would leave one more
        await UntilAsync(() => Sockets() <= before, () => $"{before} sockets before, {Sockets()} after");
        // the socket engine may still hold the very last ones
        await UntilAsync(() => Alive() <= 2, () => $"{Alive()} channels are held");

        int Alive()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            return channels.Count(c => c.IsAlive);
        }
    }

    private static async Task UntilAsync(Func<bool> holds, Func<string> otherwise)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        while (!holds())
        {
            Assert.False(limit.IsCancellationRequested, otherwise());
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_frame_allocates_nothing_that_grows_with_it()
    {
        const int frames = 200;
        await using var pair = TcpPair.Open();
        long small = await AllocatedAsync(pair, 1024, frames), large = await AllocatedAsync(pair, 1 << 20, frames);
        Assert.True(large < frames * 16 << 10, $"{large / frames} bytes per frame of 4 MiB, {small / frames} per frame of 4 KiB");
    }

    [Fact]
    public async Task A_port_in_use_is_bad_input()
    {
        await using var first = TcpPair.Start("first", TcpPair.Options);
        var error = Assert.Throws<SpecException>(() => TcpPair.Start("second", TcpPair.Options with { Port = first.Port }));
        Assert.Contains("choose another port", Assert.Single(error.Violations).Message);
    }

    [Fact]
    public async Task Congestion_control_is_told()
    {
        await using var pair = TcpPair.Open();
        Assert.Null(pair.LeftTcp.CongestionControl(pair.Right.Self.Node));
        var receiver = new RecordingReceiver();
        using var listening = pair.Right.Listen(Server, receiver);
        pair.Left.Send(pair.Right.Self, new TensorHeader(TensorKind.Push, Server, 1, 1, default, new KeyRange(0, 4)), null, new TensorLease(new float[4]));
        await receiver.NextAsync(Cancel);
        string? used = pair.LeftTcp.CongestionControl(pair.Right.Self.Node);
        Assert.False(string.IsNullOrEmpty(used));
        if (File.Exists("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
            && File.ReadAllText("/proc/sys/net/ipv4/tcp_allowed_congestion_control").Contains("cubic", StringComparison.Ordinal))
            Assert.Equal("cubic", used);
    }

    [Fact]
    public void Options_name_all_violations_at_once()
    {
        var error = Assert.Throws<SpecException>(() => new TcpTensorChannelOptions
        {
            Secret = new byte[4],
            Port = 70_000,
            Bind = System.Net.IPAddress.Any,
            WindowBytes = 0,
            SliceBytes = 1,
            MaximumFrameBytes = long.MaxValue,
            HandshakeTimeout = TimeSpan.Zero,
        }.Validate());
        Assert.Equal(
            ["secret", "port", "advertised_host", "maximum_frame_bytes", "window_bytes", "slice_bytes", "handshake_timeout"],
            error.Violations.Select(v => v.Path["tensor_channel.".Length..]));
        Assert.Contains("is 70000: give 0 to 65535", error.Message);
        TcpPair.Options.Validate();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference[]> UseAsync(bool midway)
    {
        var pair = TcpPair.Open();
        var receiver = new RecordingReceiver();
        pair.Right.Listen(Server, receiver);
        pair.Left.Listen(Server, receiver);
        var leases = new LeaseCount();
        for (int step = 0; step < 8; step++)
        {
            var header = new TensorHeader(TensorKind.Push, Server, 1, step, default, new KeyRange(0, 1 << 18));
            pair.Left.Send(pair.Right.Self, header, null, leases.New(new float[1 << 18]));
            pair.Right.Send(pair.Left.Self, header, null, leases.New(new float[1 << 18]));
        }

        for (int i = 0; i < (midway ? 2 : 16); i++) await receiver.NextAsync(Cancel);
        await pair.DisposeAsync();
        await leases.AllDisposedAsync(16, Cancel);
        return [new WeakReference(pair.LeftTcp), new WeakReference(pair.RightTcp)];
    }

    private static async Task<long> AllocatedAsync(TcpPair pair, int length, int frames)
    {
        var (sent, given) = (new float[length], new float[length]);
        var receiver = new RecordingReceiver { Give = _ => new TensorLease(given) };
        using var listening = pair.Right.Listen(Server, receiver);
        long before = 0;
        for (int step = -20; step < frames; step++)
        {
            if (step == 0) before = GC.GetTotalAllocatedBytes(precise: true);
            pair.Left.Send(pair.Right.Self, new TensorHeader(TensorKind.Push, Server, 1, step, default, new KeyRange(0, length)), null, new TensorLease(sent));
            (await receiver.NextAsync(Cancel)).Payload.Dispose();
        }

        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }

    private static int Sockets()
    {
        if (!Directory.Exists("/proc/self/fd")) return 0;
        int count = 0;
        foreach (string entry in Directory.GetFiles("/proc/self/fd"))
        {
            try
            {
                if (File.ResolveLinkTarget(entry, returnFinalTarget: false)?.Name.StartsWith("socket:", StringComparison.Ordinal) == true) count++;
            }
            catch (IOException)
            {
                // closed while we looked
            }
        }

        return count;
    }
}
