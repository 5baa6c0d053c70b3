using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Security;
using DistOpt.Hosting.Tensors;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Security;

/// <summary>Certificates at the tensor channel, and 10,000 hostile frames while it carries others.</summary>
[Collection(nameof(WholeProcess))]
public sealed class HostileTensorTests : IAsyncLifetime
{
    private const int Rounds = 4;
    private const int Frames = 10_000 / Rounds;

    /// <summary>Where nobody looks at what is left behind.</summary>
    private const int Few = 300;
    private const int Limit = 64 << 10;

    private static readonly TensorAddress Server = new(1, TensorTarget.Server, 0);
    private static readonly TensorAddress Honest = new(2, TensorTarget.Replica, 0);

    private readonly TestCertificates _certificates = new();
    private readonly TestLog _log = new();
    private readonly LeaseCount _given = new();
    private readonly RecordingReceiver _honest = new() { OnReceived = a => a.Payload.Dispose() };
    private TcpTensorChannel _node = null!;
    private TcpTensorChannel _friend = null!;
    private RecordingReceiver _target = null!;
    private long _step;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _node = Start("127.0.0.1:1#node", _certificates.Tls(), _log);
        _friend = Start("127.0.0.1:2#friend", _certificates.Tls(), new TestLog());
        _target = new RecordingReceiver { Give = h => _given.New(new float[h.Range.Length]), OnReceived = a => a.Payload.Dispose() };
        _node.Listen(Server, _target);
        _node.Listen(Honest, _honest);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _friend.DisposeAsync();
        await _node.DisposeAsync();
        _certificates.Dispose();
    }

    [Fact]
    public async Task Frames_of_a_peer_with_a_certificate_break_nothing_and_leave_nothing()
    {
        using var tls = _certificates.Tls();
        var mutations = new Mutations(6);

        await Memory.StopsGrowingAsync(() => RoundAsync(mutations, tls), Frames, managed: 500, native: 800, Rounds);

        Assert.True(_node.Statistics.RejectedTotal > 500, $"{_node.Statistics.RejectedTotal} rejected");
        Assert.True(_target.Accepts > 200, $"{_target.Accepts} got as far as the receiver");
        await _node.DisposeAsync();
        await _given.AllDisposedAsync(_given.Made, Cancel);
    }

    [Fact]
    public async Task Frames_of_a_peer_without_a_certificate_get_nowhere()
    {
        await RoundAsync(new Mutations(8), null, Few);
        Assert.Equal((0, 0), (_target.Accepts, _given.Made));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Frames_of_a_peer_without_a_certificate_break_nothing_and_leave_nothing()
    {
        var mutations = new Mutations(8);

        await Memory.StopsGrowingAsync(() => RoundAsync(mutations, null), Frames, managed: 500, native: 800, Rounds);

        Assert.Equal((0, 0), (_target.Accepts, _given.Made));
    }

    [Theory]
    [InlineData("no certificate", "the peer shows no certificate", "it may refuse this node's certificate, see its log")]
    [InlineData("no TLS", "no TLS handshake", "it may refuse this node's certificate, see its log")]
    [InlineData("another CA", "not signed by this cluster's CA", "it may refuse this node's certificate, see its log")]
    [InlineData("another CA for both", "not signed by this cluster's CA", "not signed by this cluster's CA")]
    [InlineData("another trust", "refuses? this node's certificate, see its log", "not signed by this cluster's CA")]
    [InlineData("another host", "does not name '127.0.0.1', but other.example", "it may refuse this node's certificate, see its log")]
    public async Task A_peer_that_is_no_node_gets_nothing_and_both_sides_say_why(string what, string why, string theirs)
    {
        var log = new TestLog();
        var hosts = what == "another host" ? (string[])["other.example"] : null;
        var certificate = _certificates.Make(hosts, foreign: what.StartsWith("another CA", StringComparison.Ordinal));
        // most strangers trust what the node shows
        using var own = TestTls.Trusting(certificate, what is "another CA for both" or "another trust" ? _certificates.OtherCa : _certificates.Ca);
        var options = Options with { VerifyPeer = null, Backoff = TimeSpan.FromMilliseconds(10) };
        options = what switch
        {
            "no TLS" => options with { Wrap = null },
            "no certificate" => options with { Wrap = TestTls.Anonymous },
            _ => options with { Wrap = new TensorTls(own).WrapAsync },
        };
        await using var stranger = TcpTensorChannel.Start(new NodeId("127.0.0.1:9#stranger"), options, log);
        stranger.Send(_node.Self, Header(Server, 1), null, new TensorLease(new float[10]));

        await _log.UntilAsync(() => _log.Lines.Any(l => l.Level == LogLevel.Warning && l.Text.Contains("Unauthenticated") && Regex.IsMatch(l.Text, why)));
        await log.UntilAsync(() => log.Lines.Any(l =>
            l.Level == LogLevel.Warning && Regex.IsMatch(l.Text, $"^no tensor connection to {_node.Self.Node}: .*{theirs}")));
        Assert.Equal((0, 0), (_target.Accepts, (int)stranger.Statistics.Connections));
    }

    private async Task RoundAsync(Mutations mutations, NodeTls? tls, int frames = Frames)
    {
        await AttackAsync(mutations, tls, frames);
        Unharmed();
        _log.Lines.Clear();
    }

    private void Unharmed()
    {
        Assert.Equal(0, _friend.Statistics.Reconnects);
        Assert.Equal(0, _node.Statistics.ReceiverFaults);
        Assert.DoesNotContain(_log.Lines, l => l.Level >= LogLevel.Error);
    }

    /// <summary>Sends so many hostile frames, and an honest one between every hundred.</summary>
    private async Task AttackAsync(Mutations mutations, NodeTls? tls, int frames)
    {
        byte[] meta = MetaCodec.Encode(new Waiting("server 0", 3, ["x"], []), 1024);
        TensorConnection? connection = null;
        int sent = 0;
        for (int i = 0; i < frames; i++)
        {
            if (i % 100 == 0)
            {
                _friend.Send(_node.Self, Header(Honest, ++_step), null, new TensorLease(new float[100]));
                Assert.Equal(_step, (await _honest.NextAsync(Cancel)).Header.Step);
            }
            byte[] frame = mutations.Of(RawPeer.Frame(Server, (ulong)i + 1, mutations.Next(100), mutations.Next(2) == 0 ? meta : null));
            try
            {
                connection ??= await ConnectAsync(tls, (ulong)i + 1, mutations.Next(4) > 0);
                await connection.WriteAsync(frame);
                if (++sent % 8 != 0) continue;
            }
            catch (Exception e) when (ConnectionErrors.IsLoss(e))
            {
                // closed by the other side, as it should
            }
            connection?.Dispose();
            connection = null;
        }
        connection?.Dispose();
    }

    private async Task<TensorConnection> ConnectAsync(NodeTls? tls, ulong instance, bool handshake)
    {
        var connection = await TensorConnection.ConnectAsync("127.0.0.1", _node.Port, Options with { Wrap = tls is null ? null : new TensorTls(tls).WrapAsync }, Cancel);
        try
        {
            if (tls is not null && handshake) await new TensorHandshake(Options.Secret, new NodeId("127.0.0.1:3#hostile"), instance).ConnectAsync(connection, _node.Self.Node);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static TcpTensorChannelOptions Options => TcpPair.Options with { MaximumFrameBytes = Limit, WindowBytes = Limit, MaximumHandshakes = 256 };

    private static TcpTensorChannel Start(string node, NodeTls tls, TestLog log)
    {
        var wrap = new TensorTls(tls);
        return TcpTensorChannel.Start(new NodeId(node), Options with { Wrap = wrap.WrapAsync, VerifyPeer = wrap.Problem }, log);
    }

    private static TensorHeader Header(TensorAddress to, long step) =>
        new(TensorKind.Push, to, 1, step, default, new KeyRange(0, to == Honest ? 100 : 10));
}
