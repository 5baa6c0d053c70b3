using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Benchmarks.Tensors;

/// <summary>Push-pull of one size: medians over rounds in which both contenders take turns.</summary>
/// <param name="Bytes">Bytes each way.</param>
/// <param name="Parts">Frames that the payload was cut into.</param>
/// <param name="RawMilliseconds">Blocking TCP there and back, without an optimizer.</param>
/// <param name="Milliseconds">Push, SGD by an actor, answer.</param>
/// <param name="Ratio">Median over rounds of raw time / channel time: the share of raw TCP's bytes/s.</param>
internal sealed record PushPullResult(long Bytes, int Parts, double RawMilliseconds, double Milliseconds, double Ratio, string CongestionControl);

/// <summary>Worker side of the push-pull row: starts the server as a child process of this program and measures against it.</summary>
internal sealed class PushPull : ITensorReceiver, IAsyncDisposable
{
    private readonly Process _server;
    private readonly TcpTensorChannel _channel;
    private readonly TensorPeer _peer;
    private readonly Socket _raw;
    private readonly IDisposable _listening;
    private readonly FlatBuffer _weights = new(PushPullServer.Capacity);
    private readonly FlatBuffer _gradient = new(PushPullServer.Capacity);
    private readonly SemaphoreSlim _answered = new(0);
    private long _step;
    private int _missing;

    private PushPull(Process server, TcpTensorChannel channel, int serverPort, int rawPort)
    {
        (_server, _channel) = (server, channel);
        _peer = new TensorPeer(new NodeId("server"), "127.0.0.1", serverPort);
        _listening = channel.Listen(PushPullServer.ReplicaAddress, this);
        _raw = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _raw.Connect(IPAddress.Loopback, rawPort);
        PushPullServer.Tune(_raw);
    }

    public bool CreditOnReceipt => true;

    /// <param name="slice">Bytes of a slice; null for the channel's default.</param>
    public static async Task<PushPull> StartAsync(int? slice = null)
    {
        var options = new TcpTensorChannelOptions { Secret = RandomNumberGenerator.GetBytes(32) };
        if (slice is { } bytes) options = options with { SliceBytes = bytes };
        var channel = TcpTensorChannel.Start(new NodeId("worker"), options, NullLogger.Instance);
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        string[] arguments =
        [
            PushPullServer.Argument, Convert.ToHexString(options.Secret), channel.Port.ToString(CultureInfo.InvariantCulture),
            options.SliceBytes.ToString(CultureInfo.InvariantCulture),
        ];
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        var server = Process.Start(start) ?? throw new InvalidOperationException($"cannot start {start.FileName}");
        string[] ready = (await server.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the push-pull server ended at once")).Split(' ');
        return new PushPull(server, channel, int.Parse(ready[1], CultureInfo.InvariantCulture), int.Parse(ready[2], CultureInfo.InvariantCulture));
    }

    /// <param name="length">float32 values each way.</param>
    /// <param name="parts">Frames to cut them into.</param>
    /// <param name="rounds">Rounds in which raw TCP and the channel take turns.</param>
    /// <param name="seconds">Time of each turn.</param>
    public PushPullResult Measure(int length, int parts, int rounds = 7, double seconds = 0.25)
    {
        List<double> raw = [], own = [], ratios = [];
        Turn(() => RawRoundTrip(length), seconds);
        Turn(() => RoundTrip(length, parts), seconds);
        for (int round = 0; round < rounds; round++)
        {
            double r = Turn(() => RawRoundTrip(length), seconds);
            double c = Turn(() => RoundTrip(length, parts), seconds);
            raw.Add(r);
            own.Add(c);
            ratios.Add(r / c);
        }

        return new PushPullResult((long)length * sizeof(float), parts, Median(raw), Median(own), Median(ratios), _channel.CongestionControl(_peer.Node) ?? "unknown");
    }

    public TensorLease? Accept(in TensorHeader header) => new(_weights.Slice(header.Range));

    public void Received(in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        payload.Dispose();
        if (Interlocked.Decrement(ref _missing) == 0) _answered.Release();
    }

    public void Abandoned(in TensorHeader header, TensorLease payload) => payload.Dispose();

    public async ValueTask DisposeAsync()
    {
        _listening.Dispose();
        await _channel.DisposeAsync();
        _raw.Dispose();
        _server.StandardInput.Close();
        await _server.WaitForExitAsync();
        _server.Dispose();
        _answered.Dispose();
    }

    // median milliseconds of one round trip
    private static double Turn(Action trip, double seconds)
    {
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            trip();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        while (Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds);

        return Median(times);
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private void RoundTrip(int length, int parts)
    {
        long step = ++_step;
        Volatile.Write(ref _missing, parts);
        for (int part = 0; part < parts; part++)
        {
            var range = new KeyRange((long)length * part / parts, (long)length * (part + 1) / parts);
            var header = new TensorHeader(TensorKind.Push, PushPullServer.ServerAddress, 1, step, default, range);
            _channel.Send(_peer, header, null, new TensorLease(_gradient.Slice(range)));
        }

        _answered.Wait();
    }

    private void RawRoundTrip(int length)
    {
        Span<byte> prefix = stackalloc byte[sizeof(int)];
        BitConverter.TryWriteBytes(prefix, length * sizeof(float));
        _raw.Send(prefix);
        PushPullServer.SendAll(_raw, MemoryMarshal.AsBytes(_gradient.Span[..length]));
        if (!PushPullServer.Fill(_raw, MemoryMarshal.AsBytes(_weights.Span[..length]))) throw new EndOfStreamException("the echo ended");
    }
}
