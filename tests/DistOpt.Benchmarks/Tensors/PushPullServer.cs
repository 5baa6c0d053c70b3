using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Akka.Actor;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Benchmarks.Tensors;

/// <summary>
/// The server process of the push-pull row: a tensor channel with an actor that applies SGD to what is pushed and answers with the weights,
/// and beside it a blocking socket that sends back as many bytes as it gets.
/// </summary>
internal static class PushPullServer
{
    public const string Argument = "--push-pull-server";

    /// <summary>Values of the largest payload, 64 MiB.</summary>
    public const int Capacity = 16 << 20;

    public const ulong Job = 1;

    public static readonly TensorAddress ServerAddress = new(Job, TensorTarget.Server, 0);

    public static readonly TensorAddress ReplicaAddress = new(Job, TensorTarget.Replica, 0);

    /// <summary>Serves until its standard input ends.</summary>
    /// <param name="args"><see cref="Argument"/>, secret in hex, the client's channel port, slice bytes.</param>
    public static async Task<int> RunAsync(string[] args)
    {
        var options = Options(Convert.FromHexString(args[1]), int.Parse(args[3], CultureInfo.InvariantCulture));
        await using var channel = TcpTensorChannel.Start(new NodeId("server"), options, NullLogger.Instance);
        var worker = new TensorPeer(new NodeId("worker"), "127.0.0.1", int.Parse(args[2], CultureInfo.InvariantCulture));
        using var system = ActorSystem.Create("push-pull");
        var buffers = new ReceiveBuffers(Capacity);
        var actor = system.ActorOf(Props.Create(() => new SgdActor(channel, worker)));
        using var listening = channel.Listen(ServerAddress, new TensorInbox(actor, h => Cut(buffers.Rent(), h.Range.Length)));
        using var raw = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        raw.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        raw.Listen(1);
        var echo = new Thread(() => Echo(raw)) { IsBackground = true };
        echo.Start();
        Console.WriteLine(FormattableString.Invariant($"ready {channel.Self.Port} {((IPEndPoint)raw.LocalEndPoint!).Port}"));
        while (await Console.In.ReadLineAsync() is not null)
        {
            // nothing is asked; the end of the input is the end of the run
        }

        await system.Terminate();
        return 0;
    }

    public static TcpTensorChannelOptions Options(byte[] secret, int slice) => new() { Secret = secret, SliceBytes = slice };

    public static TensorLease Cut(TensorLease whole, long length) => new(whole.Memory[..(int)length], _ => whole.Dispose());

    /// <summary>As the channel does on loopback, so that both are measured with the same congestion control.</summary>
    public static void Tune(Socket socket)
    {
        socket.NoDelay = true;
        if (OperatingSystem.IsLinux()) socket.SetRawSocketOption(6, 13, Encoding.ASCII.GetBytes("cubic"));
    }

    private static void Echo(Socket listener)
    {
        using var socket = listener.Accept();
        Tune(socket);
        var payload = new float[Capacity];
        var prefix = new byte[sizeof(int)];
        while (Fill(socket, prefix))
        {
            var bytes = MemoryMarshal.AsBytes(payload.AsSpan())[..BitConverter.ToInt32(prefix)];
            if (!Fill(socket, bytes)) return;
            SendAll(socket, bytes);
        }
    }

    public static bool Fill(Socket socket, Span<byte> bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int read = socket.Receive(bytes[at..]);
            if (read == 0) return false;
            at += read;
        }

        return true;
    }

    public static void SendAll(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0) bytes = bytes[socket.Send(bytes)..];
    }

    private sealed class SgdActor : ReceiveActor
    {
        private readonly FlatBuffer _weights = new(Capacity);
        private readonly Sgd _sgd = new(new SgdOptions { LearningRate = 1e-3 });

        public SgdActor(ITensorChannel channel, TensorPeer worker) => Receive<TensorArrived>(push =>
        {
            var range = push.Header.Range;
            var weights = _weights.Memory.Slice((int)range.Begin, (int)range.Length);
            using (push.Payload)
            {
                _sgd.Apply(new OptimizerStep(push.Header.Step + 1, 1e-3, 1f), weights.Span, push.Payload.Span, []);
            }

            channel.Send(worker, push.Header with { Kind = TensorKind.Answer, To = ReplicaAddress }, null, new TensorLease(weights));
        });
    }
}
