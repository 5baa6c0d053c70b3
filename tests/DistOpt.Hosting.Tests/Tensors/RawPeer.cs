using System.Buffers.Binary;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Parameters;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Tests.Tensors;

/// <summary>A peer that authenticates as a node should and then sends whatever bytes a test likes.</summary>
internal sealed class RawPeer : IDisposable
{
    private RawPeer(TensorConnection connection) => Connection = connection;

    public TensorConnection Connection { get; }

    public static async Task<RawPeer> ConnectAsync(TcpTensorChannel target, string name = "stranger", byte[]? secret = null, ulong instance = 1)
    {
        var options = TcpPair.Options;
        var connection = await TensorConnection.ConnectAsync("127.0.0.1", target.Port, options, TestContext.Current.CancellationToken);
        try
        {
            await new TensorHandshake(secret ?? options.Secret, new NodeId(name), instance).ConnectAsync(connection, target.Self.Node);
        }
        catch
        {
            connection.Dispose();
            throw;
        }

        return new RawPeer(connection);
    }

    /// <summary>A whole valid frame.</summary>
    public static byte[] Frame(TensorAddress to, ulong sequence, int length, byte[]? meta = null, ulong previous = 0)
    {
        var header = new TensorHeader(TensorKind.Push, to, 1, (long)sequence, default, new KeyRange(0, length));
        meta ??= [];
        var bytes = new byte[FrameRecord.Size + meta.Length + (length * sizeof(float))];
        new FrameRecord(RecordKind.Frame, header, sequence, previous, meta.Length, length * sizeof(float)).Write(bytes);
        meta.CopyTo(bytes, FrameRecord.Size);
        for (int i = 0; i < length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(FrameRecord.Size + meta.Length + (i * sizeof(float))), (long)sequence + i);
        return bytes;
    }

    /// <summary>The next control record, or null when the other side has closed.</summary>
    public async Task<ControlRecord?> NextAsync()
    {
        var buffer = new byte[ControlRecord.Size];
        try
        {
            if (!await Connection.ReadAsync(buffer)) return null;
        }
        catch (IOException)
        {
            return null;
        }
        catch (System.Net.Sockets.SocketException)
        {
            // closed with bytes unread: reset
            return null;
        }

        Assert.True(ControlRecord.TryRead(buffer, out var record));
        return record;
    }

    /// <summary>Reads until the other side closes.</summary>
    public async Task ClosedAsync()
    {
        while (await NextAsync() is not null)
        {
            // whatever it says before
        }
    }

    public void Dispose() => Connection.Dispose();
}
