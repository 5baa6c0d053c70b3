using System.Net.Sockets;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Hosting.Security;
using DistOpt.Hosting.Tensors;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Tensors;

public sealed class TcpTensorChannelTests : TensorChannelContract
{
    protected override bool ByReference => false;

    protected override IChannelPair Open(int waiting = 4096) => TcpPair.Open(o => o with { MaximumWaitingFrames = waiting });
}

/// <summary>The contract once more over a stream put in between, as TLS would be.</summary>
public sealed class TcpTensorChannelOverStreamTests : TensorChannelContract
{
    protected override bool ByReference => false;

    protected override IChannelPair Open(int waiting = 4096) =>
        TcpPair.Open(o => o with { MaximumWaitingFrames = waiting, Wrap = (socket, _, _) => new(new NetworkStream(socket, ownsSocket: true)) });
}

/// <summary>The contract once more with certificates on both sides.</summary>
public sealed class TcpTensorChannelOverTlsTests : TensorChannelContract, IDisposable
{
    private readonly TestCertificates _certificates = new();

    protected override bool ByReference => false;

    public void Dispose() => _certificates.Dispose();

    protected override IChannelPair Open(int waiting = 4096)
    {
        var tls = new TensorTls(_certificates.Tls());
        return TcpPair.Open(o => o with { MaximumWaitingFrames = waiting, Wrap = tls.WrapAsync });
    }
}

internal sealed class TcpPair : IChannelPair
{
    private TcpPair(TcpTensorChannel left, TcpTensorChannel right) => (LeftTcp, RightTcp) = (left, right);

    public TcpTensorChannel LeftTcp { get; }

    public TcpTensorChannel RightTcp { get; }

    public ITensorChannel Left => LeftTcp;

    public ITensorChannel Right => RightTcp;

    public static TcpTensorChannelOptions Options => new() { Secret = [.. Enumerable.Range(0, 32).Select(i => (byte)i)] };

    public static TcpPair Open(Func<TcpTensorChannelOptions, TcpTensorChannelOptions>? change = null, TestLog? log = null)
    {
        var options = change is null ? Options : change(Options);
        return new TcpPair(Start("left", options, log), Start("right", options, log));
    }

    public static TcpTensorChannel Start(string node, TcpTensorChannelOptions options, TestLog? log = null, TimeProvider? time = null) =>
        TcpTensorChannel.Start(new NodeId(node), options, log ?? new TestLog(), time);

    public async ValueTask DisposeAsync()
    {
        await LeftTcp.DisposeAsync();
        await RightTcp.DisposeAsync();
    }
}
