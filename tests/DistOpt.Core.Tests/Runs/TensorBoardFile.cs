using System.Text;

namespace DistOpt.Core.Tests.Runs;

/// <summary>An event file reader of its own, bit by bit from the format's definition, so that a fault in the writer is not shared.</summary>
internal static class TensorBoardFile
{
    public static List<(double WallTime, long Step, string? Version, string? Tag, float Value)> Read(string path)
    {
        var reader = new BinaryReader(new MemoryStream(File.ReadAllBytes(path)));
        var events = new List<(double, long, string?, string?, float)>();
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            byte[] length = reader.ReadBytes(8);
            Assert.Equal(Masked(length), reader.ReadUInt32());
            byte[] data = reader.ReadBytes((int)BitConverter.ToUInt64(length));
            Assert.Equal(Masked(data), reader.ReadUInt32());
            events.Add(Event(data));
        }
        return events;
    }

    /// <summary>CRC-32C by the reflected polynomial, one bit at a time.</summary>
    public static uint Crc(byte[] data)
    {
        uint crc = 0xffffffff;
        foreach (byte b in data)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
        }
        return crc ^ 0xffffffff;
    }

    private static uint Masked(byte[] data)
    {
        uint crc = Crc(data);
        return unchecked(((crc >> 15) | (crc << 17)) + 0xa282ead8);
    }

    private static (double, long, string?, string?, float) Event(byte[] data)
    {
        double wall = 0;
        long step = 0;
        string? version = null, tag = null;
        float value = 0;
        foreach (var (field, payload) in Fields(data))
        {
            switch (field)
            {
                case 1: wall = BitConverter.ToDouble(payload); break;
                case 2: step = (long)BitConverter.ToUInt64(payload); break;
                case 3: version = Encoding.UTF8.GetString(payload); break;
                case 5:
                    var (inner, content) = Assert.Single(Fields(payload));
                    Assert.Equal(1, inner);
                    foreach (var (part, bytes) in Fields(content))
                    {
                        if (part == 1) tag = Encoding.UTF8.GetString(bytes);
                        else if (part == 2) value = BitConverter.ToSingle(bytes);
                        else Assert.Fail($"unexpected field {part}");
                    }
                    break;
                default: Assert.Fail($"unexpected field {field}"); break;
            }
        }
        return (wall, step, version, tag, value);
    }

    private static List<(int Field, byte[] Payload)> Fields(byte[] data)
    {
        var reader = new BinaryReader(new MemoryStream(data));
        var fields = new List<(int, byte[])>();
        while (reader.BaseStream.Position < data.Length)
        {
            int tag = reader.Read7BitEncodedInt();
            fields.Add((tag >> 3, (tag & 7) switch
            {
                0 => BitConverter.GetBytes((ulong)reader.Read7BitEncodedInt64()),
                1 => reader.ReadBytes(8),
                2 => reader.ReadBytes(reader.Read7BitEncodedInt()),
                5 => reader.ReadBytes(4),
                var other => throw new InvalidDataException($"wire type {other}"),
            }));
        }
        return fields;
    }
}
