using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace DistOpt.Core.Datasets;

/// <summary>
/// Content hash of a data set: SHA-256 over count, test count, task number, input shape, target shape, classes, columns (each list with its
/// length first, texts as UTF-8 with their byte count first, numbers as 64-bit), then stored inputs, int32 labels and float32 targets,
/// each with its byte count first; all little-endian.
/// </summary>
internal static class ContentHasher
{
    /// <param name="inputs">Stored values of all inputs; multi-byte values little-endian.</param>
    /// <returns>SHA-256 in lower-case hex.</returns>
    public static string Compute(DataInfo info, long count, long testCount, ReadOnlySpan<byte> inputs, ReadOnlySpan<int> labels,
        ReadOnlySpan<float> targets)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("DistOpt runs on little-endian machines");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Number(count);
        Number(testCount);
        Number((long)info.Task);
        Number(info.InputShape.Length);
        foreach (long size in info.InputShape) Number(size);
        Number(info.TargetShape.Length);
        foreach (long size in info.TargetShape) Number(size);
        Number(info.Classes.Length);
        foreach (string name in info.Classes) Text(name);
        Number(info.Columns.Length);
        foreach (string name in info.Columns) Text(name);
        Bytes(inputs);
        Bytes(MemoryMarshal.AsBytes(labels));
        Bytes(MemoryMarshal.AsBytes(targets));
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Number(long value)
        {
            Span<byte> bytes = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
            hash.AppendData(bytes);
        }

        void Text(string value)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(value);
            Number(bytes.Length);
            hash.AppendData(bytes);
        }

        void Bytes(ReadOnlySpan<byte> bytes)
        {
            Number(bytes.Length);
            hash.AppendData(bytes);
        }
    }
}
