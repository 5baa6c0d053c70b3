using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace DistOpt.Core.Runs;

/// <summary>
/// Writes scalars to a TensorBoard event file. Framing is TFRecord (tensorflow/core/lib/io/record_writer.h): length as uint64, masked
/// CRC32C of the length, data, masked CRC32C of the data. The data is an <c>Event</c> (tensorflow/core/util/event.proto): wall_time = 1
/// (double), step = 2 (int64), file_version = 3 (string), summary = 5; a <c>Summary.Value</c> has tag = 1 and simple_value = 2 (float).
/// </summary>
public sealed class TensorBoardWriter : IDisposable
{
    private readonly Stream _stream;
    private readonly ArrayBufferWriter<byte> _event = new(256);
    private readonly ArrayBufferWriter<byte> _value = new(128);

    /// <param name="directory">An existing directory.</param>
    /// <param name="started">Stands in the file's name, by which TensorBoard orders files, and in the first event.</param>
    public TensorBoardWriter(string directory, DateTimeOffset started)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{started.ToUnixTimeSeconds():D10}.distopt");
        _stream = new FileStream(Path.Combine(directory, name), FileMode.Create, FileAccess.Write, FileShare.Read);
        Double(_event, 1, Seconds(started));
        Bytes(_event, 3, "brain.Event:2"u8);
        WriteRecord();
        _stream.Flush();
    }

    /// <param name="tag">Such as <c>train/loss</c>; TensorBoard groups by what stands before the slash.</param>
    public void Scalar(string tag, long step, double value, DateTimeOffset at)
    {
        Bytes(_value, 1, Encoding.UTF8.GetBytes(tag));
        Tag(_value, 2, wireType: 5);
        BinaryPrimitives.WriteSingleLittleEndian(_value.GetSpan(4), (float)value);
        _value.Advance(4);

        Double(_event, 1, Seconds(at));
        Tag(_event, 2, wireType: 0);
        Varint(_event, (ulong)step);
        Tag(_event, 5, wireType: 2);
        Varint(_event, (ulong)(1 + VarintLength((ulong)_value.WrittenCount) + _value.WrittenCount));
        Bytes(_event, 1, _value.WrittenSpan);
        _value.ResetWrittenCount();
        WriteRecord();
    }

    public void Flush() => _stream.Flush();

    public void Dispose() => _stream.Dispose();

    /// <summary>CRC-32C (Castagnoli) as RFC 3720 defines it.</summary>
    internal static uint Crc32C(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in data) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    private static uint MaskedCrc(ReadOnlySpan<byte> data) => BitOperations.RotateRight(Crc32C(data), 15) + 0xa282ead8u;

    private void WriteRecord()
    {
        Span<byte> header = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)_event.WrittenCount);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], MaskedCrc(header[..8]));
        _stream.Write(header);
        _stream.Write(_event.WrittenSpan);
        BinaryPrimitives.WriteUInt32LittleEndian(header, MaskedCrc(_event.WrittenSpan));
        _stream.Write(header[..4]);
        _event.ResetWrittenCount();
    }

    private static double Seconds(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).TotalSeconds;

    private static void Tag(ArrayBufferWriter<byte> target, int field, int wireType) => Varint(target, (ulong)((field << 3) | wireType));

    private static void Double(ArrayBufferWriter<byte> target, int field, double value)
    {
        Tag(target, field, wireType: 1);
        BinaryPrimitives.WriteDoubleLittleEndian(target.GetSpan(8), value);
        target.Advance(8);
    }

    private static void Bytes(ArrayBufferWriter<byte> target, int field, ReadOnlySpan<byte> value)
    {
        Tag(target, field, wireType: 2);
        Varint(target, (ulong)value.Length);
        target.Write(value);
    }

    private static void Varint(ArrayBufferWriter<byte> target, ulong value)
    {
        var span = target.GetSpan(10);
        int count = 0;
        for (; value >= 0x80; value >>= 7) span[count++] = (byte)(value | 0x80);
        span[count++] = (byte)value;
        target.Advance(count);
    }

    private static int VarintLength(ulong value)
    {
        int count = 1;
        for (; value >= 0x80; value >>= 7) count++;
        return count;
    }
}
