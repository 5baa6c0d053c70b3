using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Security;
using DistOpt.Hosting.Tensors;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Security;

/// <summary>10,000 hostile frames at the control plane of a node that works meanwhile.</summary>
[Collection(nameof(WholeProcess))]
public sealed class HostileControlTests : IAsyncLifetime
{
    private const int Rounds = 4;
    private const int Frames = 10_000 / Rounds;

    /// <summary>Where nobody looks at what is left behind.</summary>
    private const int Few = 300;

    private readonly TestCertificates _certificates = new();
    private readonly TestLog _log = new();
    private ClusterNode _coordinator = null!;
    private ClusterNode _worker = null!;
    private int _jobs;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _coordinator = await Start(_certificates.Node() with { Roles = ["coordinator", "server"] });
        _worker = await Start(_certificates.Node() with { Roles = ["worker"], WorkerSlots = 2, Join = [_coordinator.Endpoint] });
        while ((await _coordinator.NodesAsync()).Count < 2) await Task.Yield();
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        await _coordinator.DisposeAsync();
        _certificates.Dispose();
    }

    [Fact]
    public async Task Frames_of_a_peer_with_a_certificate_break_nothing_and_leave_nothing()
    {
        using var tls = _certificates.Tls();
        var corpus = await RecordAsync(tls);
        Assert.True(corpus.Count > 10, $"{corpus.Count} frames recorded");
        var mutations = new Mutations(2);

        await Memory.StopsGrowingAsync(async () =>
        {
            int connections = await RoundAsync(mutations, tls, corpus);
            Assert.True(connections > 25, $"{connections} connections");
            _log.Lines.Clear();
        }, Frames, managed: 500, native: 800, Rounds);
    }

    [Fact]
    public async Task Frames_of_a_peer_without_a_certificate_get_nowhere()
    {
        using var tls = _certificates.Tls();
        var corpus = await RecordAsync(tls);
        await RoundAsync(new Mutations(4), null, corpus, Few);
        Assert.Contains(_log.Lines, l => l.Text.StartsWith("control connection from 127.0.0.1:", StringComparison.Ordinal)
            && l.Text.Contains("refused: no TLS handshake"));
    }

    [Fact]
    [Trait("Category", "Long")]
    public async Task Frames_of_a_peer_without_a_certificate_break_nothing_and_leave_nothing()
    {
        using var tls = _certificates.Tls();
        var corpus = await RecordAsync(tls);
        var mutations = new Mutations(4);

        await Memory.StopsGrowingAsync(async () =>
        {
            await RoundAsync(mutations, null, corpus);
            Assert.Contains(_log.Lines, l => l.Text.StartsWith("control connection from 127.0.0.1:", StringComparison.Ordinal)
                && l.Text.Contains("refused: no TLS handshake"));
            _log.Lines.Clear();
        }, Frames, managed: 500, native: 800, Rounds);
    }

    /// <summary>Hostile frames while a job runs.</summary>
    /// <returns>The number of connections that it took.</returns>
    private async Task<int> RoundAsync(Mutations mutations, NodeTls? tls, List<byte[]> corpus, int frames = Frames)
    {
        var job = JobAsync($"during-{++_jobs}");
        int connections = await AttackAsync(mutations, tls, corpus, frames);
        await job;
        Unharmed();
        return connections;
    }

    private void Unharmed()
    {
        Assert.False(_coordinator.Ended.IsCompleted || _worker.Ended.IsCompleted);
        Assert.DoesNotContain(_log.Lines, l => l.Text.Contains("ended by a fault of this node"));
    }

    /// <summary>A job over both nodes gives its bits whatever comes in between.</summary>
    private async Task JobAsync(string name)
    {
        var spec = new LinearParts().Read(LinearParts.Yaml(epochs: 30));
        var local = await LocalJobHost.RunAsync(new JobId("local-" + name), spec, LinearParts.Of(new LinearRuntime()), new RecordingSink(),
            JobStorage.None, TimeProvider.System);
        var summary = await _coordinator.RunJobAsync(new JobId(name), spec, _ => new RecordingSink(), JobStorage.None);
        Assert.Equal(RunStatus.Completed, summary.Status);
        Assert.Equal(local.WeightsSha256, summary.WeightsSha256);
    }

    /// <summary>What a real peer sends from its first frame on, whole and with the length in front.</summary>
    private async Task<List<byte[]>> RecordAsync(NodeTls tls)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int relay = ((IPEndPoint)listener.LocalEndpoint).Port;
        var frames = new List<byte[]>();
        var relaying = Task.Run(async () =>
        {
            using var client = await TlsStreams.OverAsync(tls, await listener.AcceptSocketAsync(Token), accepted: true, null, Token);
            using var server = await ConnectAsync(tls);
            var back = server.CopyToAsync(client, Token);
            try
            {
                var prefix = new byte[4];
                while (await client.ReadAtLeastAsync(prefix, 4, throwOnEndOfStream: false, Token) == 4)
                {
                    var frame = new byte[4 + BinaryPrimitives.ReadInt32LittleEndian(prefix)];
                    prefix.CopyTo(frame, 0);
                    await client.ReadExactlyAsync(frame.AsMemory(4), Token);
                    frames.Add(frame);
                    await server.WriteAsync(frame, Token);
                }
            }
            catch (IOException)
            {
                // closed at the end
            }
        }, Token);
        var peer = ClusterTlsTests.Attacker(tls, "distopt");
        try
        {
            string address = $"akka.ssl.tcp://distopt@127.0.0.1:{relay}";
            var agent = peer.ActorSelection(address + "/user/node");
            for (int i = 0; i < 5; i++)
            {
                agent.Tell(new Identify(i));
                agent.Tell(new NodeEnvelope(new JobId("job"), NodeActors.Agent, new NodeId("127.0.0.1:1#1"), "waiting.1", WireCodec.Serialize(new Waiting("server 0", 3, ["x"], []))));
                peer.ActorSelection(address + "/system/cluster/core/daemon").Tell(new Identify(i));
                peer.ActorSelection(address + "/system/cluster/heartbeatReceiver").Tell("text");
            }
            while (frames.Count < 20) await Task.Yield();
        }
        finally
        {
            await peer.Terminate();
        }
        await relaying;
        // the node is to take the frames for its own: ports of five digits have one length in every encoding
        byte[] from = Encoding.ASCII.GetBytes($":{relay}"), to = Encoding.ASCII.GetBytes($":{PortOf(_coordinator)}");
        Assert.Equal(from.Length, to.Length);
        foreach (byte[] frame in frames)
        {
            for (int at; (at = frame.AsSpan().IndexOf(from)) >= 0;) to.CopyTo(frame, at);
        }
        return frames;
    }

    /// <summary>Sends so many frames, on as few connections as the node leaves open.</summary>
    /// <returns>The number of connections that it took.</returns>
    private async Task<int> AttackAsync(Mutations mutations, NodeTls? tls, List<byte[]> corpus, int frames)
    {
        Stream? stream = null;
        int connections = 0, sent = 0;
        for (int i = 0; i < frames; i++)
        {
            try
            {
                if (stream is null)
                {
                    stream = await ConnectAsync(tls);
                    connections++;
                    sent = 0;
                    // most connections begin as they should, with a greeting and with who is there, so that what follows gets further in
                    if (mutations.Next(4) > 0)
                    {
                        await stream.WriteAsync(corpus[0], Token);
                        await stream.WriteAsync(corpus[1], Token);
                    }
                }
                byte[] frame = mutations.Of(corpus[mutations.Next(corpus.Count)]);
                // most lengths are right, so that what they frame gets further in
                if (frame.Length > 4 && mutations.Next(5) > 0) BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - 4);
                await stream.WriteAsync(frame, Token);
                if (++sent < 20) continue;
            }
            catch (Exception e) when (ConnectionErrors.IsLoss(e))
            {
                // closed by the other side, as it may
            }
            if (stream is not null) await stream.DisposeAsync();
            stream = null;
        }
        if (stream is not null) await stream.DisposeAsync();
        return connections;
    }

    private async Task<Stream> ConnectAsync(NodeTls? tls)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, PortOf(_coordinator), Token);
        return tls is null ? new NetworkStream(socket, ownsSocket: true) : await TlsStreams.OverAsync(tls, socket, accepted: false, "127.0.0.1", Token);
    }

    private Task<ClusterNode> Start(NodeOptions options) =>
        ClusterNode.StartAsync(options, LinearParts.Of(new LinearRuntime()), new TestLoggers(_log), TimeProvider.System, Token);

    private static int PortOf(ClusterNode node) => int.Parse(node.Endpoint.Split(':')[1]);
}
